"""Other programs' published weights in our networks: the same outputs as their networks, built here in PyTorch."""

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dsslic_jax.bundle.model import Bundle
from dsslic_jax.classes.table import class_table
from dsslic_jax.convert.transfer import Portable, from_state_dict, to_state_dict
from dsslic_jax.convert.vgg import load_vgg
from dsslic_jax.errors import ModelError
from dsslic_jax.models.finenet import FineNet
from dsslic_jax.models.parts import COARSE, SEGNET
from dsslic_jax.models.segnet import build_segnet, to_labels
from dsslic_jax.models.vgg import VGG19Features
from tests.convert import foreign, models
from tests.convert.models import apart

ADE20K = class_table("ade20k")
STAGES = {"resnet50": (3, 4, 6, 3), "resnet101": (3, 4, 23, 3)}
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def seen_by_imagenet(torch: Any, picture: np.ndarray) -> Any:
    """[-1, 1] NHWC -> what the foreign networks are given, NCHW."""
    return torch.from_numpy((((picture + 1) / 2 - MEAN) / STD).transpose(0, 3, 1, 2)).float()


def scores(made: Bundle, picture: np.ndarray) -> Any:
    apply = jax.jit(build_segnet(made.settings(SEGNET)).apply)
    return apply(made.variables(SEGNET), jnp.asarray(picture))


@pytest.mark.parametrize(("backbone", "size"), [("resnet50", (40, 72)), ("resnet101", (24, 88))])
def test_csailvision_s_network_gives_the_same_scores_here(
    torch: Any, backbone: str, size: tuple[int, int]
) -> None:
    encoder = foreign.resnet(torch, STAGES[backbone], 4, "csail")
    decoder = foreign.pyramid_decoder(torch, 128, 12, 150)
    theirs = foreign.arrays_of(encoder, "encoder.") | foreign.arrays_of(decoder, "decoder.")
    made = from_state_dict(theirs, ADE20K).bundle
    assert made.settings(SEGNET).backbone == backbone
    _, picture = models.inputs(*size)
    ours = scores(made, picture)
    with torch.no_grad():
        logits, auxiliary = decoder(*encoder(seen_by_imagenet(torch, picture)))
    assert apart(ours.logits[..., 1:], logits) < 1e-5
    assert apart(ours.auxiliary[..., 1:], auxiliary) < 1e-5
    assert not np.any(ours.logits[..., 0])  # other
    assert set(np.unique(to_labels(ours.logits, ADE20K.void_ids))) <= set(range(1, 151))


def test_csailvision_s_weights_with_a_void_class_are_taken_as_they_are(torch: Any) -> None:
    encoder = foreign.resnet(torch, STAGES["resnet50"], 4, "csail")
    decoder = foreign.pyramid_decoder(torch, 128, 12, 151)
    theirs = foreign.arrays_of(encoder, "encoder.") | foreign.arrays_of(decoder, "decoder.")
    made = from_state_dict(theirs, ADE20K)
    back = to_state_dict(made, "reference")
    counters = {key for key in theirs if key.endswith("num_batches_tracked")}
    assert models.same_arrays(back, {k: a for k, a in theirs.items() if k not in counters})


