"""An encoder and a decoder of the tiny model."""

import pytest

from dsslic_jax.bundle.model import Bundle
from dsslic_jax.codec.codec import Codec
from tests.model_fixture import coarse_part


@pytest.fixture(scope="module")
def encoder(tiny_bundle: Bundle) -> Codec:
    return Codec(tiny_bundle)


@pytest.fixture(scope="module")
def decoder(tiny_bundle: Bundle) -> Codec:
    """Another object, so that nothing passes from encoder to decoder but bytes."""
    return Codec(coarse_part(tiny_bundle))
