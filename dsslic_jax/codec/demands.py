"""What a stream asks of whoever decodes it, checked before a network is opened or a layer decoded. Without JAX."""

from collections.abc import Mapping

from dsslic_jax.bundle.model import Bundle
from dsslic_jax.codec.layers import residual, residual_layers
from dsslic_jax.codec.networks import needs
from dsslic_jax.codec.stream import container
from dsslic_jax.models.parts import COARSE


def check(header: container.Header, layers: Mapping[str, bytes], model: Bundle) -> None:
    """Checks the layers that are to be decoded by a model.

    Raises:
      StreamError: a layer that the format does not allow at the picture's size.
      TooLarge: x' is needed, and its networks take more memory than is allowed (`system.memory`).
    """
    size = header.height, header.width
    for layer in header.layers:
        if layer.kind == "r" and layer.name in layers:
            residual.check_tiling(residual.read_opening(layers[layer.name])[0], *size)
    last_is_c = [*layers][-1] == "c"
    if header.labels_at_decoder or last_is_c or residual_layers.take_from_coarse(layers):
        needs.require_decodable(*size, model.settings(COARSE))
