"""A model card: what `model.json` says, as Markdown with the front matter that the Hugging Face Hub reads.

Descriptions may come from outside: what stands in them is shown, never obeyed as Markdown or YAML.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from dsslic_jax.bundle.directory import Bundle
from dsslic_jax.system.printable import printable

TAGS = ("image-compression", "semantic-segmentation", "jax", "dsslic")
_PARTS = {
    "coarse": "CompNet and FineNet",
    "segnet": "SegNet",
    "enhancenet": "EnhanceNet",
    "joined": "All networks together",
}


def model_card(model: Bundle, name: str, repository: str = "REPO_ID") -> str:
    """The card of a model that is called `name`, in a repository of the Hub.

    The Hub takes `datasets` of its front matter for names of its own data sets: what the model was trained on stands in
    the text.
    """
    sections = [
        _front_matter(model),
        f"# {_text(name)}",
        "Weights for dsslic_jax, semantic layered image compression: a picture is coded as a label map, a compact "
        "image and a residual, each layer useful alone (Akbari, Liang, Han: *Deep Semantic Segmentation-based "
        "Layered Image Compression*, 2018).",
        *_networks(model),
        *_classes(model),
        *_training(model),
        *_measured(model),
        *_use(model, repository),
    ]
    return "\n\n".join(sections) + "\n"


def _front_matter(model: Bundle) -> str:
    licences = {str(part.get("licence")) for part in model.provenance.values()}
    licence = licences.pop() if len(licences) == 1 else ""
    if re.fullmatch(r"[A-Za-z][A-Za-z0-9.+-]*", licence) and licence not in ("None", "unknown"):
        terms = [f"license: {licence.lower()}"]
    else:
        terms = ["license: other", "license_name: as-told-below"]
    lines = [*terms, "library_name: dsslic_jax", "pipeline_tag: image-to-image", "tags:"]
    return "\n".join(["---", *lines, *(f"- {tag}" for tag in TAGS), "---"])


def _networks(model: Bundle) -> Iterator[str]:
    yield "## Networks"
    rows = [
        (_PARTS[part], ", ".join(f"{_text(key)} {_text(value)}" for key, value in settings.items()))
        for part, settings in model.parts.items()
    ]
    yield _table(("part", "settings"), rows)
    if model.model is not None:
        yield f"Streams name this model by its fingerprint, `{model.fingerprint.hex()}`."
        if model.segnet is not None:
            yield (
                "Those whose label map is made at the decoder name it by "
                f"`{model.fingerprint_with_segnet.hex()}`."
            )


def _classes(model: Bundle) -> Iterator[str]:
    table = model.classes
    yield f"## Classes: {_text(table.name)}"
    yield "; ".join(
        f"{i} {_text(name)}{' (void)' if i in table.void_ids else ''}"
        for i, name in enumerate(table.names)
    )


def _training(model: Bundle) -> Iterator[str]:
    yield "## Training data and terms"
    for part, known in model.provenance.items():
        rows = [
            (_text(key).replace("\\_", " "), _text(value) or "not told")
            for key, value in known.items()
        ]
        yield _table((_PARTS.get(part, _text(part)), ""), rows)


def _measured(model: Bundle) -> Iterator[str]:
    yield "## Measured"
    if not any(model.metrics.values()):
        yield "Nothing was recorded."
    for part, entries in model.metrics.items():
        for entry in entries:
            told = (_text(entry.get(key, "unknown")) for key in ("pictures", "protocol"))
            yield f"{_PARTS.get(part, _text(part))}: {'. '.join(told)}."
            names = [*dict.fromkeys(name for row in entry["rows"] for name in row)]
            titles = [_text(name).replace("\\_", " ") for name in names]
            yield _table(titles, ([_cell(row, name) for name in names] for row in entry["rows"]))


def _use(model: Bundle, repository: str) -> Iterator[str]:
    yield "## Use"
    lines = ["pip install 'dsslic_jax[hub]'", f"dsslic models pull {repository} model"]
    if model.model is not None:
        lines.append("dsslic encode photo.png photo.dsslic --model model")
        lines.append("dsslic decode photo.dsslic photo.png")
    else:
        lines.append("dsslic join joined --model COARSE_MODEL --segnet model")
    yield "\n".join(f"    {line}" for line in lines)


def _table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [titles, ["---"] * len(titles), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(row: Mapping[str, Any], name: str) -> str:
    value = row.get(name, "")
    return f"{value:.4g}" if isinstance(value, float) else _text(value)


def _text(value: Any) -> str:
    return re.sub(r"([\\`*_\[\]<>|#])", r"\\\1", printable(str(value)))
