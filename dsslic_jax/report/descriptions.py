"""What a run's page says in words: how it was measured, and what is missing from it."""

from typing import Any

from dsslic_jax.report.run_data import RunData

LAYERS_TEXT = (
    "A stream holds the label map s, the compact image c and residual layers r1, r2, …. Of s and c the decoder makes "
    "the coarse picture x', of all layers the picture x̂; how, stands below each."
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
    said = [f"{codec} is not measured: {reason}." for codec, reason in run.left_out.items()]
    if len(run.files) < run.planned:
        said.append(
            f"The run is not complete: {len(run.files)} of {run.planned} files are measured, and means are over "
            "different pictures."
        )
    if run.passed_over:
        said.append(
            f"{len(run.passed_over)} measurements are damaged or cannot be: they are left out."
        )
    if not has_originals:
        said.append(
            "Originals and difference maps: they need the pictures that were coded (--images)."
        )
    return said


def conditions(run: RunData) -> list[list[str]]:
    """(what, how) of all that conditions.json tells and the page does not say elsewhere."""
    found: list[tuple[str, object]] = [  # name and settings of a codec stand in tables
        (curve["codec"], {k: v for k, v in curve.items() if k not in ("codec", "settings")})
        for curve in run.conditions["codecs"]
    ]
    elsewhere = ("protocols", "codecs", "left_out")
    found += [(k.replace("_", " "), v) for k, v in run.conditions.items() if k not in elsewhere]
    return [[name, text] for name, value in found if (text := _text(value))]


def sentence(text: str) -> str:
    """With a capital and a full stop."""
    return text[:1].upper() + text[1:].removesuffix(".") + "."


def _text(value: Any) -> str:
    """JSON as people write it; nothing for what is empty."""
    if isinstance(value, dict):
        parts = ((name, _text(part)) for name, part in value.items())
        return ", ".join(f"{name} {text}" for name, text in parts if text)
    if isinstance(value, list):
        return " ".join(map(_text, value))
    return "" if value is None else str(value)
