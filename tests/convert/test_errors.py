"""Weights that do not fit: everything that is wrong is told at once, and nothing is run that a file says."""

import io
import pickle
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from dsslic_jax.classes.table import class_table
from dsslic_jax.convert.files import read_arrays, read_description
from dsslic_jax.convert.transfer import Portable, from_state_dict, to_state_dict
from dsslic_jax.errors import DsslicError, ModelError
from tests.convert import models
from tests.model_fixture import changed

Arrays = dict[str, np.ndarray]


@pytest.fixture(scope="module", params=["reference", "module"])
def state_dict(request: pytest.FixtureRequest) -> Arrays:
    bundle = models.make_bundle(models.coarse_settings(), models.segnet_settings())
    training = models.discriminator_arrays()
    return to_state_dict(Portable(bundle, training), request.param)


def refusal(arrays: Arrays) -> str:
    with pytest.raises(ModelError) as caught:
        from_state_dict(arrays, models.TABLE)
    return str(caught.value)


def test_every_missing_misshapen_and_unknown_key_is_told_at_once(state_dict: Arrays) -> None:
    keys = [*state_dict]
    missing = [keys[3], keys[-1], next(k for k in keys if "G.model.13.conv" in k or "block_1" in k)]
    turned = keys[8]
    wrong = {k: a for k, a in state_dict.items() if k not in missing}
    wrong[turned] = np.zeros((5, 5), np.float32)
    wrong["somebody.else"] = np.zeros(1, np.float32)
    told = refusal(wrong)
    sections = dict(part.strip().split(": ", 1) for part in told.split(";")[1:])
    assert sections.keys() == {"missing", "misshapen", "not known"}
    assert sorted(sections["missing"].split(", ")) == sorted(missing)
    assert sections["misshapen"].startswith(f"{turned} [5, 5], not [")
    assert sections["not known"] == "somebody.else"


def test_any_single_key_missing_is_named_and_nothing_else(state_dict: Arrays) -> None:
    # The first of each network, which tell sizes, and the last, which tell how many layers there are.
    for prefix in {key.split(".")[0] for key in state_dict}:
        own = [key for key in state_dict if key.split(".")[0] == prefix]
        for key in (own[0], own[1], own[-1]):
            told = refusal({k: a for k, a in state_dict.items() if k != key})
            assert told == f"the weights do not fit; missing: {key}"


def test_a_network_without_what_it_needs_is_refused(state_dict: Arrays) -> None:
    assert "no network is known by these keys" in refusal({"a.b": np.zeros(1)})
    for wanted, pattern in (
        (("G.", "finenet."), "compnet: there are no arrays of it"),
        (("D.", "discriminator."), "a discriminator alone is no model"),
    ):
        some = {k: a for k, a in state_dict.items() if k.startswith(wanted)}
        assert pattern in refusal(some)
    with pytest.raises(ModelError, match=r"is for 12 classes, the table 'cityscapes' has 35"):
        from_state_dict(state_dict, class_table("cityscapes"))


@pytest.mark.parametrize(
    "key",
    [
        "C.model.999999999.weight",
        "G.model.997.weight",
        "D.scale999999999_layer0.0.weight",
        "D.scale0_layer99999999.0.weight",
        "compnet.down_999999999.weight",
        "discriminator.scale_0.conv_99999999.weight",
        "segnet.stem_99999999.conv.weight",
        "encoder.conv99999999.weight",
        "layer1.99999999.conv1.weight",
    ],
)
def test_keys_of_giants_are_refused_before_anything_is_made(state_dict: Arrays, key: str) -> None:
    with pytest.raises(ModelError):
        from_state_dict({**state_dict, key: np.zeros((1, 1, 1, 1), np.float32)}, models.TABLE)
    with pytest.raises(ModelError):
        from_state_dict({key: np.zeros((0, 0, 0, 0), np.float32)}, models.TABLE)


def test_a_layout_without_names_for_a_norm_says_so() -> None:
    bundle = models.make_bundle(models.coarse_settings(norm="group"))
    with pytest.raises(
        ModelError,
        match=r"no name for compnet/down_0_norm/GroupNorm_0/bias, .*/scale: take another layout",
    ):
        to_state_dict(Portable(bundle, {}), "reference")


class Evil:
    def __reduce__(self) -> tuple[Any, ...]:
        return (Path("/nowhere/ran").mkdir, ())


def pickled(torch: Any, value: Any) -> bytes:
    file = io.BytesIO()
    torch.save(value, file)
    return file.getvalue()


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda torch: b"junk", "no file of weights alone"),
        (lambda torch: pickle.dumps(Evil()), "no file of weights alone"),
        (lambda torch: pickled(torch, {"a": Evil()}), "no file of weights alone"),
        (lambda torch: pickled(torch, torch.nn.Linear(1, 1)), "no file of weights alone"),
        (lambda torch: pickled(torch, [torch.zeros(1)]), "holds no state dict"),
        (lambda torch: pickled(torch, {"epoch": 3}), "holds no state dict"),
    ],
)
def test_files_that_need_pickle_are_refused_with_the_remedy(
    torch: Any, make: Callable[[Any], bytes], told: str, tmp_path: Path
) -> None:
    (tmp_path / "weights.pth").write_bytes(make(torch))
    with pytest.raises(ModelError, match=rf"{told}.*safetensors\.torch\.save_file") as caught:
        read_arrays(tmp_path / "weights.pth")
    assert "\n" not in str(caught.value)


