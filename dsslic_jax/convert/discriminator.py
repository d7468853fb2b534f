"""The discriminator as conversion sees it: no part of a model, but of the state of its training. Light to import."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dsslic_jax.errors import ConfigError, ModelError
from dsslic_jax.models.settings import DiscriminatorSettings
from dsslic_jax.settings.fields import setting
from dsslic_jax.settings.reading import read


@dataclass(frozen=True)
class StoredDiscriminator(DiscriminatorSettings):
    """Settings, with what follows from a model's classes."""

    channels: int = setting(6, "of what it sees", at_least=1, at_most=1 << 10)


def stored_discriminator(told: Mapping[str, Any]) -> StoredDiscriminator:
    """The settings of which this is told. Raises ModelError where no discriminator has them."""
    try:
        return read(StoredDiscriminator, told)
    except ConfigError as error:
        raise ModelError(f"the arrays are of no discriminator: {error}") from error


def shapes(told: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    """The shapes of the arrays, by our names. Raises ModelError as `stored_discriminator` does."""
    import jax

    from dsslic_jax.models.discriminator import build_discriminator
    from dsslic_jax.models.layers import parameter_shapes

    settings = stored_discriminator(told)
    seen = jax.ShapeDtypeStruct((1, 64, 64, settings.channels), "float32")
    made = parameter_shapes(build_discriminator(settings), seen)
    return {f"discriminator/{name}": shape for name, shape in made.items()}
