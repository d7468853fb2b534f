"""What the picture viewer shows: decoded pictures of each codec at about equal rate, and where they err."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dsslic_jax.evaluate.measuring.store import Measurement
from dsslic_jax.metrics import similarity_db
from dsslic_jax.report.pictures import error_maps
from dsslic_jax.report.pictures.crops import Kept, Window, fit, most_pixels
from dsslic_jax.report.pictures.images import LOSSY_QUALITY, BesidePage, InsidePage, reduced, webp
from dsslic_jax.report.pictures.rates import Selection
from dsslic_jax.report.tables import json_number

Decode = Callable[[Measurement], np.ndarray]  # -> uint8 [H, W, 3]
Original = Callable[[str], np.ndarray | None]  # of a picture's name
Json = dict[str, Any]

OVERVIEW_PX = 160
_MOST_BLOCKS = 256  # of a difference map, along its longer side
_MAP_SHARE = 0.12  # of the room, for difference maps
_MAP_CHARACTERS = 0.6  # of a map's URL for each pixel of a square around it, about
_PLACING_BLOCKS = 64  # of the errors by which windows are placed

_RATE_TEXT = (
    "For every codec the file whose rate comes nearest to the one chosen is shown, with its own rate and quality, "
    "which are of the whole picture. "
)
_INSIDE_TEXT = (
    "To keep this page small it holds a window of each picture, where its coarsest file errs most, coded anew as WebP "
    f"of quality {LOSSY_QUALITY}: do not judge finer differences by it. "
)
_BESIDE_TEXT = "Pictures are whole and exactly as decoded. "
_MAPS_TEXT = (
    "Difference maps are of the whole picture and computed from the decoded pixels themselves."
)
_NO_MAPS_TEXT = "There are no originals and no difference maps: they need the pictures (--images)."


@dataclass(frozen=True)
class _Shown:
    """One picture on its way into the page."""

    entry: Json  # of the picture
    parts_of: Sequence[tuple[Json, str]]  # where the URL of each of `kept.parts` belongs
    kept: Kept

    def place(self, page: InsidePage | BesidePage, window: Window, coded: Sequence[bytes]) -> None:
        """Puts the coded parts, which show `window`, into the page."""
        self.entry["crop"] = [window.left, window.top, window.width, window.height]
        for (entry, key), data in zip(self.parts_of, coded, strict=True):
            entry[key] = page.put(data, "image/webp")


def viewer_inside(
    selection: Selection, decode: Decode, original: Original, page: InsidePage, room: int
) -> Json:
    """What compare.js shows, with windows of the pictures in the page.

    Their URLs get `room` characters. Raises ConfigError where that is not enough.
    """
    before = page.characters
    count = sum(1 + len(unique(curves)) for curves in selection.nearest.values())
    pixels = most_pixels(room, count)
    map_pixels = _MAP_SHARE * max(room, 0) / count / _MAP_CHARACTERS
    blocks = min(_MOST_BLOCKS, int(map_pixels**0.5) + 1)
    files: list[Json] = []
    shown = [
        _show(name, curves, decode, original(name), page, files, blocks, pixels)
        for name, curves in selection.nearest.items()
    ]
    left = room - (page.characters - before)
    for one, fitted in zip(shown, fit([one.kept for one in shown], left), strict=True):
        one.place(page, *fitted)
    return _described(selection, [one.entry for one in shown], files, _INSIDE_TEXT)


def viewer_beside(
    selection: Selection, decode: Decode, original: Original, page: BesidePage
) -> Json:
    """What compare.js shows, with whole pictures beside the page, coded without loss; see `viewer_inside`."""
    files: list[Json] = []
    entries = []
    for name, curves in selection.nearest.items():
        one = _show(name, curves, decode, original(name), page, files, _MOST_BLOCKS)
        one.place(page, one.kept.window, [webp(part, lossless=True) for part in one.kept.parts])
        entries.append(one.entry)
    return _described(selection, entries, files, _BESIDE_TEXT)


def _show(
    name: str,
    curves: Mapping[str, Sequence[Measurement]],
    decode: Decode,
    original: np.ndarray | None,
    page: InsidePage | BesidePage,
    files: list[Json],
    map_blocks: int,
    pixels: float | None = None,
) -> _Shown:
    """Decodes the files of one picture, appends their entries to `files`, and keeps of their pixels what may be shown.

    `pixels`: of a window that is the most there can be room for; None keeps whole pictures.
    """
    own = unique(curves)
    decoded = [decode(file) for file in own.values()]
    by_size = [i for _, i in sorted((file.prefix_bytes, i) for i, file in enumerate(own.values()))]
    reference = decoded[by_size[-1]] if original is None else original
    height, width = reference.shape[:2]
    entries = [_file_entry(file) for file in own.values()]
    index = {stream: len(files) + i for i, stream in enumerate(own)}
    files.extend(entries)
    picture_entry = {
        "name": name,
        "width": width,
        "height": height,
        "overview": page.put(webp(reduced(reference, OVERVIEW_PX)), "image/webp"),
        "original": None,
        "files": {curve: [index[f.stream] for f in nearest] for curve, nearest in curves.items()},
    }
    parts_of: list[tuple[Json, str]] = [(entry, "picture") for entry in entries]
    block = _block(reference, _PLACING_BLOCKS)
    errors = error_maps.block_rms(reference, decoded[by_size[0]], block)
    if original is not None:
        for entry, picture in zip(entries, decoded, strict=True):
            shown_errors = error_maps.block_rms(original, picture, _block(original, map_blocks))
            entry["difference"] = page.put(error_maps.map_png(shown_errors), "image/png")
        decoded.append(original)
        parts_of.append((picture_entry, "original"))
    kept = Kept.of(decoded, errors, block, width * height if pixels is None else pixels)
    return _Shown(picture_entry, parts_of, kept)


def unique(curves: Mapping[str, Sequence[Measurement]]) -> dict[str, Measurement]:
    """The files of all curves, each once, by stream."""
    return {file.stream: file for files in curves.values() for file in files}


def _block(picture: np.ndarray, blocks: int) -> int:
    """Pixels a side of a block, of which the longer side of a picture has at most `blocks`."""
    return -(-max(picture.shape[:2]) // blocks)


def _file_entry(file: Measurement) -> Json:
    similarity = file.metrics.get("ms_ssim")
    return {
        "setting": f"{file.setting:g}",
        "bytes": file.prefix_bytes,
        "bits_per_pixel": file.bits_per_pixel,
        "psnr_rgb_db": json_number(file.metrics.get("psnr_rgb_db")),
        "ms_ssim_db": json_number(None if similarity is None else similarity_db(similarity)),
        "difference": None,
    }


def _described(selection: Selection, entries: list[Json], files: list[Json], text: str) -> Json:
    has_maps = any(entry["original"] for entry in entries)
    return {
        "text": _RATE_TEXT + text + (_MAPS_TEXT if has_maps else _NO_MAPS_TEXT),
        "rates": list(selection.rates),
        "codecs": list(selection.curves),
        "pictures": entries,
        "files": files,
        "scale": {
            "colours": [f"rgb({r},{g},{b})" for r, g, b in error_maps.colours()],
            "ticks": error_maps.ticks(),
        },
    }
