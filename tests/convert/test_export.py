"""Streams through PyTorch, and exported files run by the programs that they are for."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dsslic_jax.bundle.model import Bundle
from dsslic_jax.codec.codec import Codec
from dsslic_jax.errors import ConfigError
from tests.codec.pictures import smooth_picture
from tests.convert import models


def test_a_stream_of_jax_decodes_through_pytorch_to_the_same_picture(
    torch: Any, tiny_bundle: Bundle
) -> None:
    from dsslic_jax.convert.torch.predictor import TorchPredictor

    picture = smooth_picture(45, 70)
    labels = (np.indices((45, 70)).sum(0) // 9 % 11).astype(np.uint8)
    ours = Codec(tiny_bundle)
    theirs = Codec(tiny_bundle, predictor=TorchPredictor(tiny_bundle))
    stream = ours.encode(picture, labels)
    expected, decoded = ours.decode(stream), theirs.decode(stream)
    np.testing.assert_array_equal(decoded.labels, labels)
    for part in ("coarse", "picture"):
        apart = np.abs(getattr(decoded, part).astype(int) - getattr(expected, part))
        assert apart.max() <= 1, part
    upsampled = ours.upsample(decoded).astype(int)
    assert np.abs(theirs.upsample(decoded) - upsampled).max() <= 1
    # And the other way round: what PyTorch encodes, JAX decodes.
    back = ours.decode(theirs.encode(picture, labels))
    assert np.abs(back.compact.astype(int) - expected.compact).max() <= 1


def test_enhanced_streams_decode_through_pytorch(torch: Any) -> None:
    from dsslic_jax.convert.torch.predictor import TorchEnhancer, TorchPredictor

    coding = {"residual": "centred", "residual_bits": 10, "prediction_gain": 0.0}
    coarse = models.coarse_settings(compact="mean", finenet_width=0)
    bundle = models.make_bundle(coarse, enhancenet=models.enhancenet_settings())
    bundle = replace(bundle, coding={**coding, "codecs": "embedded", "quality": 10.0})
    picture = smooth_picture(45, 70)
    labels = np.zeros(picture.shape[:2], np.uint8)
    always = Codec(bundle, enhancer=lambda decoded, labels, strength: picture)  # so that it is used
    stream = always.encode(picture, labels)
    theirs = Codec(bundle, predictor=TorchPredictor(bundle), enhancer=TorchEnhancer(bundle))
    expected, decoded = Codec(bundle).decode(stream).picture, theirs.decode(stream).picture
    assert np.abs(decoded.astype(int) - expected).max() <= 1
    assert (decoded != always.decode(stream).picture).any()


@pytest.fixture(scope="module")
def bundle(torch: Any) -> Bundle:
    coarse = models.coarse_settings(colour="ycbcr", finenet_downs=4, finenet_blocks=1)
    parts = models.segnet_settings(), models.enhancenet_settings()
    return models.make_bundle(coarse, *parts)


@pytest.fixture(scope="module")
def modules(bundle: Bundle) -> Any:
    from dsslic_jax.convert.torch.loading import modules_of

    return modules_of(bundle)


def some_inputs(torch: Any, part: str, batch: int, height: int, width: int) -> list[Any]:
    labels, picture = models.inputs(height, width, batch)
    if part == "decoder":
        picture = picture[:, ::8, ::8]
    picture = torch.from_numpy(np.ascontiguousarray(picture.transpose(0, 3, 1, 2)))
    if part == "segnet":
        return [picture]
    strength = [torch.linspace(90, 150, batch)] if part == "enhancenet" else []
    return [torch.from_numpy(labels).long(), picture, *strength]


@pytest.mark.filterwarnings("ignore:.*torch.jit.load. is deprecated:DeprecationWarning")
@pytest.mark.parametrize("part", ["encoder", "decoder", "segnet", "enhancenet"])
def test_torchscript_runs_other_sizes_than_it_was_made_with(
    torch: Any, bundle: Bundle, modules: Any, part: str, tmp_path: Path
) -> None:
    from dsslic_jax.convert.torch.export import to_torchscript

    to_torchscript(bundle, part, tmp_path / "network.pt")
    loaded = torch.jit.load(tmp_path / "network.pt")
    for size in ((1, 32, 32), (3, 48, 96)):
        inputs = some_inputs(torch, part, *size)
        with torch.no_grad():
            made, expected = loaded(*inputs), modules[part](*inputs)
        if part == "segnet":
            made, expected = made[0], expected[0]
        torch.testing.assert_close(made, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("part", "size", "sizes"),
    [
        ("encoder", None, [(1, 32, 40), (3, 72, 56)]),
        ("decoder", None, [(1, 32, 48), (3, 80, 64)]),
        ("segnet", (48, 64), [(1, 48, 64)]),
        ("enhancenet", None, [(1, 32, 46), (3, 80, 64)]),
    ],
)
def test_onnx_files_agree_when_onnxruntime_runs_them(
    torch: Any,
    onnxruntime: Any,
    bundle: Bundle,
    modules: Any,
    part: str,
    size: Any,
    sizes: Any,
    tmp_path: Path,
) -> None:
    from dsslic_jax.convert.torch.export import to_onnx

    to_onnx(bundle, part, tmp_path / "network.onnx", size)
    session = onnxruntime.InferenceSession(tmp_path / "network.onnx")
    for shape in sizes:
        inputs = some_inputs(torch, part, *shape)
        names = [entry.name for entry in session.get_inputs()]
        made = session.run(None, {n: i.numpy() for n, i in zip(names, inputs, strict=True)})[0]
        with torch.no_grad():
            expected = modules[part](*inputs)
        expected = (expected[0] if part == "segnet" else expected).numpy()
        assert np.abs(made - expected).max() <= 1e-5 * np.abs(expected).max()


def test_sizes_that_an_export_cannot_have_are_refused(bundle: Bundle, tmp_path: Path) -> None:
    from dsslic_jax.convert.torch.export import to_onnx

    with pytest.raises(ConfigError, match="SegNet is exported to ONNX for one size"):
        to_onnx(bundle, "segnet", tmp_path / "network.onnx")
    with pytest.raises(ConfigError, match="multiples of 16, at least 32"):
        to_onnx(bundle, "decoder", tmp_path / "network.onnx", (40, 64))
    assert not list(tmp_path.iterdir())
