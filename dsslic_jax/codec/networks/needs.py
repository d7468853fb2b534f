"""What memory CompNet and FineNet need for a picture, told by its size and the model's settings, without JAX."""

from dsslic_jax.codec.networks.padded_windows import padded_side
from dsslic_jax.models.settings import CoarseSettings
from dsslic_jax.system import memory

# FineNet that looks at the whole picture takes longer in bands: only where it would need more than this.
BANDED_FROM_BYTES = 512 << 20
# What a stream may ask for where nobody allows more: it may come from anywhere.
STREAM_BYTES = 1 << 30
_BAND_FEATURES = 1 << 22  # of the widest layer at full scale, the rows around a band left aside
# What a network holds at once, measured (benchmarks/memory.py): so many layers as wide as its widest.
_LAYERS_HELD = 5
_LEAST_MAPS = 2  # of FineNet in bands
_BYTES_A_FEATURE = 4


def band_rows(width: int, features: int, unit: int) -> int:
    """Rows of a band, a multiple of `unit`, of a map `width` positions wide."""
    return max(_BAND_FEATURES // (width * features) // unit, 1) * unit


def whole_bytes(height: int, width: int, features: int) -> int:
    """Of a network on height x width pixels, its widest layer of so many features a pixel."""
    return _LAYERS_HELD * _BYTES_A_FEATURE * features * height * width


def banded_bytes(height: int, width: int, settings: CoarseSettings) -> int:
    """Of FineNet on a padded picture in bands."""
    unit, features = 1 << settings.finenet_downs, settings.finenet_width
    margin = 3 * unit + 8  # at least what FineNet sees around a row, see `finenet_bands`
    rows = min(band_rows(width, features, unit) + 2 * margin, height)
    least = _LEAST_MAPS * _BYTES_A_FEATURE * features * height * width // unit
    return least + whole_bytes(rows, width, features)


def in_bands(height: int, width: int, settings: CoarseSettings) -> bool:
    """Whether FineNet runs a padded picture in bands: its norm looks at all of it, it is large, and bands take less.

    Bands take longer: who names a limit of memory has the whole run in one piece where that fits.
    """
    whole = whole_bytes(height, width, settings.finenet_width)
    if settings.norm != "instance" or whole <= memory.named_limit(BANDED_FROM_BYTES):
        return False
    return banded_bytes(height, width, settings) < whole


def require_decodable(height: int, width: int, settings: CoarseSettings) -> None:
    """Raises TooLarge where a stream's x' needs more memory than a stream may ask for, or than the limit."""
    if not settings.finenet_width or settings.runs_in_windows:
        return
    multiple = max(settings.alpha, 1 << settings.finenet_downs)
    sides = padded_side(height, multiple), padded_side(width, multiple)
    needed = whole_bytes(*sides, settings.finenet_width)
    if in_bands(*sides, settings):
        needed = banded_bytes(*sides, settings)
    memory.require(needed, "a picture of this size, by this model,", STREAM_BYTES)
