"""The table of Bjøntegaard differences."""

import math
from dataclasses import replace

import pytest

from dsslic_jax.errors import ConfigError
from dsslic_jax.evaluate.measuring.store import Measurement
from dsslic_jax.evaluate.protocols import PROTOCOLS
from dsslic_jax.evaluate.tables.differences import differences, differences_csv, find_anchor
from dsslic_jax.evaluate.tables.text import format_differences

PIXELS = 80_000  # every rate below is a whole number of bytes
RATES = (0.2, 0.4, 0.8, 1.6, 3.0)
PSNRS = (26.0, 29.0, 32.0, 35.0, 38.0)


def curve(
    codec: str,
    rate_factor: float = 1.0,
    gain_db: float = 0.0,
    labels: str | None = None,
    layer: str = "whole",
    picture: str = "a",
) -> list[Measurement]:
    """A curve over RATES and PSNRS, whose MS-SSIM in dB is half its PSNR."""
    return [
        Measurement(
            picture=picture,
            sha256="",
            width=PIXELS,
            height=1,
            codec=codec,
            version="",
            setting=setting,
            model=None,
            labels=labels,
            labels_sha256=None,
            layer=layer,
            prefix_bytes=round(rate * rate_factor * PIXELS / 8),
            layers=None if layer == "whole" else {"header": 1, "c": 1, "r1": 1},
            stream="",
            encode_s=0,
            decode_s=0,
            metrics={
                "psnr_rgb_db": psnr + gain_db,
                "psnr_channel_mean_db": psnr + gain_db,
                "ms_ssim": 1 - 10 ** (-(psnr + gain_db) / 20),
            },
        )
        for setting, (rate, psnr) in enumerate(zip(RATES, PSNRS, strict=True))
    ]


def test_where_pictures_have_no_ms_ssim_that_is_told() -> None:
    rows = [
        replace(row, metrics={**row.metrics, "ms_ssim": None})
        for row in (*curve("bpg"), *curve("jpeg", 1.1))
    ]
    psnr, ms_ssim = differences(rows, PROTOCOLS["fair"], "bpg")
    assert psnr.rate is not None and ms_ssim.rate is None
    assert ms_ssim.note == "1 of 1 left out, a: ms_ssim_db is not defined"


def test_a_picture_that_the_anchor_lacks_is_left_out_and_told() -> None:
    rows = [*curve("bpg"), *curve("jpeg", 1.1), *curve("jpeg", 1.5, picture="b")]
    found = differences(rows, PROTOCOLS["fair"], "bpg")
    for row in found:
        assert row.rate and row.rate.value == pytest.approx(10) and row.pictures == 1
        assert row.note == "1 of 2 left out, b: not measured with the anchor"


@pytest.mark.parametrize("protocol", PROTOCOLS.values(), ids=PROTOCOLS)
def test_a_curve_of_a_tenth_more_rate_differs_by_ten_per_cent(protocol) -> None:  # type: ignore[no-untyped-def]
    rows = [*curve("bpg"), *curve("jpeg", 1.1), *curve("dsslic", 0.8, labels="none", layer="r1")]
    found = {(row.curve, row.quality): row for row in differences(rows, protocol, "bpg")}
    assert len(found) == 4
    for quality in (protocol.quality, "ms_ssim_db"):
        for name, percent in (("jpeg", 10.0), ("dsslic:none", -20.0)):
            row = found[name, quality]
            assert row.rate is not None and row.rate.value == pytest.approx(percent, abs=1e-9)
            low, high = (26, 38) if quality == protocol.quality else (13, 19)
            assert row.rate[1:] == pytest.approx((low, high))
    unit = 3 if protocol.name == "paper" else 1
    gain = found["jpeg", protocol.quality].gain
    assert gain is not None and gain.value < 0
    assert gain[1:] == pytest.approx((0.22 / unit, 3.0 / unit))


def test_a_curve_raised_by_a_decibel_gains_a_decibel() -> None:
    rows = [*curve("bpg"), *curve("webp", gain_db=1.0)]
    psnr, ms_ssim = differences(rows, PROTOCOLS["fair"], "bpg")
    assert psnr.gain is not None and psnr.gain.value == pytest.approx(1.0, abs=1e-9)
    assert ms_ssim.gain is not None and ms_ssim.gain.value == pytest.approx(0.5, abs=1e-9)


