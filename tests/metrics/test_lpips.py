"""LPIPS against hand-worked numbers and, where PyTorch is installed, against layers built in it with random weights."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from dsslic_jax.errors import ModelError
from dsslic_jax.metrics.lpips import load_lpips
from tests.metrics.pictures import noisy, smooth_picture

HEADS = {"alexnet": (64, 192, 384, 256, 256), "vgg16": (64, 128, 256, 512, 512)}


def alexnet_that_sees_red() -> dict[str, np.ndarray]:
    """All weights zero but those of the first layer: feature 0 is red, feature 1 is 1; heads 0.5 and 2."""
    shapes = [
        (0, 64, 3, 11),
        (3, 192, 64, 5),
        (6, 384, 192, 3),
        (8, 256, 384, 3),
        (10, 256, 256, 3),
    ]
    weights = {}
    for head, (index, outputs, inputs, kernel) in enumerate(shapes):
        weights[f"features.{index}.weight"] = np.zeros(
            (outputs, inputs, kernel, kernel), np.float32
        )
        weights[f"features.{index}.bias"] = np.zeros(outputs, np.float32)
        weights[f"lin{head}.model.1.weight"] = np.zeros((1, outputs, 1, 1), np.float32)
    weights["features.0.weight"][0, 0, 5, 5] = 1.0
    weights["features.0.bias"][1] = 1.0
    weights["lin0.model.1.weight"][0, :2, 0, 0] = (0.5, 2.0)
    return weights


def test_one_layer_agrees_with_the_formula_worked_by_hand(tmp_path: Path) -> None:
    save_file(alexnet_that_sees_red(), tmp_path / "red.safetensors")
    lpips = load_lpips(tmp_path / "red.safetensors")
    a, b = np.zeros((40, 33, 3), np.uint8), np.zeros((40, 33, 3), np.uint8)
    a[..., 0], b[..., 0] = 255, 153  # 1 and 0.2 in [-1, 1]
    red_a, red_b = (1 + 0.03) / 0.458, (0.2 + 0.03) / 0.458
    length_a, length_b = math.hypot(red_a, 1), math.hypot(red_b, 1)
    expected = 0.5 * (red_a / length_a - red_b / length_b) ** 2
    expected += 2.0 * (1 / length_a - 1 / length_b) ** 2
    assert lpips(a, b) == pytest.approx(expected, rel=1e-5)
    assert lpips(a, a.copy()) == 0.0
    b[..., 0] = a[..., 0]
    b[..., 1] = 200  # a channel that no feature looks at
    assert lpips(a, b) == 0.0


def test_pictures_too_small_for_the_trunk_have_no_distance(tmp_path: Path) -> None:
    save_file(alexnet_that_sees_red(), tmp_path / "red.safetensors")
    lpips = load_lpips(tmp_path / "red.safetensors")
    assert math.isnan(lpips(smooth_picture(30, 64), smooth_picture(30, 64)))
    assert lpips(smooth_picture(31, 64), smooth_picture(31, 64)) == 0.0
    with pytest.raises(ValueError, match="shapes differ"):
        lpips(smooth_picture(40, 40), smooth_picture(40, 41))


def test_files_without_all_weights_are_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    with pytest.raises(ModelError, match="cannot be read"):
        load_lpips(path)
    path.write_bytes(b"not weights")
    with pytest.raises(ModelError, match="cannot be read"):
        load_lpips(path)
    weights = alexnet_that_sees_red()
    for name in ("features.8.bias", "lin4.model.1.weight"):
        save_file({n: array for n, array in weights.items() if n != name}, path)
        with pytest.raises(ModelError, match=name):
            load_lpips(path)
    save_file({**weights, "features.3.weight": np.zeros((192, 64, 3, 3), np.float32)}, path)
    with pytest.raises(ModelError, match=r"features.3.weight must be there .*192, 64, 5, 5"):
        load_lpips(path)
    save_file({"features.0.weight": np.zeros((96, 3, 7, 7), np.float32)}, path)
    with pytest.raises(ModelError, match=r"neither .* alexnet nor its vgg16"):
        load_lpips(path)


def features_in_torch(torch: Any, trunk: str) -> tuple[Any, tuple[int, ...]]:
    """torchvision's `features` with random weights, and the indices of the ReLUs that LPIPS compares."""
    nn = torch.nn
    if trunk == "alexnet":
        widths = [(3, 64, 11, 4, 2), None, (64, 192, 5, 1, 2), None]
        widths += [(192, 384, 3, 1, 1), (384, 256, 3, 1, 1), (256, 256, 3, 1, 1)]
        pool, compared = nn.MaxPool2d(3, 2), (1, 4, 7, 9, 11)
    else:
        outputs = [
            64,
            64,
            None,
            128,
            128,
            None,
            256,
            256,
            256,
            None,
            512,
            512,
            512,
            None,
            512,
            512,
            512,
        ]
        widths, inputs = [], 3
        for output in outputs:
            widths.append(output and (inputs, output, 3, 1, 1))
            inputs = output or inputs
        pool, compared = nn.MaxPool2d(2, 2), (3, 8, 15, 22, 29)
    layers = []
    for width in widths:
        layers += [pool] if width is None else [nn.Conv2d(*width), nn.ReLU()]
    for layer in layers:
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight)
            nn.init.normal_(layer.bias, std=0.1)
    return nn.Sequential(*layers), compared


@pytest.mark.parametrize(("trunk", "height", "width"), [("alexnet", 70, 47), ("vgg16", 37, 50)])
def test_both_trunks_agree_with_pytorch(
    torch: Any, tmp_path: Path, trunk: str, height: int, width: int
) -> None:
    torch.manual_seed(0)
    features, compared = features_in_torch(torch, trunk)
    heads = [torch.rand(1, channels, 1, 1) for channels in HEADS[trunk]]
    weights = {f"features.{name}": tensor.numpy() for name, tensor in features.state_dict().items()}
    weights |= {f"lin{i}.model.1.weight": head.numpy() for i, head in enumerate(heads)}
    save_file(weights, tmp_path / "random.safetensors")
    a = smooth_picture(height, width)
    b = noisy(a, 12.0)
    shift, scale = torch.tensor([-0.030, -0.088, -0.188]), torch.tensor([0.458, 0.448, 0.450])
    x = torch.from_numpy(np.stack([a, b])).double() / 255 * 2 - 1
    x = ((x - shift) / scale).permute(0, 3, 1, 2)
    expected = 0.0
    remaining = iter(heads)
    with torch.no_grad():
        for index, layer in enumerate(features.double()):
            x = layer(x)
            if index in compared:
                unit = torch.nn.functional.normalize(x, dim=1, eps=1e-10)
                squared = (unit[0] - unit[1]).square()[None]
                expected += (
                    torch.nn.functional.conv2d(squared, next(remaining).double()).mean().item()
                )
    assert expected > 0.01
    assert load_lpips(tmp_path / "random.safetensors")(a, b) == pytest.approx(expected, rel=1e-4)
