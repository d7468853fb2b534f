"""Model directories: what is saved is what is loaded, and nothing else is."""

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dsslic_jax.bundle import directory as bundles
from dsslic_jax.bundle.joining import halved, join
from dsslic_jax.bundle.model import Bundle
from dsslic_jax.classes.table import class_table
from dsslic_jax.errors import DsslicError, ModelError
from dsslic_jax.models.parts import COARSE, SEGNET
from tests.convert.models import enhancenet_settings
from tests.convert.models import make_bundle as make_models
from tests.model_fixture import (
    changed,
    coarse_part,
    make_bundle,
    segnet_part,
    with_weight,
    without_weights,
)


def same_weights(one: Bundle, other: Bundle) -> bool:
    return one.weights.keys() == other.weights.keys() and all(
        w.dtype == other.weights[n].dtype and np.array_equal(w, other.weights[n])
        for n, w in one.weights.items()
    )


@pytest.mark.parametrize("part", [lambda b: b, coarse_part, segnet_part])
def test_a_model_is_loaded_as_it_was_saved(
    part: Callable[[Bundle], Bundle], tiny_bundle: Bundle, tmp_path: Path
) -> None:
    bundle = part(tiny_bundle)
    bundles.save(bundle, tmp_path / "a" / "model")
    loaded = bundles.load(tmp_path / "a" / "model")
    assert same_weights(bundle, loaded)
    assert without_weights(loaded) == without_weights(bundle)
    assert sorted(path.name for path in (tmp_path / "a" / "model").iterdir()) == [
        "model.json",
        "weights.safetensors",
    ]


def test_parameters_nest_by_name(tiny_bundle: Bundle) -> None:
    tree = tiny_bundle.variables(COARSE)["params"]["finenet"]
    kernel = tiny_bundle.weights["finenet/block_0/conv_1/kernel"]
    assert tree["block_0"]["conv_1"]["kernel"] is kernel
    for kind in (COARSE, SEGNET):
        named = kind.named(tiny_bundle.variables(kind))
        assert named == dict(tiny_bundle.part(kind).arrays)


def test_statistics_are_told_from_parameters_by_their_leaf_name(tiny_bundle: Bundle) -> None:
    assert tiny_bundle.variables(COARSE).keys() == {"params"}
    bundle = make_bundle(norm="batch")
    variables = bundle.variables(COARSE)
    assert {k: set(tree) for k, tree in variables.items()} == {
        "params": {"compnet", "finenet"},
        "batch_stats": {"compnet", "finenet"},
    }
    stats, params = (variables[k]["finenet"]["stem_norm"] for k in ("batch_stats", "params"))
    assert {leaf for module in stats.values() for leaf in module} == {"mean", "var"}
    assert {leaf for module in params.values() for leaf in module} == {"scale", "bias"}
    assert COARSE.named(variables).keys() == bundle.part(COARSE).arrays.keys()


def test_the_fingerprint_changes_with_finenet_s_statistics_only() -> None:
    bundle = make_bundle(norm="batch")
    means = [n for n in bundle.weights if n.endswith("/mean") and not n.startswith("segnet/")]
    for name in means:
        same = with_weight(bundle, name, 1e-3).fingerprint == bundle.fingerprint
        assert same == name.startswith("compnet/"), name
    assert {name.split("/")[0] for name in means} == {"compnet", "finenet"}


def test_the_fingerprint_changes_with_every_finenet_array(tiny_bundle: Bundle) -> None:
    names = [name for name in tiny_bundle.weights if name.startswith("finenet/")]
    assert len(names) > 10
    prints = {with_weight(tiny_bundle, name, 1e-3).fingerprint for name in names}
    assert len(prints) == len(names) and tiny_bundle.fingerprint not in prints


def test_the_fingerprint_changes_with_one_weight_of_an_array(tiny_bundle: Bundle) -> None:
    name = "finenet/head/kernel"
    last = np.zeros_like(tiny_bundle.weights[name])
    last[-1, -1, -1, -1] = 1e-6
    assert with_weight(tiny_bundle, name, last).fingerprint != tiny_bundle.fingerprint


@pytest.mark.parametrize(
    "change",
    [
        {"alpha": 16},
        {"finenet_blocks": 2},
        {"norm": "group"},
        {"upsampling": "bilinear_corners"},
        {"colour": "ycbcr"},
    ],
)
def test_the_fingerprint_changes_with_what_a_decoder_computes(
    change: dict[str, object], tiny_bundle: Bundle
) -> None:
    other = changed(tiny_bundle, "coarse", settings=change)
    assert other.fingerprint != tiny_bundle.fingerprint


