"""The label coder against FLIF, JPEG XL, WebP and PNG: bytes and time on the label maps of four data sets.

    python -m benchmarks.label_coders --data DIR --flif PATH [--limit N] [--repeats 3]

Every coder sees the ranks 0, 1, … of a map's labels, and its output is decoded and compared. A stream's layer s adds
the table of classes and their pixel counts, some 30 bytes, to any of them. Times are processor time on one thread: for
each map the best of `repeats`, after one uncounted run. FLIF runs as a program, so its times hold the program's start.
"""

import argparse
import io
import math
import resource
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import imagecodecs
import numpy as np
from PIL import Image

from dsslic_jax.codec.coders.context.coder import LabelCoder
from dsslic_jax.codec.coders.flif import FLIF
from dsslic_jax.codec.coders.programs.pictures import read_pnm, write_pnm
from dsslic_jax.codec.coders.programs.running import find_program, run_program

SETS = {
    "camvid/test": "camvid/test/labels/*.png",
    "coco_stuff/test": "coco_stuff/test/labels/*.png",
    "cityscapes_samples": "cityscapes_samples/*/labels/*.png",
    "msrc21/test": "msrc21/test/labels/*.png",
}
Encode = Callable[[np.ndarray], bytes]
Decode = Callable[[bytes, tuple[int, ...]], np.ndarray]


def main() -> None:
    """Measures and prints a table for each set."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--flif", required=True)
    parser.add_argument("--limit", type=int, help="maps of each set, evenly spaced")
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    flif = find_program(FLIF, {"flif": options.flif})
    for name, pattern in SETS.items():
        paths = sorted(options.data.glob(pattern))
        count = min(options.limit or len(paths), len(paths))
        maps = [ranks(paths[i * len(paths) // count]) for i in range(count)]
        pixels = sum(labels.size for labels in maps)
        print(f"\n{name}: {len(maps)} maps, {pixels / 1e6:.1f} megapixels")
        print(
            "| coder | bytes | of FLIF | encode ms/Mpixel | decode ms/Mpixel |\n|---|---|---|---|---|"
        )
        flif_bytes = 0
        for coder, (encode, decode) in coders(flif).items():
            repeats = 1 if coder.startswith("FLIF") else options.repeats
            size, *seconds = measure(maps, encode, decode, repeats)
            flif_bytes = flif_bytes or size
            times = " | ".join(f"{1e9 * each / pixels:.0f}" for each in seconds)
            print(f"| {coder} | {size} | {size / flif_bytes:.3f} | {times} |", flush=True)


def ranks(path: Path) -> np.ndarray:
    """A label map with its labels replaced by their ranks, uint8 [H, W]."""
    labels = np.asarray(Image.open(path))
    return np.unique(labels, return_inverse=True)[1].reshape(labels.shape).astype(np.uint8)


def coders(flif: str) -> dict[str, tuple[Encode, Decode]]:
    """What is compared, FLIF first."""
    ours = LabelCoder()
    return {
        "FLIF -E100": (partial(flif_encode, flif), partial(flif_decode, flif)),
        "context (ours)": (ours.encode, ours.decode),
        "JPEG XL effort 7": (partial(jxl_encode, 7), jxl_decode),
        "JPEG XL effort 9": (partial(jxl_encode, 9), jxl_decode),
        "WebP lossless": (webp_encode, webp_decode),
        "PNG optimised": (png_encode, png_decode),
    }


def measure(
    maps: list[np.ndarray], encode: Encode, decode: Decode, repeats: int
) -> tuple[int, float, float]:
    """Total bytes, and best seconds to encode and to decode. Ends the program where a map is lost."""
    size, encoding, decoding = 0, 0.0, 0.0
    decode(encode(maps[0]), maps[0].shape)
    for labels in maps:
        data = encode(labels)
        if not np.array_equal(decode(data, labels.shape), labels):
            raise SystemExit("a coder did not give back the map it coded")
        size += len(data)
        encoding += min(seconds(partial(encode, labels)) for _ in range(repeats))
        decoding += min(seconds(partial(decode, data, labels.shape)) for _ in range(repeats))
    return size, encoding, decoding


def seconds(run: Callable[[], object]) -> float:
    """Processor time of one call, with the programs that it ran."""
    began = processor_seconds()
    run()
    return processor_seconds() - began


def processor_seconds() -> float:
    """Of this process and the finished ones that it started."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def flif_encode(flif: str, labels: np.ndarray) -> bytes:
    """FLIF's best effort, interlaced as it is by default."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "in.pgm").write_bytes(write_pnm(labels))
        arguments = ["-e", "-E100", str(folder / "in.pgm"), str(folder / "out.flif")]
        return run_program("flif", flif, arguments, folder, labels.size, "out.flif")[0].read_bytes()


def flif_decode(flif: str, data: bytes, shape: tuple[int, ...]) -> np.ndarray:
    """The map in a FLIF file."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "in.flif").write_bytes(data)
        arguments = ["-d", str(folder / "in.flif"), str(folder / "out.pgm")]
        written, _ = run_program("flif", flif, arguments, folder, math.prod(shape), "out.pgm")
        return read_pnm(written.read_bytes())


def jxl_encode(effort: int, labels: np.ndarray) -> bytes:
    """Bare lossless JPEG XL codestream."""
    encode = partial(imagecodecs.jpegxl_encode, lossless=True, usecontainer=False, numthreads=1)
    return bytes(encode(labels, effort=effort))


def jxl_decode(data: bytes, shape: tuple[int, ...]) -> np.ndarray:
    """The map in a JPEG XL codestream."""
    return imagecodecs.jpegxl_decode(data, numthreads=1, out=np.empty(shape, np.uint8))


def webp_encode(labels: np.ndarray) -> bytes:
    """WebP has no grey pictures: three equal channels, which it stores as one."""
    file = io.BytesIO()
    picture = Image.fromarray(labels).convert("RGB")
    picture.save(file, "WEBP", lossless=True, quality=100, method=6)
    return file.getvalue()


def webp_decode(data: bytes, _: tuple[int, ...]) -> np.ndarray:
    """The first channel of a WebP file."""
    return np.asarray(Image.open(io.BytesIO(data)))[..., 0]


def png_encode(labels: np.ndarray) -> bytes:
    """Grey PNG as small as Pillow makes it."""
    file = io.BytesIO()
    Image.fromarray(labels).save(file, "PNG", optimize=True)
    return file.getvalue()


def png_decode(data: bytes, _: tuple[int, ...]) -> np.ndarray:
    """The map in a grey PNG."""
    return np.asarray(Image.open(io.BytesIO(data)))


if __name__ == "__main__":
    main()
