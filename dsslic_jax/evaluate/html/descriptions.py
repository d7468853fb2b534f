"""What a run's page says in words: how it was measured, and what is missing from it."""

from __future__ import annotations

from typing import Any

from dsslic_jax.evaluate.html.run_data import RunData

LAYERS_TEXT = (
    "Each stream holds the label map s, the compact image c and the residual r. From s and c the decoder makes x', the "
    "prediction; with r it becomes the picture x̂."
)


def subtitle(run: RunData) -> str:
    """One line under the title."""
    pictures = len({file.picture for file in run.files})
    curves = len({file.curve for file in run.files})
    names = " and ".join(protocol.name for protocol in run.protocols)
    return (
        f"{pictures} picture{'' if pictures == 1 else 's'}, {curves} curve{'' if curves == 1 else 's'}, "
        f"{len(run.files)} coded files; protocol {names}"
    )


def notes(run: RunData, has_originals: bool) -> list[str]:
    """What is missing from the run."""
    said = [
        f"{codec} is not measured: {reason}."
        for codec, reason in run.conditions["left_out"].items()
    ]
    if len(run.files) < run.planned:
        said.append(
            f"The run is not complete: {len(run.files)} of {run.planned} files are measured, and means are over "
            "different pictures."
        )
    if not has_originals:
        said.append(
            "Originals and difference maps: they need the pictures that were coded (--images)."
        )
    return said


def conditions(run: RunData) -> list[list[str]]:
    """(what, how) of everything that conditions.json tells."""
    found = run.conditions
    facts = [
        ["pictures", ", ".join(found["picture_files"])],
        ["lossy pictures", ", ".join(found["lossy_source_files"])],
        ["means", sentence(found["averaging"])],
        *(
            [curve_text(codec), f"{codec['version']}; setting: {codec['setting']}"]
            for codec in found["codecs"]
        ),
        ["class table", found["class_table"]],
        ["model", found["model_fingerprint"]],
        ["machine", _pairs(found["machine"])],
        ["processes", found["workers"]],
        ["software", _pairs(found["software"])],
        ["command", " ".join(map(str, found["command"]))],
        ["commit", found["commit"]],
    ]
    return [[name, str(value)] for name, value in facts if value not in (None, "")]


def curve_text(codec: dict[str, Any]) -> str:
    """ "dsslic, labels segnet"."""
    return codec["codec"] + (f", labels {codec['labels']}" if codec["labels"] else "")


def sentence(text: str) -> str:
    """With a capital and a full stop."""
    return text[:1].upper() + text[1:].removesuffix(".") + "."


def _pairs(of: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in of.items() if value is not None)