def test_the_fingerprint_does_not_follow_what_only_encoders_use(tiny_bundle: Bundle) -> None:
    for name in ("compnet/head/kernel", "segnet/params/logits/bias"):
        assert with_weight(tiny_bundle, name, 1.0).fingerprint == tiny_bundle.fingerprint
    assert coarse_part(tiny_bundle).fingerprint == tiny_bundle.fingerprint
    wider = {"compnet_width": 5, "round_compact": False, "dtype": "bfloat16"}
    other = changed(tiny_bundle, "coarse", settings=wider, provenance={})
    assert replace(other, coding={}).fingerprint == tiny_bundle.fingerprint


def test_a_segnet_alone_has_no_fingerprint(tiny_bundle: Bundle) -> None:
    with pytest.raises(ModelError, match="has no CompNet and FineNet, it holds SegNet"):
        _ = segnet_part(tiny_bundle).fingerprint


@pytest.fixture
def directory(tiny_bundle: Bundle, tmp_path: Path) -> Path:
    bundles.save(tiny_bundle, tmp_path)
    return tmp_path


@pytest.mark.parametrize("where", [0, 100, -1])
def test_a_flipped_bit_of_the_weights_is_refused(where: int, directory: Path) -> None:
    path = directory / "weights.safetensors"
    data = bytearray(path.read_bytes())
    data[where] ^= 1
    path.write_bytes(data)
    with pytest.raises(ModelError, match=r"not the one model\.json describes"):
        bundles.load(directory)


def test_cut_weights_and_those_of_another_model_are_refused(
    directory: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = directory / "weights.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ModelError, match=r"not the one model\.json describes"):
        bundles.load(directory)
    other = tmp_path_factory.mktemp("other")
    bundles.save(make_bundle(seed=1), other)
    path.write_bytes((other / "weights.safetensors").read_bytes())
    with pytest.raises(ModelError, match=r"not the one model\.json describes"):
        bundles.load(directory)


def edit(directory: Path, change: Callable[[dict], object]) -> None:
    path = directory / "model.json"
    description = json.loads(path.read_text())
    change(description)
    path.write_text(json.dumps(description))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d["model"].update(alpha=16), "not as it was written"),
        (lambda d: d["model"].update(upsampling="bilinear_corners"), "not as it was written"),
        (lambda d: d.update(fingerprint="0" * 16), "not as it was written"),
        (lambda d: d["model"].pop("finenet_width"), "not as it was written"),
        (lambda d: d["model"].update(norm="layer"), r"model\.norm must be one of"),
        (lambda d: d["model"].update(colours="rgb"), r"unknown setting model\.colours"),
        (lambda d: d.pop("fingerprint"), "not as it was written"),
        (lambda d: d.pop("fingerprint_with_segnet"), "not as it was written"),
        (lambda d: d.update(fingerprint=5), "not as it was written"),
        (lambda d: d.pop("weights_sha256"), r"not the one model\.json describes"),
        (lambda d: d.update(format=1), "model format 1, this program reads 2"),
        (lambda d: d.update(format="2" * 999), "model format '22"),
        (lambda d: d.pop("format"), "model format None, this program reads 2"),
        (lambda d: d.update(classes="camvid"), r"model\.json: classes must be an object"),
        (lambda d: d["classes"].update(table_id=99), "unknown class table 'camvid'"),
        (lambda d: d["classes"].update(table_id=4), "not the one that this program has"),
        (lambda d: d["classes"]["classes"].reverse(), "not the one that this program has"),
        (lambda d: d["classes"].update(void_ids="11"), "void_ids must be a list"),
        (lambda d: d.update(coding=[]), "coding must be an object"),
        (lambda d: d.update(model="small"), "model: it must be an object"),
        (lambda d: d["model"].update(alpha=[8]), r"model\.alpha must be int, not \(8,\)"),
        (lambda d: d["model"].update(alpha={}), r"model\.alpha must be int, not \{\}"),
        (lambda d: d["model"].update(norm=["batch"]), r"model\.norm must be str"),
        (lambda d: d.update(provenance=["nothing"]), "provenance must be an object"),
        (lambda d: d.update(provenance={"coarse": []}), r"provenance\.coarse must be an object"),
        (lambda d: d.update(metrics={"coarse": [{"rows": [1]}]}), r"rows\[0\] must be an object"),
        (lambda d: d.update(metrics={"coarse": [{}]}), "has no member 'rows'"),
        (lambda d: d.update(metrics={"coarse": [{"rows": [{"a": []}]}]}), "must be str or float"),
    ],
)
def test_a_tampered_description_is_refused(
    change: Callable[[dict], object], message: str, directory: Path
) -> None:
    edit(directory, change)
    with pytest.raises(DsslicError, match=message):
        bundles.load(directory)


