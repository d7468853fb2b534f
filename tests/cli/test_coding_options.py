"""The options of `dsslic encode` that choose how a picture is coded."""

from types import SimpleNamespace

import pytest

from dsslic_jax.cli import _parser
from dsslic_jax.codec.settings import CodingSettings, coding_settings
from dsslic_jax.commands import encode


def settings_of(*options: str) -> CodingSettings:
    parsed = _parser().parse_args(["encode", "a.png", "a.dsslic", *options])
    own = {"quality": 20, "label_scale": 8, "layers": 2}
    return encode._settings(parsed, SimpleNamespace(bundle=SimpleNamespace(coding=own)))


@pytest.mark.parametrize(
    ("options", "chosen"),
    [
        ("", {}),
        ("--quality 40", {"quality": 40}),
        ("--target-bpp 0.5", {"target_bits_per_pixel": 0.5}),
        ("--target-psnr 33", {"target_psnr_db": 33}),
        ("--layers 3 --weights car=4", {"layers": 3, "weights": "car=4"}),
        ("--no-labels", {"labels": "none"}),
        ("--labels-at-decoder", {"labels": "decoder"}),
        ("--auto-labels", {"labels": "auto"}),
        ("--label-scale 4 --label-loss 1%", {"label_scale": 4, "label_loss": 0.01}),
        ("--label-loss 0.5", {"label_loss": 0.5}),
        ("--compact-step 8 --residual centred", {"compact_step": 8, "residual": "centred"}),
        ("--prediction-gain auto", {"prediction_gain": "auto"}),
        ("--prediction-gain 0.5 --enhance off", {"prediction_gain": 0.5, "enhance": "off"}),
        ("--residual-bits 10", {"residual_bits": 10}),
        ("--residual-colour rgb444", {"residual_colour": "rgb444"}),
        ("--codecs external", {"codecs": "external"}),
        ("--coder r=libbpg --coder c=flif", {"coders": "r=libbpg,c=flif"}),
    ],
)
def test_options_are_settings(options: str, chosen: dict[str, object]) -> None:
    own = {"quality": 20, "label_scale": 8, "layers": 2}
    assert settings_of(*options.split()) == coding_settings(own, **chosen)


@pytest.mark.parametrize(
    "options",
    ["--quality 1 --target-bpp 1", "--no-labels --auto-labels", "--label-scale 3", "--layers x"],
)
def test_what_cannot_be_typed_is_wrong_usage(options: str) -> None:
    with pytest.raises(SystemExit):
        settings_of(*options.split())
