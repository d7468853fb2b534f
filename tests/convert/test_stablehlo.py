"""StableHLO files, read back and run by `jax.export` alone."""

from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from jax import export

from dsslic_jax.bundle.model import Bundle
from dsslic_jax.convert.stablehlo import to_stablehlo
from dsslic_jax.errors import ConfigError
from dsslic_jax.models.coarse import build_coarse_model
from dsslic_jax.models.enhancenet import build_enhancenet
from dsslic_jax.models.parts import COARSE, ENHANCENET, SEGNET
from dsslic_jax.models.segnet import build_segnet
from tests.convert import models

# Settings that make other programs: corners aligned over sizes not known yet, and labels looked up.
MODELS = {
    "corners": {"upsampling": "bilinear_corners", "colour": "ycbcr", "finenet_downs": 4},
    "lookup": {"label_conv": "lookup", "compact": "average", "norm": "group"},
}


@pytest.fixture(scope="module", params=[*MODELS])
def bundle(request: pytest.FixtureRequest) -> Bundle:
    coarse = models.coarse_settings(finenet_blocks=1, **MODELS[request.param])
    return models.make_bundle(coarse, models.segnet_settings(), models.enhancenet_settings())


def exported(bundle: Bundle, network: str, folder: Path, size: Any = None) -> export.Exported:
    to_stablehlo(bundle, network, folder / "network", size)
    return export.deserialize(bytearray((folder / "network").read_bytes()))


def inputs(network: str, batch: int, height: int, width: int) -> list[np.ndarray]:
    labels, picture = models.inputs(height, width, batch)
    if network == "segnet":
        return [picture]
    if network == "enhancenet":
        return [labels, picture, np.linspace(90, 150, batch, dtype=np.float32)]
    return [labels, picture[:, ::8, ::8] if network == "decoder" else picture]


def of_jax(bundle: Bundle, network: str, arrays: list[np.ndarray]) -> np.ndarray:
    if network == "segnet":
        model = build_segnet(bundle.settings(SEGNET))
        return np.asarray(jax.jit(model.apply)(bundle.variables(SEGNET), *arrays).logits)
    if network == "enhancenet":
        enhance = jax.jit(build_enhancenet(bundle.settings(ENHANCENET)).apply)
        return np.asarray(enhance(bundle.variables(ENHANCENET), *arrays))
    model = build_coarse_model(bundle.settings(COARSE))
    method = {"encoder": "compress", "decoder": "predict"}[network]
    apply = jax.jit(lambda variables, *a: model.apply(variables, *a, method=method))
    made = apply(bundle.variables(COARSE), *arrays)
    return np.asarray(made if network == "encoder" else made.coarse)


def assert_agree(made: Any, expected: np.ndarray) -> None:
    assert made.shape == expected.shape
    assert np.abs(made - expected).max() <= 1e-5 * np.abs(expected).max()


@pytest.mark.parametrize("network", ["encoder", "decoder", "enhancenet"])
def test_one_program_takes_batches_of_any_size(
    bundle: Bundle, network: str, tmp_path: Path
) -> None:
    program = exported(bundle, network, tmp_path)
    assert program.platforms == ("cpu", "cuda", "tpu")
    for size in ((1, 32, 48), (3, 80, 64)):
        arrays = inputs(network, *size)
        assert_agree(program.call(*arrays), of_jax(bundle, network, arrays))


@pytest.mark.parametrize("network", ["encoder", "decoder"])
def test_models_without_networks_are_programs_of_small_pictures_too(
    network: str, tmp_path: Path
) -> None:
    bundle = models.make_bundle(models.coarse_settings(compact="mean", finenet_width=0))
    arrays = inputs(network, 2, 8, 24)
    made = exported(bundle, network, tmp_path).call(*arrays)
    assert_agree(made, of_jax(bundle, network, arrays))


@pytest.mark.parametrize("network", ["encoder", "decoder", "segnet"])
def test_a_program_of_one_size_takes_no_other(network: str, tmp_path: Path) -> None:
    coarse = models.coarse_settings(finenet_blocks=1)
    bundle = models.make_bundle(coarse, models.segnet_settings())
    program = exported(bundle, network, tmp_path, (48, 64))
    arrays = inputs(network, 1, 48, 64)
    assert_agree(program.call(*arrays), of_jax(bundle, network, arrays))
    for other in ((1, 64, 48), (2, 48, 64)):
        with pytest.raises(ValueError, match="shape"):
            program.call(*inputs(network, *other))


def test_sizes_that_a_network_does_not_take_are_refused(bundle: Bundle, tmp_path: Path) -> None:
    program = exported(bundle, "encoder", tmp_path)
    labels, picture = inputs("encoder", 1, 40, 44)
    with pytest.raises(ValueError, match="Division had remainder 4"):
        program.call(labels, picture)
    with pytest.raises(ValueError, match="shapes"):
        program.call(labels[:, :8, :8], picture[:, :8, :8])
    with pytest.raises(ConfigError, match="multiples of 8, at least 32"):
        to_stablehlo(bundle, "encoder", tmp_path / "other", (24, 64))
    with pytest.raises(ConfigError, match="SegNet is exported to StableHLO for one size"):
        to_stablehlo(bundle, "segnet", tmp_path / "other")
    assert not (tmp_path / "other").exists()
