"""Seconds and peak memory to encode and decode a picture, cold and warm, and where the time goes.

    python -m benchmarks.codec_speed --model DIR --picture PNG [--megapixels 100]

`--megapixels` tiles the picture to a 3:2 picture of that size first. Cold is a new process with an empty compilation
cache, imports included; started is a new process with the cache that the cold one filled, both up to the end of their
first run; warm is the second run inside that process, by phase. With `--megapixels` each direction runs once, cold, and
seams are looked for: how much the error of the decoded picture changes across the borders of the residual's tiles, over
how much it does across the other borders of 64 (largest blocks of the residual's coder). Memory is the process's
largest resident size.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from dsslic_jax.bundle.known import model_directory


def main() -> None:
    """Prints a table of both directions."""
    options = _options()
    if options.worker:
        _work(options)
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        picture = _picture(options, folder)
        for worker, source in (("encode", picture), ("decode", folder / "picture.dsslic")):
            for run in ("cold",) if options.megapixels else ("cold", "started"):
                began = time.perf_counter()
                told = _process(options, worker, source, folder)
                seconds = time.perf_counter() - began
                if not options.megapixels:
                    seconds -= told["warm_s"]  # the second run
                phases = ", ".join(f"{name} {s:.2f}" for name, s in told["phases_s"].items())
                print(
                    f"{worker} {run}: {seconds:.2f} s, {told['peak_mib']} MiB; warm {told['warm_s']:.2f} s "
                    f"({phases})",
                    flush=True,
                )
        size = (folder / "picture.dsslic").stat().st_size
        print(
            f"{told['pixels'] / 1e6:.2f} megapixels, {8 * size / told['pixels']:.3f} bits per pixel"
        )
        if options.megapixels:
            rows, columns = seams(picture, folder / "decoded.png")
            print(
                f"change of error at tiles' borders over others': rows {rows:.3f}, columns {columns:.3f}"
            )


def seams(original: Path, decoded: Path) -> tuple[float, float]:
    """Mean change of the error from row to row at borders of tiles over that at other borders of 64; of columns too."""
    import numpy as np

    from dsslic_jax.codec.layers.residual import LOG2_TILE
    from dsslic_jax.pictures.reading import read_picture

    a, b = read_picture(original), read_picture(decoded)
    ratios = []
    for _ in range(2):
        changes: dict[bool, list[float]] = {True: [], False: []}
        for border in range(64, len(a), 64):
            before, after = (a[y].astype(np.int16) - b[y] for y in (border - 1, border))
            changes[border % (1 << LOG2_TILE) == 0].append(float(np.abs(after - before).mean()))
        ratios.append(float(np.mean(changes[True]) / np.mean(changes[False])))
        a, b = a.swapaxes(0, 1), b.swapaxes(0, 1)
    return ratios[0], ratios[1]


def _picture(options: argparse.Namespace, folder: Path) -> Path:
    if options.megapixels is None:
        return Path(options.picture)
    import numpy as np
    from PIL import Image

    from dsslic_jax.pictures.reading import read_picture

    tile = read_picture(Path(options.picture))
    height = round((options.megapixels * 1e6 / 1.5) ** 0.5)
    width = round(1.5 * height)
    rows, columns = np.arange(height) % tile.shape[0], np.arange(width) % tile.shape[1]
    path = folder / "large.png"
    Image.fromarray(tile[rows[:, None], columns]).save(path, compress_level=1)
    return path


def _process(options: argparse.Namespace, worker: str, source: Path, folder: Path) -> dict:
    command = [sys.executable, "-m", "benchmarks.codec_speed", "--worker", worker]
    command += ["--model", str(options.model), "--picture", str(source), "--folder", str(folder)]
    command += ["--megapixels", str(options.megapixels)] if options.megapixels else []
    environment = {**os.environ, "JAX_COMPILATION_CACHE_DIR": str(folder / f"cache-{worker}")}
    done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout)


def _work(options: argparse.Namespace) -> None:
    from dsslic_jax.system import runtime

    runtime.prepare()
    import resource

    from dsslic_jax.bundle import directory as bundle
    from dsslic_jax.codec.codec import Codec
    from dsslic_jax.pictures.files import read_source
    from dsslic_jax.pictures.writing import picture_file
    from dsslic_jax.system.files import write_atomically

    phases = Phases()
    codec = Codec(bundle.load(options.model), progress=phases)
    stream = options.folder / "picture.dsslic"
    for _ in range(1 if options.megapixels else 2):
        phases.begin()
        if options.worker == "encode":
            source = read_source(Path(options.picture))
            pixels = source.pixels.size // 3
            write_atomically(stream, codec.encode(source.pixels))
        else:
            decoded = codec.decode(stream.read_bytes())
            assert decoded.picture is not None
            pixels = decoded.picture.size // 3
            phases("file", 0, 1)
            (options.folder / "decoded.png").write_bytes(
                picture_file("decoded.png", decoded.picture)[0]
            )
        phases.end()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    print(json.dumps({"phases_s": phases.seconds, "warm_s": sum(phases.seconds.values()),
                      "peak_mib": peak, "pixels": pixels}))  # fmt: skip


class Phases:
    """Seconds spent in each phase that a codec names."""

    def begin(self) -> None:
        """Forgets what was before."""
        self.seconds: dict[str, float] = {}
        self._phase, self._since = "picture", time.perf_counter()

    def __call__(self, phase: str, done: int, total: int) -> None:
        """Notes that a phase goes on or begins."""
        now = time.perf_counter()
        self.seconds[self._phase] = self.seconds.get(self._phase, 0) + now - self._since
        self._phase, self._since = phase, now

    def end(self) -> None:
        """Closes the last phase."""
        self(self._phase, 0, 1)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=model_directory, required=True)
    parser.add_argument("--picture", required=True)
    parser.add_argument("--megapixels", type=float)
    parser.add_argument("--worker", choices=("encode", "decode"))
    parser.add_argument("--folder", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    main()
