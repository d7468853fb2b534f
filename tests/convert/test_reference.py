"""The authors' state dicts, computed numbers and all: the fixture goes in and comes out unchanged."""

import numpy as np

from dsslic_jax.convert.transfer import from_state_dict, to_state_dict
from dsslic_jax.models.parts import COARSE
from tests import reference_fixture as reference

ARRAYS, SETTINGS = reference.load()


def test_the_fixture_goes_in_and_out_unchanged_key_for_key() -> None:
    state_dict = reference.state_dict(ARRAYS, "init")
    model = from_state_dict(state_dict, reference.CLASSES)
    back = to_state_dict(model, "reference")
    assert {k: (a.dtype, a.shape) for k, a in back.items()} == {
        k: (a.dtype, a.shape) for k, a in state_dict.items()
    }
    for key, array in state_dict.items():
        np.testing.assert_array_equal(back[key], array, err_msg=key)


def test_sizes_are_read_off_the_shapes() -> None:
    made = from_state_dict(reference.state_dict(ARRAYS, "init"), reference.CLASSES).bundle
    read = {
        key: getattr(made.settings(COARSE), key)
        for key in ("classes", "compnet_width", "finenet_width", "finenet_blocks", "alpha")
    }
    assert read == {
        "classes": SETTINGS["classes"],
        "compnet_width": SETTINGS["ncf"],
        "finenet_width": SETTINGS["ngf"],
        "finenet_blocks": SETTINGS["n_blocks"],
        "alpha": 8,
    }
