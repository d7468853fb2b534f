"""Lossless coder of label maps: each label is predicted from its neighbours, an arithmetic coder stores the surprises.

    highest label u8 | arithmetic code of the map, or of its transpose where that is shorter

docs/label-coder.md has every rule.
"""

import numpy as np

from dsslic_jax.codec.coders.coder import Coder, Context
from dsslic_jax.codec.coders.context import kernels, mixing
from dsslic_jax.codec.coders.context.mixing import Model
from dsslic_jax.errors import CoderFailed, CoderUnavailable

_PLANES = 3


class LabelCoder:
    """Lossless coder of maps of any size; any labels will do, ranks 0, 1, … take least.

    Small pictures of few levels do well, too: [H, W, 3] is coded as three maps, one under the other.

    A process codes its first few thousand labels in Python; loading numba's compiled code then takes half a second, on
    a new machine some seconds.
    """

    def encode(self, labels: np.ndarray, context: Context | None = None) -> bytes:
        """Codes uint8 [H, W] or [H, W, 3]. Raises CoderFailed for any other array, CoderUnavailable without numba."""
        if labels.shape[2:] == (_PLANES,):
            labels = np.concatenate([*np.moveaxis(labels, -1, 0)])
        if labels.ndim != 2 or labels.dtype != np.uint8 or not labels.size:
            raise CoderFailed(
                f"the label coder takes uint8 maps [H, W], not {labels.dtype} {labels.shape}"
            )
        bodies = (_encode(labels, transposed=False), _encode(labels.T, transposed=True))
        return bytes([labels.max()]) + min(bodies, key=len)

    def decode(
        self, data: bytes, shape: tuple[int, ...], context: Context | None = None
    ) -> np.ndarray:
        """The map, uint8 of exactly `shape` = (H, W) or (H, W, 3), in time proportional to its pixels whatever bytes.

        Raises CoderFailed for bytes that the encoder does not write, CoderUnavailable without numba.
        """
        if shape[2:] == (_PLANES,):
            height, width = shape[:2]
            maps = self.decode(data, (_PLANES * height, width)).reshape(_PLANES, height, width)
            return np.ascontiguousarray(np.moveaxis(maps, 0, -1))
        if len(shape) != 2 or min(shape) < 1:
            raise CoderFailed(f"the label coder has maps [H, W] only, not shape {shape}")
        if not data:
            raise CoderFailed("the label map has no bytes")
        maximum, body = data[0], data[1:]
        code = int.from_bytes(body[:5].ljust(5, b"\0"), "big")
        transposed = bool(code >> (mixing.REGISTER_BITS - 1))
        model = _new_model(shape[::-1] if transposed else shape, len(body), transposed)
        model.stream[:] = np.frombuffer(body, np.uint8)
        model.work[mixing.CODE], model.work[mixing.POSITION] = code, 5
        model.work[mixing.DECODING] = 1
        _code_map(model, maximum)
        labels = _inside(model)
        settled = int(model.work[mixing.POSITION]) - 5
        if labels.max() != maximum or len(body) < settled or _closed(body[:settled], model) != body:
            raise CoderFailed(f"the label map is damaged, cut short, or not of shape {shape}")
        return np.ascontiguousarray(labels.T if transposed else labels)


class _InPython:
    left = 4096  # labels, margins included, that this process still codes without numba


def _code_map(model: Model, maximum: int) -> None:
    """Codes or decodes the model's map: in Python while that takes less than loading compiled code would."""
    _InPython.left -= model.labels.size
    if _InPython.left >= 0:
        views = (array.data for array in model)
        kernels.code_map(mixing.Model._make(views), maximum)
        return
    try:
        from dsslic_jax.codec.coders.context.compiled import code_map
    except ImportError as error:
        raise CoderUnavailable("the label coder needs numba: pip install numba") from error
    except RuntimeError as error:  # numba found no folder for its cache
        raise CoderUnavailable(f"the label coder: set NUMBA_CACHE_DIR, for {error}") from error
    code_map(model, maximum)


def _encode(labels: np.ndarray, transposed: bool) -> bytes:
    room = _usual_room(labels.size)
    while True:
        model = _new_model(labels.shape, room, transposed)
        _inside(model)[:] = labels
        _code_map(model, int(labels.max()))
        written = int(model.work[mixing.POSITION])
        if written <= room:
            return _closed(model.stream[:written].tobytes(), model)
        room = written


def _usual_room(pixels: int) -> int:
    """Bytes that even noise fits in; a map made to mislead the predictions takes a second run."""
    return pixels + pixels // 8 + 64


def _new_model(shape: tuple[int, ...], room: int, transposed: bool) -> Model:
    """A model whose map is empty. The coder's interval starts as one half: the first bit says `transposed`."""
    bordered = (shape[0] + mixing.ROWS_ABOVE, shape[1] + 2 * mixing.MARGIN)
    model = mixing.new_model(np.zeros(bordered, np.uint8), np.empty(room, np.uint8))
    if transposed:
        model.work[mixing.LOW] = 1 << (mixing.REGISTER_BITS - 1)
    else:
        model.work[mixing.HIGH] >>= 1
    return model


def _inside(model: Model) -> np.ndarray:
    """The map without its borders, a view."""
    return model.labels[mixing.ROWS_ABOVE :, mixing.MARGIN : -mixing.MARGIN]


def _closed(settled: bytes, model: Model) -> bytes:
    """`settled` and the fewest bytes that, with zeros after them, lie in the coder's interval."""
    low, high = int(model.work[mixing.LOW]), int(model.work[mixing.HIGH])
    size = mixing.REGISTER_BITS // 8
    for kept in range(size + 1):
        unit = 1 << 8 * (size - kept)
        value = -(-low // unit) * unit
        if value <= high:
            break
    return settled + value.to_bytes(size, "big")[:kept]


CODER = Coder(
    name="context",
    number=3,
    stream_name="context",
    layers="sc",
    about="the [context coder](label-coder.md)",
    needs="numba",
    open=lambda context, _: LabelCoder(),
    sets={"embedded": "sc"},
    most_samples=1 << 13,  # it is slow, and JPEG XL does better on more
)
