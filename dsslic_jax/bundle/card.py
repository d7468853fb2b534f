"""A model card: what `model.json` says, as Markdown with the front matter that the Hugging Face Hub reads.

Descriptions may come from outside: what stands in them is shown, never obeyed as Markdown or YAML.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from dsslic_jax.bundle.measured import JOINED
from dsslic_jax.bundle.model import Bundle
from dsslic_jax.models.parts import part_kinds
from dsslic_jax.settings.reading import to_mapping
from dsslic_jax.system.extras import how_to_install
from dsslic_jax.system.printable import printable

TAGS = ("image-compression", "semantic-segmentation", "jax", "dsslic")


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
    licences = {str(p.provenance.get("licence")) for p in model.parts.values() if p.provenance}
    licence = licences.pop() if len(licences) == 1 else ""
    if re.fullmatch(r"[A-Za-z][A-Za-z0-9.+-]*", licence) and licence not in ("None", "unknown"):
        terms = [f"license: {licence.lower()}"]
    else:
        terms = ["license: other", "license_name: as-told-below"]
    lines = [*terms, "library_name: dsslic_jax", "pipeline_tag: image-to-image", "tags:"]
    return "\n".join(["---", *lines, *(f"- {tag}" for tag in TAGS), "---"])


def _networks(model: Bundle) -> Iterator[str]:
    yield "## Networks"
    rows = []
    for name, part in model.parts.items():
        told_settings = (f"{_text(k)} {_text(v)}" for k, v in to_mapping(part.settings).items())
        rows.append((_title(name), ", ".join(told_settings)))
    yield _table(("part", "settings"), rows)
    told = (
        "Streams name this model by its fingerprint, `{}`.",
        "Those whose label map is made at the decoder name it by `{}`.",
    )
    for sentence, fingerprint in zip(told, model.fingerprints, strict=False):
        yield sentence.format(fingerprint.hex())


def _classes(model: Bundle) -> Iterator[str]:
    table = model.classes
    yield f"## Classes: {_text(table.name)}"
    void = {i: " (void)" for i in table.void_ids}
    yield "; ".join(f"{i} {_text(name)}{void.get(i, '')}" for i, name in enumerate(table.names))


def _training(model: Bundle) -> Iterator[str]:
    yield "## Training data and terms"
    for name, part in model.parts.items():
        told = part.provenance.items()
        if told:
            rows = ((_text(k).replace("\\_", " "), _text(v) or "not told") for k, v in told)
            yield _table((_title(name), ""), rows)


def _measured(model: Bundle) -> Iterator[str]:
    yield "## Measured"
    if not any(model.metrics.values()):
        yield "Nothing was recorded."
    for part, entries in model.metrics.items():
        for entry in entries:
            told = (_text(entry.get(key, "unknown")) for key in ("pictures", "protocol"))
            yield f"{_title(part)}: {'. '.join(told)}."
            names = [*dict.fromkeys(name for row in entry["rows"] for name in row)]
            titles = [_text(name).replace("\\_", " ") for name in names]
            yield _table(titles, ([_cell(row, name) for name in names] for row in entry["rows"]))


def _use(model: Bundle, repository: str) -> Iterator[str]:
    yield "## Use"
    lines = [how_to_install("hub"), f"dsslic models pull {repository} model"]
    if model.fingerprints:
        lines.append("dsslic encode photo.png photo.dsslic --model model")
        lines.append("dsslic decode photo.dsslic decoded.png")
    else:
        given = " ".join(f"--{name} model" for name in model.parts)
        lines.append(f"dsslic join joined --model COARSE_MODEL {given}")
    yield "\n".join(f"    {line}" for line in lines)


def _title(part: str) -> str:
    """What a reader is told that figures or terms hold of."""
    titles = {name: kind.title for name, kind in part_kinds().items()}
    return titles.get(part, "All networks together" if part == JOINED else _text(part))


def _table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [titles, ["---"] * len(titles), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(row: Mapping[str, Any], name: str) -> str:
    value = row.get(name, "")
    return f"{value:.4g}" if isinstance(value, float) else _text(value)


def _text(value: Any) -> str:
    return re.sub(r"([\\`*_\[\]<>|#])", r"\\\1", printable(str(value)))