def test_descriptions_from_before_a_setting_was_there_are_read(
    directory: Path, tiny_bundle: Bundle
) -> None:
    def as_before(description: dict) -> None:
        del description["segnet"]["auxiliary_width"], description["segnet"]["input"]
        del description["model"]["finenet_downs"], description["enhancenet"]

    edit(directory, as_before)
    loaded = bundles.load(directory)
    assert without_weights(loaded) == without_weights(tiny_bundle)
    assert loaded.fingerprints == tiny_bundle.fingerprints


def test_a_description_says_without_this_package_what_labels_mean(
    directory: Path, tiny_bundle: Bundle
) -> None:
    description = json.loads((directory / "model.json").read_text())
    name, colour = description["classes"]["classes"][0]
    assert name == tiny_bundle.classes.names[0] and tuple(colour) == tiny_bundle.classes.palette[0]
    assert description["classes"]["void_ids"] == [11]
    assert [description["fingerprint"], description["fingerprint_with_segnet"]] == [
        fingerprint.hex() for fingerprint in tiny_bundle.fingerprints
    ]


MEASURED = [{"pictures": "two", "protocol": "by eye", "rows": [{"psnr_rgb_db": 30.0}]}]


def test_what_was_measured_is_kept_and_joined_as_far_as_it_still_holds(
    tiny_bundle: Bundle, tmp_path: Path
) -> None:
    metrics = {"coarse": MEASURED, "segnet": [], "joined": MEASURED}
    bundles.save(replace(tiny_bundle, metrics=metrics), tmp_path)
    loaded = bundles.load(tmp_path)
    assert loaded.metrics == metrics and loaded.fingerprint == tiny_bundle.fingerprint
    givers = {"segnet": replace(segnet_part(make_bundle(seed=1)), metrics={"segnet": MEASURED})}
    assert join(loaded, givers).metrics == {"coarse": MEASURED, "segnet": MEASURED}
    assert join(coarse_part(tiny_bundle), givers).metrics == {"segnet": MEASURED}


def test_what_was_measured_does_not_hold_of_a_model_that_decodes_otherwise(
    tiny_bundle: Bundle,
) -> None:
    measured = replace(tiny_bundle, metrics={"coarse": MEASURED, "segnet": MEASURED})
    enhancenet = make_models(enhancenet=enhancenet_settings())
    assert join(measured, {"enhancenet": enhancenet}).metrics == {"segnet": MEASURED}


@pytest.mark.parametrize(
    "text",
    [b"", b"{", b"\xff\xfe", b"null", b"[]", b'"model"', b'{"format": 1e999}', b"[" * 100_000],
    ids=lambda text: repr(text[:20]),
)
def test_a_description_that_is_none_is_refused(text: bytes, directory: Path) -> None:
    (directory / "model.json").write_bytes(text)
    with pytest.raises(ModelError, match=rf"^{directory}: model\.json: ") as caught:
        bundles.load(directory)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("name", ["model.json", "weights.safetensors", "training.safetensors"])
def test_pipes_devices_and_endless_files_are_refused_at_once(name: str, directory: Path) -> None:
    path = directory / name
    path.unlink(missing_ok=True)
    os.mkfifo(path)
    with pytest.raises(ModelError, match=f"{name}.* is not a regular file"):
        bundles.load_with_training(directory)
    path.unlink()
    path.symlink_to("/dev/zero")
    with pytest.raises(ModelError, match=f"{name}.* is not a regular file"):
        bundles.load_with_training(directory)
    path.unlink()
    with path.open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(ModelError, match=f"{name}.* is too long"):
        bundles.load_with_training(directory)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda a: a * np.float32("nan"), "not finite: compnet/head/kernel"),
        (lambda a: a + np.float32("inf"), "not finite: compnet/head/kernel"),
        (lambda a: a.astype(np.float64), "not float32: compnet/head/kernel"),
        (lambda a: a.astype(np.int32), "not float32: compnet/head/kernel"),
    ],
)
def test_weights_that_no_network_can_use_are_refused(
    change: Callable[[np.ndarray], np.ndarray],
    message: str,
    tiny_bundle: Bundle,
    tmp_path: Path,
) -> None:
    name = "compnet/head/kernel"  # in no fingerprint
    arrays = {**tiny_bundle.parts["coarse"].arrays, name: change(tiny_bundle.weights[name])}
    bundles.save(changed(tiny_bundle, "coarse", arrays=arrays), tmp_path)
    with pytest.raises(ModelError, match=message):
        bundles.load(tmp_path)