def test_without_pytorch_its_files_are_refused_with_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ModelError, match=r"pip install 'onnx.* 'torch>=.*save_file"):
        read_arrays(tmp_path / "weights.pth")


def test_tensors_of_any_training_are_read_and_others_named(torch: Any, tmp_path: Path) -> None:
    from safetensors.torch import save_file as save_tensors

    weights = {"a.weight": torch.ones(2, 3), "a.bias": torch.zeros(2)}
    for name, tensors in (
        ("params.pth", {k: torch.nn.Parameter(t) for k, t in weights.items()}),
        ("parallel.pth", {f"module.{k}": t for k, t in weights.items()}),
    ):
        torch.save(tensors, tmp_path / name)
        assert models.same_arrays(
            read_arrays(tmp_path / name), {k: t.numpy() for k, t in weights.items()}
        )
    small = {k: t.to(torch.float8_e4m3fn) for k, t in weights.items()}
    torch.save(small, tmp_path / "small.pth")
    save_tensors(small, tmp_path / "small.safetensors")
    torch.save({**weights, "a.bias": torch.full((2,), torch.nan)}, tmp_path / "nan.pth")
    for name, problem in (
        ("small.pth", "a.weight is of type torch.float8_e4m3fn"),
        ("small.safetensors", "holds a type that NumPy has not"),
        ("nan.pth", "a.bias has values that are not finite"),
    ):
        with pytest.raises(ModelError, match=problem):
            read_arrays(tmp_path / name)


def test_folders_and_damaged_files_are_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no weights in .* expected \*_net_C.pth"):
        read_arrays(tmp_path)
    for name in ("1_net_C.safetensors", "latest_net_C.safetensors"):
        save_file({"model.1.bias": np.zeros(1, np.float32)}, tmp_path / name)
    with pytest.raises(
        ModelError, match=r"several files of one network: 1_net_C\.safetensors, lat"
    ):
        read_arrays(tmp_path)
    (tmp_path / "x.safetensors").write_bytes(b"junk")
    for reader in (read_arrays, read_description):
        with pytest.raises(ModelError, match="cannot be read as safetensors"):
            reader(tmp_path / "x.safetensors")


@pytest.mark.parametrize(
    "description",
    ["[]", "3", "{", '{"classes": "camvid"}', '{"classes": 3, "model": null}'],
)
def test_a_file_whose_description_is_damaged_is_refused(description: str, tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    save_file({"a": np.zeros(1, np.float32)}, path, metadata={"dsslic": description})
    with pytest.raises(DsslicError, match=r"metadata describe no model|class table"):
        read_description(path)


def test_a_description_with_unknown_settings_is_refused() -> None:
    bundle = models.make_bundle(models.coarse_settings())
    arrays = to_state_dict(Portable(bundle, {}), "module")
    with pytest.raises(DsslicError, match=r"colour must be one of rgb, ycbcr, not 'evil'"):
        from_state_dict(arrays, models.TABLE, {"coarse": {"colour": "evil"}})
    del arrays["compnet.stem.weight"], arrays["compnet.stem.bias"]
    with pytest.raises(ModelError, match=r"missing: compnet\.stem\.bias, compnet\.stem\.weight"):
        evil = {"classes": "evil", "compnet_width": "evil"}  # that arrays tell
        from_state_dict(arrays, models.TABLE, {"coarse": evil})


def test_a_model_directory_whose_weights_do_not_fit_its_settings_is_refused() -> None:
    bundle = models.make_bundle(models.coarse_settings())
    stray = {**bundle.weights, "other/kernel": np.zeros(1, np.float32)}
    stray["finenet/stem/kernel"] = np.zeros(3, np.float32)
    del stray["compnet/head/bias"]
    told = r"missing: compnet/head/bias; misshapen: finenet/stem/kernel \[3\], .* other/kernel"
    with pytest.raises(ModelError, match=told):
        to_state_dict(Portable(changed(bundle, "coarse", arrays=stray), {}), "module")


def test_parts_that_a_layout_does_not_have_are_told() -> None:
    coarse, enhancenet = models.coarse_settings(), models.enhancenet_settings()
    for bundle in (
        models.make_bundle(coarse, enhancenet=enhancenet),
        models.make_bundle(replace(coarse, finenet_width=0)),
    ):
        with pytest.raises(ModelError, match="take layout module"):
            to_state_dict(Portable(bundle, {}), "reference")


@pytest.mark.parametrize(("width", "problem"), [(0, "not known"), (6, "missing")])
def test_models_whose_settings_and_arrays_disagree_are_refused(width: int, problem: str) -> None:
    coarse = models.coarse_settings()
    arrays = models.make_bundle(replace(coarse, finenet_width=6 - width)).weights
    bundle = models.make_bundle(replace(coarse, finenet_width=width))
    bundle = changed(bundle, "coarse", arrays=arrays)
    with pytest.raises(ModelError, match=f"{problem}: finenet/"):
        to_state_dict(Portable(bundle, {}), "module")
