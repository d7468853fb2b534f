"""`dsslic models`: what is listed, what is found by name and fingerprint, what is refused as damaged."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dsslic_jax import api, cli
from dsslic_jax.bundle import directory as bundles
from dsslic_jax.bundle import known as known_models
from dsslic_jax.bundle.model import Bundle
from dsslic_jax.bundle.verifying import verify
from dsslic_jax.codec.settings import coding_settings
from tests.codec.pictures import smooth_picture
from tests.convert import models
from tests.model_fixture import changed, segnet_part


@pytest.fixture(autouse=True)
def _nothing_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DSSLIC_MODELS", str(tmp_path / "known"))
    monkeypatch.setattr(known_models, "BUNDLED", tmp_path / "bundled")
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def bundled(tiny_model: Path, _nothing_known: None) -> Path:
    """The directory of the one bundled model, called "tiny"."""
    return Path(shutil.copytree(tiny_model, known_models.BUNDLED / "tiny"))


def run(*arguments: object) -> int:
    return cli.main(["models", *map(str, arguments)])


def test_bundled_known_and_vanished_models_are_listed(
    bundled: Path, tiny_model: Path, tiny_bundle: Bundle, capsys: pytest.CaptureFixture[str]
) -> None:
    bundles.save(segnet_part(tiny_bundle), Path("segnet"))
    known_models.remember(tiny_bundle.fingerprints, tiny_model)
    known_models.remember([b"12345678"], Path("segnet"))
    known_models.remember([b"abcdefgh"], Path("lost"))
    assert run() == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 5
    fingerprint = tiny_bundle.fingerprint.hex()
    size = sum(path.stat().st_size for path in bundled.iterdir())
    assert lines[1].split("  ")[0] == "tiny (bundled)"
    rows = {line.split()[0]: line.split()[1:] for line in lines}
    expected = [fingerprint, "coarse", "+", "segnet", "camvid", f"{size / 1e6:.1f}"]
    assert rows["tiny"][1:] == rows[str(tiny_model)] == expected
    assert rows[str(Path("segnet").resolve())][:2] == ["-", "segnet"]
    assert rows[str(Path("lost").resolve())] == [b"abcdefgh".hex(), "gone"]
    assert run("--json") == 0
    told = {entry["name"]: entry for entry in json.loads(capsys.readouterr().out)}
    assert told["tiny"]["bundled"] and told["tiny"]["num_bytes"] == size
    assert sorted(told[str(tiny_model)]["links"]) == sorted(
        found.hex() for found in tiny_bundle.fingerprints
    )


def test_no_models_and_damaged_ones_are_said_so(
    bundled: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (bundled / "model.json").write_text('{"classes": "camvid"}')
    assert run() == 0
    assert "model.json: classes must be an object" in capsys.readouterr().out
    shutil.rmtree(bundled)
    assert run() == 0
    assert capsys.readouterr().out.startswith("no models")


@pytest.mark.parametrize("at_decoder", [False, True])
def test_a_bundled_model_goes_by_its_name_and_streams_find_it(
    at_decoder: bool, bundled: Path
) -> None:
    Image.fromarray(smooth_picture(40, 48)).save("picture.png")
    option = ["--labels-at-decoder"] if at_decoder else []
    encode = ["encode", "picture.png", "a.dsslic", "--model", "tiny", *option]
    assert cli.main(encode) == 0
    assert cli.main(["decode", "a.dsslic", "a.png"]) == 0
    assert not known_models.remembered()  # nothing links into the package
    data = api.encode("picture.png", "tiny", label_layer="decoder" if at_decoder else None)
    assert data == Path("a.dsslic").read_bytes()


def test_a_bundled_model_s_name_is_its_own_whatever_lies_here(bundled: Path) -> None:
    Path("tiny").mkdir()
    assert known_models.model_directory("tiny") == bundled
    for given in ("./tiny", Path("tiny"), str(Path("tiny").resolve()), "other"):
        assert known_models.model_directory(given) == Path(given)


def test_one_bad_directory_ends_no_list(
    bundled: Path, tiny_bundle: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    contents: list[tuple[str, Callable[[Path], object]]] = [
        ("pipe", os.mkfifo),
        ("zero", lambda path: path.symlink_to("/dev/zero")),
        ("itself", lambda path: path.symlink_to(path)),
        ("folder", lambda path: path.mkdir()),
        ("deep", lambda path: path.write_text("[" * 100_000)),
        ("codes", lambda path: path.write_text('{"format": 2, "\\u001b[2J": 1e999}')),
    ]
    for i, (name, make) in enumerate(contents):
        Path(name).mkdir()
        make(Path(name) / "model.json")
        known_models.remember([bytes([i]) * 8], Path(name))
    links = known_models.folder()
    assert links is not None
    (links / "ff").symlink_to(links / "ff")
    (links / "fe").write_text("no link")
    assert run() == 0
    listed = capsys.readouterr().out
    assert listed.count("\n") == 10 and listed.replace("\n", "").isprintable()
    assert run("verify") == 1
    said = capsys.readouterr()
    assert said.out.startswith("ok    tiny\n") and said.out.count("bad   ") == len(contents)
    assert said.out.count("gone  ") == 2 and said.err.count("\n") == 1


def test_sound_models_pass_with_a_line_each(
    bundled: Path, tiny_model: Path, tiny_bundle: Bundle, capsys: pytest.CaptureFixture[str]
) -> None:
    known_models.remember([*tiny_bundle.fingerprints, b"12345678"], tiny_model)
    known_models.remember([b"abcdefgh"], Path("lost"))
    bundles.save(segnet_part(tiny_bundle), Path("segnet"))
    assert run("verify") == 0
    ok, *others = capsys.readouterr().out.splitlines()
    gone, stale = sorted(others)
    assert ok == "ok    tiny" and gone == f"gone  {Path('lost').resolve()}"
    assert stale.startswith(f"ok    {tiny_model} (no longer {b'12345678'.hex()}, ")
    assert run("verify", "tiny", "segnet") == 0
    assert capsys.readouterr().out == "ok    tiny\nok    segnet\n"


Damage = Callable[[Path, Bundle], object]


def described(**changes: object) -> Damage:
    """Changes a key of model.json ("part__setting": one of a part's settings)."""

    def damage(directory: Path, bundle: Bundle) -> None:
        description = json.loads((directory / "model.json").read_text())
        for key, value in changes.items():
            *way, last = key.split("__")
            node = description
            for step in way:
                node = node[step]
            node[last] = value
        (directory / "model.json").write_text(json.dumps(description))

    return damage


def weighted(name: str, array: np.ndarray | None) -> Damage:
    """Replaces an array, or leaves it out, with a description that names the new file."""

    def damage(directory: Path, bundle: Bundle) -> None:
        part = "segnet" if name.startswith("segnet/") else "coarse"
        arrays = {n: w for n, w in bundle.parts[part].arrays.items() if n != name}
        arrays |= {} if array is None else {name: array}
        bundles.save(changed(bundle, part, arrays=arrays), directory)

    return damage


BIAS = "segnet/params/logits/bias"  # of twelve classes


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda d, b: (d / "weights.safetensors").unlink(), "no weights.safetensors in it"),
        (lambda d, b: (d / "weights.safetensors").write_bytes(b"no"), "not the one model.json"),
        (lambda d, b: (d / "training.safetensors").write_bytes(b"no"), "cannot be read"),
        (described(fingerprint_with_segnet=None), "not as it was written (fingerprint)"),
        (described(fingerprint_with_segnet="0" * 16), "not as it was written (fingerprint)"),
        (described(model__compnet_width=5), "misshapen: compnet/"),
        (
            described(model__compnet_width=10**9),
            "model.compnet_width must be at least 1 and at most 16384, not 1000000000",
        ),
        (described(segnet__width="8"), "segnet.width must be int, not '8'"),
        (described(segnet__classes=True), "segnet.classes must be int, not True"),
        (
            described(segnet__classes=11),
            "segnet is for 11 classes, the table 'camvid' has 12",
        ),
        (described(segnet__backbone="huge"), "backbone must be one of"),
        (described(segnet={"classes": 12}), "not as it was written (fingerprint)"),
        (described(coding__layers=[1]), "coding.layers must be int, not (1,)"),
        (described(coding__layer=1), "unknown setting coding.layer"),
        (described(coding__quality="x" * 999), "coding.quality must be float"),
        (weighted(BIAS, None), f"missing: {BIAS}"),
        (weighted(BIAS, np.zeros(11, np.float32)), f"misshapen: {BIAS} [11], not [12]"),
        (weighted(BIAS, np.zeros(12, np.float64)), f"not float32: {BIAS}"),
        (weighted("compnet/more", np.zeros(1, np.float32)), "not known: compnet/more"),
    ],
)
def test_what_is_wrong_with_a_model_is_told_in_its_line(
    damage: Damage,
    message: str,
    bundled: Path,
    tiny_bundle: Bundle,
    capsys: pytest.CaptureFixture[str],
) -> None:
    bundles.save(tiny_bundle, Path("model"))
    damage(Path("model"), tiny_bundle)
    assert run("verify", "model", "tiny") == 1
    said = capsys.readouterr()
    bad, ok = said.out.splitlines()
    assert bad.startswith("bad   model: ") and message in bad
    assert ok == "ok    tiny"
    assert "1 of 2 models are bad" in said.err and said.err.count("\n") == 1
    if "training.safetensors" not in bad:  # which coding does not read
        Image.fromarray(smooth_picture(8, 8)).save("picture.png")
        assert cli.main(["encode", "picture.png", "a.dsslic", "--model", "model"]) == 1
        assert capsys.readouterr().err.count("\n") == 1 and not Path("a.dsslic").exists()


def test_every_model_that_comes_with_the_package_is_sound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    for directory in known_models.bundled().values():
        model = verify(directory, coding_settings)
        assert [known_models.find(found).resolve() for found in model.fingerprints] == [
            directory.resolve() for _ in model.fingerprints
        ]


def test_a_model_of_the_best_profile_is_sound(capsys: pytest.CaptureFixture[str]) -> None:
    coarse = models.coarse_settings(compact="mean", finenet_width=0)
    model = models.make_bundle(coarse, enhancenet=models.enhancenet_settings())
    bundles.save(model, Path("model"))
    assert run("verify", "model") == 0
    arrays = model.parts["enhancenet"].arrays
    damaged = {n: w for n, w in arrays.items() if "head" not in n}
    bundles.save(changed(model, "enhancenet", arrays=damaged), Path("model"))
    assert run("verify", "model") == 1
    assert "enhancenet/params/head/kernel" in capsys.readouterr().out