def test_arrays_other_than_the_settings_ask_for_never_reach_a_network(tiny_bundle: Bundle) -> None:
    wider = changed(tiny_bundle, "coarse", settings={"compnet_width": 5})
    with pytest.raises(ModelError, match=r"misshapen: compnet/"):
        wider.variables(COARSE)


@pytest.mark.parametrize("part", ["model", "segnet", "enhancenet"])
def test_a_part_that_is_no_object_is_refused(part: str, directory: Path) -> None:
    edit(directory, lambda description: description.update({part: 5}))
    with pytest.raises(ModelError, match=f"{part}: it must be an object, not 5"):
        bundles.load(directory)


@pytest.mark.parametrize("name", ["model.json", "weights.safetensors"])
def test_a_directory_without_one_of_its_files_is_refused(name: str, directory: Path) -> None:
    (directory / name).unlink()
    with pytest.raises(ModelError, match=f"no {name} in it"):
        bundles.load(directory)


def test_weights_that_are_no_safetensors_are_refused(directory: Path) -> None:
    for data in (b"", b"\x80\x04.", b"\xff" * 64):
        (directory / "weights.safetensors").write_bytes(data)
        sha256 = hashlib.sha256(data).hexdigest()
        edit(directory, lambda d, sha256=sha256: d.update(weights_sha256=sha256))
        with pytest.raises(ModelError, match="no arrays that can be read"):
            bundles.load(directory)


def test_joining_takes_coarse_weights_of_the_first_and_segnet_of_the_second(
    tiny_bundle: Bundle,
) -> None:
    other = changed(make_bundle(seed=1), "segnet", provenance={"trained_on": "other"})
    more = {"segnet/params/older_layer/kernel": np.ones(3, np.float32)}
    older = changed(tiny_bundle, "segnet", arrays={**tiny_bundle.parts["segnet"].arrays, **more})
    for model in (older, coarse_part(tiny_bundle)):
        joined = join(model, {"segnet": other})
        assert joined.fingerprint == tiny_bundle.fingerprint
        assert joined.coding == tiny_bundle.coding
        assert [*joined.parts] == ["coarse", "segnet"]
        assert joined.parts["coarse"] == tiny_bundle.parts["coarse"]
        assert joined.parts["segnet"] == other.parts["segnet"]


def test_joining_parts_that_do_not_fit_is_refused(tiny_bundle: Bundle) -> None:
    elsewhere = replace(segnet_part(tiny_bundle), classes=class_table("msrc"))
    with pytest.raises(ModelError, match="label differently: camvid and msrc"):
        join(coarse_part(tiny_bundle), {"segnet": elsewhere})
    with pytest.raises(ModelError, match="has no CompNet and FineNet"):
        join(segnet_part(tiny_bundle), {"segnet": tiny_bundle})
    with pytest.raises(ModelError, match="has no SegNet"):
        join(tiny_bundle, {"segnet": coarse_part(tiny_bundle)})
    with pytest.raises(ModelError, match="has no EnhanceNet"):
        join(tiny_bundle, {"enhancenet": tiny_bundle})
    with pytest.raises(ModelError, match="unknown part 'other'; known: coarse, segnet"):
        join(tiny_bundle, {"other": tiny_bundle})


def test_weights_of_half_precision_are_stored_so_and_read_back_as_they_were(
    tiny_bundle: Bundle, tmp_path: Path
) -> None:
    half = halved(tiny_bundle)
    bundles.save(tiny_bundle, tmp_path / "whole")
    bundles.save(half, tmp_path / "half")
    sizes = [(tmp_path / n / "weights.safetensors").stat().st_size for n in ("whole", "half")]
    assert sizes[1] < 0.6 * sizes[0]
    loaded = bundles.load(tmp_path / "half")
    assert loaded.fingerprint == half.fingerprint != tiny_bundle.fingerprint
    assert same_weights(loaded, half)
    assert {array.dtype for array in loaded.weights.values()} == {np.dtype(np.float32)}
    for name, array in half.weights.items():
        np.testing.assert_allclose(array, tiny_bundle.weights[name], rtol=1e-3, atol=1e-6)


def test_weights_too_large_for_half_precision_are_refused(tiny_bundle: Bundle) -> None:
    name = next(iter(tiny_bundle.weights))
    with pytest.raises(ModelError, match=f"{name} has values that half precision cannot hold"):
        halved(with_weight(tiny_bundle, name, 1e6))