def test_prefixes_of_layered_streams_are_no_curves() -> None:
    rows = [*curve("bpg"), *curve("dsslic", labels="none", layer="c")]
    assert differences(rows, PROTOCOLS["fair"], "bpg") == []


def test_curves_that_cannot_be_compared_say_why() -> None:
    rows = [*curve("bpg"), *curve("jpeg", gain_db=20.0), *curve("webp")[:3]]
    far, short = differences(rows, PROTOCOLS["fair"], "bpg")[:2]
    assert far.rate is None and far.gain is None and "share too little quality" in far.note
    assert short.rate is None and "needs 4 points" in short.note
    table = format_differences([far, short])
    assert "jpeg, psnr_rgb_db: 1 of 1 left out, a: the curves share" in table


def test_each_picture_is_compared_by_itself_before_the_mean_is_taken() -> None:
    # The mean curves of the two pictures would be equal: the anchor spends on b what the other spends on a.
    rows = [*curve("bpg"), *curve("bpg", 2.0, picture="b")]
    rows += [*curve("jpeg", 2.0), *curve("jpeg", picture="b")]
    psnr, _ = differences(rows, PROTOCOLS["fair"], "bpg")
    assert psnr.rate is not None and psnr.rate.value == pytest.approx((100 - 50) / 2, abs=1e-9)
    assert psnr.pictures == 2


def test_lossless_points_are_left_out() -> None:
    lossless = replace(curve("jpeg")[0], prefix_bytes=90_000, metrics={"psnr_rgb_db": math.inf})
    rows = [*curve("bpg"), *curve("jpeg", 1.1), lossless]
    rate = differences(rows, PROTOCOLS["fair"], "bpg")[0].rate
    assert rate is not None and rate.value == pytest.approx(10.0, abs=1e-9)


def test_pictures_where_a_metric_is_undefined_are_left_out_and_said() -> None:
    small = [
        replace(line, metrics={**line.metrics, "ms_ssim": None})
        for codec in ("bpg", "webp")
        for line in curve(codec, 0.5 if codec == "webp" else 1.0, picture="b")
    ]
    rows = [*curve("bpg"), *curve("webp", 1.1), *small]
    psnr, ms_ssim = differences(rows, PROTOCOLS["fair"], "bpg")
    assert psnr.rate is not None and psnr.rate.value == pytest.approx((10 - 50) / 2, abs=1e-9)
    assert (psnr.pictures, psnr.note) == (2, "")
    assert ms_ssim.rate is not None and ms_ssim.rate.value == pytest.approx(10.0, abs=1e-9)
    assert ms_ssim.pictures == 1 and ms_ssim.note == "1 of 2 left out, b: ms_ssim_db is not defined"


def test_the_tables_show_differences_with_what_they_are_averaged_over() -> None:
    found = differences([*curve("bpg"), *curve("jpeg", 1.1)], PROTOCOLS["fair"], "bpg")
    lines = format_differences(found).splitlines()
    assert lines[0] == "protocol fair, Bjøntegaard differences to bpg, mean over pictures"
    assert lines[1].split() == ["codec", "quality", "rate", "%", "over", "dB", "gain", "dB", *(
        "over", "rates"
    )]  # fmt: skip
    assert lines[2].startswith("jpeg   psnr_rgb_db   +10.0  26.00 to 38.00")
    assert lines[2].endswith("0.220 to 3.000")
    header, row, _ = differences_csv(found).decode().splitlines()
    assert header.startswith("protocol,anchor,curve,quality,bd_rate_percent,quality_low,")
    cells = row.split(",")
    assert cells[:4] == ["fair", "bpg", "jpeg", "psnr_rgb_db"]
    assert float(cells[4]) == pytest.approx(10.0)


def test_an_anchor_is_a_curve_or_the_only_curve_of_a_codec() -> None:
    curves = ["bpg", "dsslic:files", "dsslic:none", "dsslic_flif:none"]
    assert find_anchor("bpg", curves) == "bpg"
    assert find_anchor("dsslic:none", curves) == "dsslic:none"
    assert find_anchor("dsslic_flif", curves) == "dsslic_flif:none"
    for name in ("dsslic", "jpeg"):
        with pytest.raises(ConfigError, match=f"the anchor {name} is none of"):
            find_anchor(name, curves)
