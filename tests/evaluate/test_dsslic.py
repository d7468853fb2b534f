"""This project's own codec as the harness sees it, with a real, untrained model."""

import hashlib
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from dsslic_jax.bundle import directory as bundles
from dsslic_jax.bundle import known as known_models
from dsslic_jax.bundle.measured import entry, record
from dsslic_jax.bundle.model import Bundle
from dsslic_jax.codec.codec import Codec
from dsslic_jax.codec.stream import container
from dsslic_jax.errors import CoderUnavailable, ModelError
from dsslic_jax.evaluate.codecs.dsslic import Dsslic
from dsslic_jax.evaluate.request import Request
from dsslic_jax.evaluate.run import evaluate
from dsslic_jax.metrics import psnr_rgb_db
from tests.evaluate.folders import picture_of, read_picture, write_labels, write_picture
from tests.model_fixture import coarse_part

SIZE = (40, 56)


def test_every_layer_is_what_the_codec_decodes_of_its_prefix(
    tiny_model: Path, tiny_bundle: Bundle, tmp_path: Path
) -> None:
    write_picture(tmp_path / "images" / "a.png", *SIZE)
    write_labels(tmp_path / "labels" / "a.png", *SIZE)
    run = tmp_path / "run"
    report = evaluate(
        Request(
            tmp_path / "images",
            run,
            codecs=("dsslic",),
            settings={"dsslic": (20, 60)},
            model=tiny_model,
            labels=tmp_path / "labels",
            label_sources=("segnet", "files", "none"),
        )
    )
    picture, codec = read_picture(tmp_path / "images" / "a.png"), Codec(tiny_bundle)
    true = read_picture(tmp_path / "labels" / "a.png")
    assert len(report.measurements) == (3 + 3 + 2) * 2
    for line in report.measurements:
        data = (run / line.stream).read_bytes()
        assert line.layers == container.layer_lengths(data)
        assert line.model == container.read_header(data).fingerprint.hex()
        decoded = codec.decode(data[: line.prefix_bytes])
        assert decoded.upto == line.layer
        if line.layer == "s":
            expected = codec.segment(picture) if line.labels == "segnet" else true
            np.testing.assert_array_equal(decoded.labels, expected)
            continue
        seen = decoded.coarse if line.layer == "c" else decoded.picture
        assert seen is not None
        assert line.metrics["psnr_rgb_db"] == psnr_rgb_db(picture, seen)
        if line.layer == "c":
            upsampled = psnr_rgb_db(picture, codec.upsample(decoded))
            assert line.metrics["psnr_upsampled_rgb_db"] == upsampled
    assert known_models.find(tiny_bundle.fingerprint).resolve() == tiny_model.resolve()


def test_residual_layers_between_are_measured_too(tiny_bundle: Bundle, tmp_path: Path) -> None:
    three = replace(tiny_bundle, coding={**tiny_bundle.coding, "layers": 3})
    bundles.save(three, tmp_path / "model")
    codec = Dsslic("dsslic", tmp_path / "model", "embedded", {})
    assert "layers 3" in codec.version
    picture = picture_of(*SIZE)
    data = codec.encode(picture, None, "none", 60)
    prefixes = [*codec.prefixes(data, codec.decode(data))]
    assert [prefix.layer for prefix in prefixes] == ["c", "r1", "r2", "r3"]
    assert prefixes[-1].num_bytes == len(data)
    psnrs = [psnr_rgb_db(picture, p.picture) for p in prefixes if p.picture is not None]
    assert len(psnrs) == 4 and all(a < b for a, b in pairwise(psnrs))


def test_settings_and_label_sources_come_before_the_models_own_choices(
    tiny_bundle: Bundle, tmp_path: Path
) -> None:
    own = {**tiny_bundle.coding, "quality": 30.0, "labels": "none"}
    bundles.save(replace(tiny_bundle, coding=own), tmp_path / "model")
    codec = Dsslic("dsslic", tmp_path / "model", "embedded", {})
    coarse, fine = (codec.encode(picture_of(*SIZE), None, "segnet", q) for q in (10, 70))
    assert len(fine) > 1.5 * len(coarse)
    assert "s" in container.layer_lengths(coarse)
    assert "s" not in container.layer_lengths(codec.encode(picture_of(*SIZE), None, "none", 10))


def test_a_label_scale_of_the_models_own_is_for_labels_that_are_sent(
    tiny_bundle: Bundle, tmp_path: Path
) -> None:
    own = {**tiny_bundle.coding, "label_scale": 8}
    bundles.save(replace(tiny_bundle, coding=own), tmp_path / "model")
    codec = Dsslic("dsslic", tmp_path / "model", "embedded", {})
    sent, none = (
        codec.encode(picture_of(*SIZE), None, source, 10) for source in ("segnet", "none")
    )
    scales = [container.read_header(data).label_scale for data in (sent, none)]
    assert scales == [8, 1]


def test_the_version_tells_models_apart_that_only_encoders_can(
    tiny_model: Path, tiny_bundle: Bundle, tmp_path: Path
) -> None:
    name = next(n for n in tiny_bundle.weights if n.startswith("compnet/"))
    weights = {**tiny_bundle.weights, name: tiny_bundle.weights[name] + np.float32(1)}
    bundles.save(tiny_bundle.with_weights(weights), tmp_path / "other")
    one, other = (Dsslic("dsslic", p, "embedded", {}) for p in (tiny_model, tmp_path / "other"))
    assert one.model == other.model and one.version != other.version
    assert one.version == Dsslic("dsslic", tiny_model, "embedded", {}).version
    bundles.save(tiny_bundle, tmp_path / "measured")
    record(tmp_path / "measured", "coarse", entry("two", "by eye", [{"psnr_rgb_db": float("inf")}]))
    assert one.version == Dsslic("dsslic", tmp_path / "measured", "embedded", {}).version
    assert "libjxl " in one.version and "x265 " in one.version


def test_labels_of_segnet_need_a_segnet(tiny_bundle: Bundle, tmp_path: Path) -> None:
    bundles.save(coarse_part(tiny_bundle), tmp_path / "coarse")
    codec = Dsslic("dsslic", tmp_path / "coarse", "embedded", {})
    codec.check_label_source("files")
    with pytest.raises(ModelError, match="has no SegNet"):
        codec.check_label_source("segnet")


def test_dsslic_flif_needs_its_programs_and_tells_their_versions(
    tiny_model: Path, programs: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    codec = Dsslic("dsslic_flif", tiny_model, "external", programs)
    digest = hashlib.sha256(Path(programs["flif"]).read_bytes()).hexdigest()[:12]
    assert f"flif of SHA-256 {digest}" in codec.version  # Node's build names no version
    data = codec.encode(picture_of(*SIZE), None, "segnet", 50)
    assert [layer.coder for layer in container.read_header(data).layers] == ["flif", "flif", "bpg"]
    bpgenc = tmp_path / "bpgenc"  # as the native one introduces itself
    bpgenc.write_text("#!/bin/sh\necho 'BPG Image Encoder version 0.9.8' >&2; exit 1\n")
    bpgenc.chmod(0o755)
    native = {**programs, "bpgenc": str(bpgenc)}
    assert ", bpgenc 0.9.8, " in Dsslic("dsslic_flif", tiny_model, "external", native).version
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(CoderUnavailable, match="flif is not on PATH"):
        Dsslic("dsslic_flif", tiny_model, "external", {})
