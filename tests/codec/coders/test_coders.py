"""Which coders a set holds, and what is said when one cannot be had."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from dsslic_jax.codec.coders.bpg.embedded import COLOURS
from dsslic_jax.codec.coders.registry import CoderSet, coder_set, decoder_for
from dsslic_jax.codec.layers import compact as compact_layer
from dsslic_jax.errors import CoderUnavailable, ConfigError, StreamError
from tests.codec.pictures import at_depth, psnr_db, smooth_picture


@pytest.fixture
def no_programs_on_path(monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))


def names_of(coders: CoderSet) -> tuple[str, tuple[str, ...], str]:
    return coders.labels.name, tuple(coder.name for coder in coders.compact), coders.residual.name


def test_the_embedded_set_needs_no_programs(no_programs_on_path) -> None:
    coders = coder_set("embedded")
    assert names_of(coders) == ("context", ("jxl", "context"), "bpg")
    picture = smooth_picture(16, 24)
    for coder in coders.compact:
        decoder = decoder_for(coder.name, "embedded")
        np.testing.assert_array_equal(decoder.decode(coder.encode(picture), (16, 24, 3)), picture)


def test_the_external_set_is_flif_and_bpg(programs) -> None:
    assert names_of(coder_set("external", programs)) == ("flif", ("flif",), "bpg")


def test_the_compact_image_is_coded_by_the_coder_that_takes_least() -> None:
    coders = coder_set("embedded").compact
    few_levels = np.random.default_rng(0).integers(0, 3, (12, 8, 3), np.uint8) * 64
    for picture, step, expected in (
        (few_levels, 64, "context"),
        (smooth_picture(64, 64), 1, "jxl"),  # more samples than the context coder is given
    ):
        name, payload, decoded = compact_layer.encode(picture, step, coders)
        assert name == expected
        assert len(payload) == 1 + min(
            len(coder.encode(picture // step))
            for coder in coders
            if coder.name == "jxl" or picture.size <= compact_layer.CONTEXT_SAMPLES
        )
        np.testing.assert_array_equal(decoded, picture)
        decoder = decoder_for(name, "embedded")
        np.testing.assert_array_equal(
            compact_layer.decode(payload, picture.shape, decoder), picture
        )


@pytest.mark.parametrize("missing", ["flif", "bpgenc", "bpgdec"])
def test_a_missing_program_is_named_before_any_work(missing, programs, no_programs_on_path) -> None:
    present = {name: path for name, path in programs.items() if name != missing}
    with pytest.raises(CoderUnavailable) as caught:
        coder_set("external", present)
    message = str(caught.value)
    assert message.startswith(f"{missing} is not on PATH")
    assert f"--program {missing}=PATH" in message
    assert "https://" in message
    assert "--codecs embedded" in message


def test_a_configured_path_that_does_not_exist_is_named(programs) -> None:
    with pytest.raises(CoderUnavailable, match="flif is not at '/nowhere/flif'"):
        coder_set("external", {**programs, "flif": "/nowhere/flif"})


def test_a_flif_stream_needs_the_program_under_either_set(no_programs_on_path) -> None:
    for codecs in ("embedded", "external"):
        with pytest.raises(CoderUnavailable, match="flif is not on PATH"):
            decoder_for("flif", codecs)


def test_decoding_external_bpg_needs_no_bpgenc(programs, no_programs_on_path, monkeypatch) -> None:
    decoder = decoder_for("bpg", "external", {"bpgdec": programs["bpgdec"]})
    assert decoder.name == "bpg"


@pytest.mark.parametrize("colour", COLOURS)
def test_both_sets_read_each_others_residuals_to_the_same_pixels(colour, programs) -> None:
    picture = smooth_picture(33, 57)
    for codecs in ("embedded", "external"):
        data = coder_set(codecs, programs).residual.encode(picture, 20, colour, 8)
        seen = [
            decoder_for("bpg", reader, programs).decode(data, picture.shape)
            for reader in ("embedded", "external")
        ]
        np.testing.assert_array_equal(*seen, strict=True)
        if colour != "ycbcr420":  # the picture's colours change too fast for halved chroma
            assert psnr_db(picture, seen[0]) > 30


def test_both_sets_read_ten_bit_residuals_to_the_same_samples(programs_of_16_bits) -> None:
    picture = at_depth(smooth_picture(33, 57), 10)
    for codecs in ("embedded", "external"):
        coders = coder_set(codecs, programs_of_16_bits)
        data = coders.residual.encode(picture, 20, "ycbcr444", 10)
        seen = [
            decoder_for("bpg", reader, programs_of_16_bits).decode(data, picture.shape)
            for reader in ("embedded", "external")
        ]
        np.testing.assert_array_equal(*seen, strict=True)
        assert seen[0].dtype == np.uint16


def test_an_unknown_set_is_refused() -> None:
    with pytest.raises(ConfigError, match="'embedded' or 'external', not 'native'"):
        coder_set("native")
    with pytest.raises(ConfigError):
        decoder_for("jxl", "native")


def test_an_unknown_coder_name_in_a_stream_is_refused() -> None:
    with pytest.raises(StreamError, match="'webp'; known are context, flif, jxl and bpg"):
        decoder_for("webp", "embedded")


def test_importing_the_coders_loads_no_heavy_package() -> None:
    heavy = "{'jax', 'av', 'imagecodecs', 'scipy', 'matplotlib'}"
    program = (
        f"import sys, dsslic_jax.codec.coders.registry; print(sorted({heavy} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, check=True, text=True
    )
    assert done.stdout.strip() == "[]"
