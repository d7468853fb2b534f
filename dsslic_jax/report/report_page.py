"""The page of a run: curves, differences, pictures at equal rate, layers and every file."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dsslic_jax.errors import ConfigError, DataError
from dsslic_jax.evaluate.codecs.registry import LAYERED
from dsslic_jax.evaluate.measuring.points import array_sha256
from dsslic_jax.evaluate.measuring.store import Measurement
from dsslic_jax.evaluate.protocols import Protocol
from dsslic_jax.evaluate.tables.differences import differences, find_anchor
from dsslic_jax.evaluate.tables.means import Mean, means
from dsslic_jax.pictures.reading import read_picture
from dsslic_jax.report import curves, descriptions, tables
from dsslic_jax.report.page import page
from dsslic_jax.report.pictures.crops import most_pixels
from dsslic_jax.report.pictures.decoding import DamagedFile, Decoder
from dsslic_jax.report.pictures.images import BesidePage, InsidePage
from dsslic_jax.report.pictures.layer_views import layer_view
from dsslic_jax.report.pictures.rates import Selection, select
from dsslic_jax.report.pictures.viewer import unique, viewer_beside, viewer_inside
from dsslic_jax.report.plots import bokeh_script, plots
from dsslic_jax.report.run_data import RunData

Json = dict[str, Any]

MOST_PICTURES = 24  # in the viewer and the layer views
_LAYER_SHARE = 0.15  # of the page, for the layer views
_LAYER_CHARACTERS = 1.2  # of their URLs for each pixel of a square around a picture, about
_LAYER_VIEW_PX = 384  # at most
_RATE_COUNTS = (5, 4, 3)  # the first that leaves room for large windows
_LARGE_WINDOW_PIXELS = 2 * 256 * 256  # at the very most: `most_pixels`
_ENTRY_CHARACTERS = 200  # of a picture's or file's numbers in the page, at most


def report_page(
    run: RunData,
    decoder: Decoder,
    *,
    images: Path | None,
    anchor: str | None,
    published: bool,
    max_bytes: int,
    assets: Path | None,
) -> str:
    """The HTML of a run's page. A coded file that is damaged is named in its notes, and not shown.

    Args:
        run: what to show.
        decoder: of its files.
        images: folder of the pictures that were coded; None leaves out what needs them.
        anchor: codec that differences are taken against; None for each protocol's own.
        published: draw what others published too.
        max_bytes: of the page.
        assets: a folder beside the page for whole pictures; None keeps windows of them in the page.

    Raises:
        ConfigError: an unknown anchor, or the page would be larger than allowed.
        DataError: a picture is not the one that was coded.
    """
    library = bokeh_script()
    rows = means(run.measurements)
    notes = descriptions.notes(run, images is not None)
    shown = _decodable(run.files, decoder, notes)
    pictures = InsidePage() if assets is None else BesidePage(assets)
    names = _some(list(dict.fromkeys(file.picture for file in shown)), notes)
    data: Json = {
        "subtitle": descriptions.subtitle(run),
        "protocols": [
            _protocol(run, rows, protocol, anchor, published, notes) for protocol in run.protocols
        ],
        "layers": [],
        "layers_text": descriptions.LAYERS_TEXT,
        "files": tables.file_table(run),
        "conditions": descriptions.conditions(run),
        "notes": notes,
    }

    def written() -> str:
        return page(f"Rate and distortion: {run.name}", data, library)

    originals = _originals(run, images)
    while shown:
        names = [name for name in names if any(file.picture == name for file in shown)]
        try:
            data["layers"] = _layer_views(shown, names, decoder, pictures, max_bytes)
            room = max_bytes - len(written().encode())
            data["viewer"] = _viewer(shown, names, decoder, originals, pictures, room)
            break
        except DamagedFile as damaged:
            notes.append(f"Left out of what is shown: {damaged}.")
            data["layers"] = []
            shown = [file for file in shown if file.stream != damaged.stream]
    text = written()
    if len(text.encode()) > max_bytes:
        raise ConfigError(
            f"the page has {len(text.encode()) / 1e6:.1f} MB: allow more with --max-mb, or put pictures beside it with "
            "--assets"
        )
    return text


def _protocol(
    run: RunData,
    rows: Sequence[Mean],
    protocol: Protocol,
    anchor: str | None,
    published: bool,
    notes: list[str],
) -> Json:
    found = curves.measured_curves(rows, protocol)
    if published:
        found += curves.published(protocol)
    names = list(dict.fromkeys(row.curve for row in rows))
    difference_table = None
    if anchor is not None or protocol.anchor in names:
        anchor = find_anchor(anchor or protocol.anchor, names)
        with_anchor = {line.picture for line in run.measurements if line.curve == anchor}
        lines = [line for line in run.measurements if line.picture in with_anchor]
        difference_table = tables.difference_table(differences(lines, protocol, anchor), anchor)
    else:
        notes.append(
            f"Differences under protocol {protocol.name}: its anchor {protocol.anchor} is not measured; name an "
            "--anchor."
        )
    quality = tables.METRIC_NAMES[protocol.quality]
    return {
        "name": protocol.name,
        "text": descriptions.sentence(protocol.means),
        **plots(found, f"{tables.RATE_NAMES[protocol.rate]} of the whole file", quality),
        "differences": difference_table,
        "means": tables.mean_table(rows, protocol),
    }


def _decodable(
    files: Sequence[Measurement], decoder: Decoder, notes: list[str]
) -> list[Measurement]:
    """The files of the curves that can be decoded here; of the others, why not is noted."""
    shown: list[Measurement] = []
    for curve in dict.fromkeys(file.curve for file in files):
        own = [file for file in files if file.curve == curve]
        reason = decoder.why_not(own[0])
        if reason is None:
            shown += own
        else:
            notes.append(f"Pictures and layers of {curve}: {reason}.")
    return shown


def _some(names: list[str], notes: list[str]) -> list[str]:
    """At most MOST_PICTURES of them, evenly spaced; that others are left out is noted."""
    if len(names) <= MOST_PICTURES:
        return names
    notes.append(f"The viewer shows {MOST_PICTURES} of {len(names)} pictures, evenly spaced.")
    return [names[i * len(names) // MOST_PICTURES] for i in range(MOST_PICTURES)]


def _layer_views(
    files: Sequence[Measurement],
    names: Sequence[str],
    decoder: Decoder,
    pictures: InsidePage | BesidePage,
    max_bytes: int,
) -> list[Json]:
    """The layers of one stream of each picture: of the first layered curve, in the middle of its settings."""
    layered = [file for file in files if file.codec in LAYERED]
    max_side = None
    if isinstance(pictures, InsidePage) and names:
        pixels = _LAYER_SHARE * max_bytes / len(names) / _LAYER_CHARACTERS
        max_side = min(_LAYER_VIEW_PX, int(pixels**0.5) + 1)
    views = []
    for name in names:
        own = [file for file in layered if (file.picture, file.curve) == (name, layered[0].curve)]
        if own:
            file = sorted(own, key=lambda file: file.prefix_bytes)[len(own) // 2]
            decoded = decoder.layers(file)
            codec = decoder.codec(decoded.header.fingerprint)
            view = layer_view(Path(file.stream).read_bytes(), decoded, codec, pictures, max_side)
            view["facts"] = f"{file.curve}, setting {file.setting:g}: {view['facts']}"
            views.append({"name": name, **view})
    return views


def _viewer(
    files: Sequence[Measurement],
    names: Sequence[str],
    decoder: Decoder,
    original: Callable[[str], np.ndarray | None],
    pictures: InsidePage | BesidePage,
    room: int,
) -> Json:
    """The viewer's data; pictures inside the page get `room` characters."""
    from tqdm import tqdm

    counts = list(_RATE_COUNTS)
    if isinstance(pictures, InsidePage):
        most_files = len(names) * len({file.curve for file in files})
        counts = [n for n in counts if most_pixels(room, most_files * n) >= _LARGE_WINDOW_PIXELS]
    selection = select(files, names, max(counts, default=_RATE_COUNTS[-1]))
    with tqdm(total=_count(selection), desc="report", unit="file", disable=None) as bar:

        def decode(file: Measurement) -> np.ndarray:
            bar.update()
            return decoder.picture(file)

        if isinstance(pictures, BesidePage):
            return viewer_beside(selection, decode, original, pictures)
        room -= _ENTRY_CHARACTERS * (_count(selection) + len(names))
        return viewer_inside(selection, decode, original, pictures, room)


def _count(selection: Selection) -> int:
    return sum(len(unique(curves)) for curves in selection.nearest.values())


def _originals(run: RunData, images: Path | None) -> Callable[[str], np.ndarray | None]:
    """Finds and checks pictures by their names."""
    paths = (
        {}
        if images is None
        else {Path(name).stem: images / Path(name).name for name in run.conditions["picture_files"]}
    )
    digests = {line.picture: line.sha256 for line in run.measurements}

    def original(name: str) -> np.ndarray | None:
        if name not in paths:
            return None
        for upright in (True, False):  # with label maps they were measured as stored
            picture = read_picture(paths[name], upright=upright)
            if array_sha256(picture) == digests[name]:
                return picture
        raise DataError(f"{paths[name]}: not the picture that was measured")

    return original
