"""Which coders a set holds, and what is said when one cannot be had."""

import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from dsslic_jax.codec.coders.bpg.coder import BpgCoder, BpgOptions
from dsslic_jax.codec.coders.bpg.embedded import COLOURS
from dsslic_jax.codec.coders.coder import Context
from dsslic_jax.codec.coders.registry import Choice, CoderSet, OpenCoders
from dsslic_jax.codec.layers import compact as compact_layer
from dsslic_jax.errors import CoderUnavailable, ConfigError, StreamError
from tests.codec.pictures import at_depth, psnr_db, smooth_picture


@pytest.fixture
def no_programs_on_path(monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))


def coder_set(
    codecs: str, programs: dict[str, str] | None = None, bits: int = 8, colour: str = "ycbcr444"
) -> CoderSet:
    options = BpgOptions(bits, colour)
    return OpenCoders(context=Context(programs=programs or {})).encoders(
        Choice(codecs), lambda _: options
    )


def decoder_for(
    name: str, codecs: str = "embedded", programs: dict[str, str] | None = None, layer: str = "c"
) -> Any:
    return OpenCoders(Choice(codecs), Context(programs=programs or {})).decoder(layer, name)


def residual_decoder(codecs: str, programs: dict[str, str]) -> BpgCoder:
    return decoder_for("bpg", codecs, programs, "r")


def names_of(coders: CoderSet) -> tuple[str, tuple[str, ...], str]:
    compact = tuple(opened.record.name for opened in coders.compact)
    return coders.labels.record.name, compact, coders.residual.record.name


def test_the_embedded_set_needs_no_programs(no_programs_on_path) -> None:
    coders = coder_set("embedded")
    assert names_of(coders) == ("context", ("jxl", "context"), "bpg")
    picture = smooth_picture(16, 24)
    for opened in coders.compact:
        decoder = decoder_for(opened.record.stream_name)
        data = opened.coder.encode(picture)
        np.testing.assert_array_equal(decoder.decode(data, (16, 24, 3)), picture)


def test_the_external_set_is_flif_and_bpg(programs) -> None:
    coders = coder_set("external", programs)
    assert names_of(coders) == ("flif", ("flif",), "libbpg")
    assert coders.residual.record.stream_name == "bpg"


def test_the_compact_image_is_coded_by_the_coder_that_takes_least() -> None:
    coders = coder_set("embedded").compact
    few_levels = np.random.default_rng(0).integers(0, 3, (12, 8, 3), np.uint8) * 64
    for picture, step, expected in (
        (few_levels, 64, "context"),
        (smooth_picture(64, 64), 1, "jxl"),  # more samples than the context coder is given
    ):
        name, payload, decoded = compact_layer.encode(picture, step, coders, Context())
        assert name == expected
        assert len(payload) == 1 + min(
            len(opened.coder.encode(picture // step))
            for opened in coders
            if opened.record.name == "jxl" or picture.size <= 8192
        )
        np.testing.assert_array_equal(decoded, picture)
        np.testing.assert_array_equal(
            compact_layer.decode(payload, picture.shape, decoder_for(name), Context()), picture
        )
    name, *_ = compact_layer.encode(smooth_picture(64, 64), 1, coders[1:], Context())
    assert name == "context"  # however many there are, where it was chosen alone


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
    assert residual_decoder("external", {"bpgdec": programs["bpgdec"]})


@pytest.mark.parametrize("colour", COLOURS)
def test_both_sets_read_each_others_residuals_to_the_same_pixels(colour, programs) -> None:
    picture = smooth_picture(33, 57)
    for codecs in ("embedded", "external"):
        coder = coder_set(codecs, programs, 8, colour).residual.coder
        data = coder.encode(picture, 20)
        seen = [
            residual_decoder(reader, programs).decode(data, picture.shape)
            for reader in ("embedded", "external")
        ]
        np.testing.assert_array_equal(*seen, strict=True)
        if colour != "ycbcr420":  # the picture's colours change too fast for halved chroma
            assert psnr_db(picture, seen[0]) > 30


def test_both_sets_read_ten_bit_residuals_to_the_same_samples(programs_of_16_bits) -> None:
    picture = at_depth(smooth_picture(33, 57), 10)
    for codecs in ("embedded", "external"):
        coder = coder_set(codecs, programs_of_16_bits, 10).residual.coder
        data = coder.encode(picture, 20)
        seen = [
            residual_decoder(reader, programs_of_16_bits).decode(data, picture.shape)
            for reader in ("embedded", "external")
        ]
        np.testing.assert_array_equal(*seen, strict=True)
        assert seen[0].dtype == np.uint16 and coder.coded_bits(data) == 10


def test_an_unknown_set_is_refused() -> None:
    with pytest.raises(ConfigError, match="one of embedded, external, not 'native'"):
        coder_set("native")
    with pytest.raises(ConfigError):
        decoder_for("jxl", "native")


def test_an_unknown_coder_name_in_a_stream_is_refused() -> None:
    with pytest.raises(StreamError, match="coder 'webp' of layer c: none is known"):
        decoder_for("webp")
    with pytest.raises(StreamError, match="coder 'bpg' of layer c"):
        decoder_for("bpg")


def test_importing_the_coders_loads_no_heavy_package() -> None:
    heavy = "{'jax', 'av', 'imagecodecs', 'scipy', 'matplotlib'}"
    program = (
        f"import sys, dsslic_jax.codec.coders.registry; print(sorted({heavy} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, check=True, text=True
    )
    assert done.stdout.strip() == "[]"
