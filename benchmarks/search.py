"""`dsslic search` in files per second, without an index, building one, and from it.

    python -m benchmarks.search --data DATA [--files 10000] [--folder FOLDER]

DATA holds folders named below in TABLES, each with label maps at */labels/*.png. From them N files are made in a
temporary folder (or FOLDER, kept and used again): crops and mirror images of real maps, coded as JPEG XL at a low
effort, which takes about as many bytes as layer s usually does; layers c and r are random bytes of usual length, since
nothing in a search looks into them.

Each figure is a whole run of the command in a process of its own, its start included. "cold" runs begin after the
files' pages were dropped from the page cache (posix_fadvise); names and inodes stay in the kernel's own caches, so a
first search after a start of the machine is slower. Every run must find the same files.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from dsslic_jax.classes.table import ClassTable, class_table
from dsslic_jax.codec.coders.coder import Context
from dsslic_jax.codec.coders.jxl import Jxl
from dsslic_jax.codec.layers.labels import encode_label_layer
from dsslic_jax.codec.stream import container
from dsslic_jax.pictures.reading import read_label_map

TABLES = {"camvid": "camvid", "coco_stuff": "coco_stuff", "ade_samples": "ade20k"}
EXPRESSION = "car and not person"
REGION = "0,50,100,100"
BITS_PER_PIXEL = {"c": 0.15, "r": 0.5}
PER_FOLDER = 500


class QuickJxl(Jxl):
    """JPEG XL that takes a tenth of the time and a quarter more bytes."""

    def encode(self, picture: np.ndarray, context: Context | None = None) -> bytes:
        """Codes uint8 [H, W] without loss."""
        import imagecodecs

        picture = np.ascontiguousarray(picture)
        return bytes(imagecodecs.jpegxl_encode(picture, effort=2, lossless=True, numthreads=1))


def main() -> None:
    """Makes the files, measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument(
        "--folder", type=Path, help="keep the files here (default: a temporary one)"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary) / "files"
        if not folder.is_dir():
            make_files(options.data, folder, options.files)
        measure(folder, Path(temporary) / "index")


def make_files(data: Path, folder: Path, number: int) -> None:
    """Writes `number` files, PER_FOLDER in a folder, and waits until the disk has them."""
    maps = [
        (path, class_table(table))
        for name, table in TABLES.items()
        for path in sorted((data / name).glob("*/labels/*.png"))
    ]
    if not maps:
        raise SystemExit(f"{data}: no label maps at {' or '.join(TABLES)}/*/labels/*.png")
    rng = np.random.default_rng(0)
    for i in range(number):
        path, table = maps[i % len(maps)]
        place = folder / f"{i // PER_FOLDER:03d}" / f"{i:06d}.dsslic"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(stream(read_label_map(path, table), table, rng))
    os.sync()


def stream(labels: np.ndarray, table: ClassTable, rng: np.random.Generator) -> bytes:
    """A stream with a random crop of a map, mirrored or not."""
    height, width = (int(side * rng.uniform(0.7, 1)) for side in labels.shape)
    top = rng.integers(labels.shape[0] - height + 1)
    left = rng.integers(labels.shape[1] - width + 1)
    part = labels[top : top + height, left : left + width][:, :: int(rng.choice([-1, 1]))]
    header = container.Header(width, height, table, alpha=8, fingerprint=bytes(8))
    lengths = {kind: int(width * height * bits / 8) for kind, bits in BITS_PER_PIXEL.items()}
    payloads = [
        ("s", "jxl", encode_label_layer(part, QuickJxl())),
        ("c", "jxl", rng.bytes(lengths["c"])),
        ("r1", "bpg", rng.bytes(lengths["r"])),
    ]
    return container.write(header, payloads)


def measure(folder: Path, index: Path) -> None:
    """Prints files per second of each way to search."""
    files = sorted(folder.rglob("*.dsslic"))
    size = sum(file.stat().st_size for file in files)
    print(f"{len(files)} files, {size / 1e6:.0f} MB, {os.cpu_count()} cores")
    found = run("without an index, cold", files, folder, cold=True)
    by_index = ("--index", str(index))
    same = [
        run("without an index, again", files, folder),
        run("index built, cold", files, folder, *by_index, cold=True),
        run("from the index", files, folder, *by_index),
    ]
    changed = files[:: max(1, len(files) // 100)]
    for file in changed:
        os.utime(file)
    same.append(run(f"from the index, {len(changed)} files changed", files, folder, *by_index))
    assert all(lines == found for lines in same), "runs found different files"
    run(f"region {REGION}, from the index", files, folder, *by_index, "--region", REGION)


def run(what: str, files: list[Path], folder: Path, *options: str, cold: bool = False) -> str:
    """Runs one search, prints its speed, returns what it printed."""
    if cold:
        drop_pages(files)
    command = [sys.executable, "-m", "dsslic_jax", "search", EXPRESSION, str(folder), *options]
    began = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=3600)
    seconds = time.perf_counter() - began
    matches = done.stdout.count("\n")
    print(f"{what}: {len(files) / seconds:.0f} files/s ({seconds:.2f} s, {matches} matches)")
    return done.stdout


def drop_pages(files: list[Path]) -> None:
    """Drops the files' pages from the page cache."""
    for file in files:
        with file.open("rb") as opened:
            os.posix_fadvise(opened.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


if __name__ == "__main__":
    main()