@pytest.mark.parametrize("stem", ["7x7", "timm"])
def test_backbones_of_torchvision_and_timm_fill_ours_and_heads_are_drawn(
    torch: Any, stem: str
) -> None:
    encoder = foreign.resnet(torch, STAGES["resnet50"], 4, stem)
    backbone = {
        key: array
        for key, array in foreign.arrays_of(encoder).items()
        if not key.endswith("num_batches_tracked")
    }
    classifier = {"fc.weight": np.zeros((10, 128)), "fc.bias": np.zeros(10)}
    made = from_state_dict(backbone | classifier, ADE20K)
    drawn = made.bundle.part(SEGNET).provenance["drawn"]
    assert {name.split("/")[1].rpartition("_")[0] or name.split("/")[1] for name in drawn} == {
        "pyramid",
        "fuse",
        "logits",
        "auxiliary",
    }
    stored = to_state_dict(made, "reference")
    names = {"conv1.0": "conv1", "conv1.1": "bn1", "conv1.3": "conv2", "conv1.4": "bn2"}
    names |= {"conv1.6": "conv3", "bn1": "bn3"} if stem == "timm" else {}
    for key, array in backbone.items():
        module, _, leaf = key.rpartition(".")
        kept = stored[f"encoder.{names.get(module, module)}.{leaf}"]
        np.testing.assert_array_equal(kept, array, err_msg=key)
    decoder = foreign.pyramid_decoder(torch, 128, 512, 151)
    decoder.cbr_deepsup[0] = torch.nn.Conv2d(64, 16, 3, padding=1, bias=False)  # PSPNet's own width
    decoder.cbr_deepsup[1], decoder.conv_last_deepsup = (
        torch.nn.BatchNorm2d(16).eval(),
        torch.nn.Conv2d(16, 151, 1),
    )
    heads = {k.removeprefix("decoder."): torch.from_numpy(a) for k, a in stored.items()}
    decoder.load_state_dict({k: a for k, a in heads.items() if not k.startswith("encoder.")})
    _, picture = models.inputs(40, 56)
    ours = scores(made.bundle, picture)
    with torch.no_grad():
        logits, auxiliary = decoder(*encoder(seen_by_imagenet(torch, picture)))
    assert apart(ours.logits, logits) < 1e-5
    assert apart(ours.auxiliary, auxiliary) < 1e-5


def test_a_backbone_of_another_plan_is_refused(torch: Any) -> None:
    arrays = foreign.arrays_of(foreign.resnet(torch, (3, 4, 5, 3), 2, "7x7"))
    with pytest.raises(ModelError, match=r"no backbone has \(3, 4, 5, 3\) blocks .* resnet101_7x7"):
        from_state_dict(arrays, ADE20K)


@pytest.mark.parametrize(
    ("norm", "downs", "picture_too"), [("instance", 4, False), ("batch", 3, True)]
)
def test_pix2pixhd_s_generator_gives_the_same_detail_here(
    torch: Any, norm: str, downs: int, picture_too: bool
) -> None:
    classes = models.CLASSES
    network = foreign.generator(torch, classes + 3 * picture_too, 4, downs, 2, norm)
    made = from_state_dict(foreign.arrays_of(network), models.TABLE).bundle
    settings, drawn = made.settings(COARSE), made.part(COARSE).provenance["drawn"]
    assert (settings.finenet_downs, settings.norm) == (downs, norm)
    assert "compnet/stem" in drawn
    assert not any(name.startswith("finenet") for name in drawn)
    labels, picture = models.inputs(48, 80)
    variables = {kind: tree["finenet"] for kind, tree in made.variables(COARSE).items()}
    ours = FineNet(classes, 4, 2, downs, norm).apply(variables, labels, picture)
    seen = np.eye(classes, dtype=np.float32)[labels]
    seen = np.concatenate([seen, picture], axis=-1) if picture_too else seen
    with torch.no_grad():
        theirs = network(torch.from_numpy(seen.transpose(0, 3, 1, 2).copy()))
    assert apart(ours, theirs) < 1e-5


def test_the_authors_old_files_hold_statistics_that_are_left_out() -> None:
    bundle = models.make_bundle(models.coarse_settings())
    plain = to_state_dict(Portable(bundle, {}), "reference")
    unused = {
        f"{key}.running_{what}": np.ones(4, np.float32)
        for key in ("C.model.2", "G.model.2", "G.model.13.conv_block.2")
        for what in ("mean", "var")
    }
    made = from_state_dict(plain | unused, models.TABLE)
    assert models.same_arrays(made.bundle.weights, bundle.weights)


def test_vgg19_features_agree_with_torchvision_s(torch: Any, tmp_path: Path) -> None:
    network = foreign.vgg19(torch)
    stored = {f"features.{name}": tensor for name, tensor in network.state_dict().items()}
    stored["classifier.0.bias"] = torch.zeros(3)
    torch.save(stored, tmp_path / "vgg19.pth")
    _, picture = models.inputs(37, 51)
    params = load_vgg(tmp_path / "vgg19.pth")
    ours = jax.jit(VGG19Features().apply)({"params": params}, jnp.asarray(picture))
    x, theirs = seen_by_imagenet(torch, picture), []
    with torch.no_grad():
        for index, layer in enumerate(network):
            x = layer(x)
            if index in (1, 6, 11, 20, 29):
                theirs.append(x)
    assert max(apart(a, b) for a, b in zip(ours, theirs, strict=True)) < 1e-5
