"""How far x' and the decoded picture move when a stream is decoded elsewhere than it was encoded.

    python -m benchmarks.agreement --model DIR --images DIR [--quality 30]

Encodes every picture with eight simulated devices (pictures in turn on each), then decodes the files in processes of
one device: all threads, one thread, and networks in bfloat16; and the other way round, encoded in bfloat16. Prints the
largest difference of x' in grey levels, the share of samples that differ, and the change of the decoded picture's PSNR.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

EIGHT_DEVICES = "--xla_force_host_platform_device_count=8"
ONE_THREAD = "--xla_cpu_multi_thread_eigen=false"
# name: (encoder's flags, encoder's precision, decoder's flags, decoder's precision)
CASES = {
    "8 devices to 1": (EIGHT_DEVICES, None, "", None),
    "8 devices to 1 thread": (EIGHT_DEVICES, None, ONE_THREAD, None),
    "float32 to bfloat16": (EIGHT_DEVICES, None, "", "bfloat16"),
    "bfloat16 to float32": ("", "bfloat16", "", None),
}


def main() -> None:
    """Runs every case in processes of its own and prints a table."""
    options = _options()
    if options.worker:
        _work(options)
        return
    print(f"{'case':24}{'max':>6}{'differ':>10}{'mean dB':>10}{'worst dB':>10}")
    with tempfile.TemporaryDirectory() as name:
        for number, (case, (flags, precision, to_flags, to_precision)) in enumerate(CASES.items()):
            folder = Path(name) / str(number)
            folder.mkdir()
            _process(options, "encode", folder, flags, precision)
            _process(options, "decode", folder, to_flags, to_precision)
            largest, differ, mean_db, worst_db = _compare(options, folder)
            print(f"{case:24}{largest:>6}{differ:>10.2e}{mean_db:>10.4f}{worst_db:>10.4f}")


def _process(
    options: argparse.Namespace, worker: str, folder: Path, flags: str, precision: str | None
) -> None:
    environment = {**os.environ, "XLA_FLAGS": flags}
    command = [sys.executable, "-m", "benchmarks.agreement", "--worker", worker]
    command += ["--model", options.model, "--images", options.images, "--folder", str(folder)]
    command += ["--quality", str(options.quality)]
    command += ["--precision", precision] if precision else []
    if ONE_THREAD in flags and hasattr(os, "sched_setaffinity"):
        command = ["taskset", "-c", "0", *command]
    subprocess.run(command, env=environment, check=True)


def _work(options: argparse.Namespace) -> None:
    """Encodes or decodes every picture, leaving the stream, x' and the decoded picture in the folder."""
    from dsslic_jax.system import runtime

    runtime.prepare()
    import dataclasses

    import jax
    import numpy as np

    from dsslic_jax.bundle import directory as bundle
    from dsslic_jax.codec.codec import Codec
    from dsslic_jax.pictures.reading import read_picture

    model = bundle.load(options.model)
    codecs = [Codec(model, precision=options.precision, device=d) for d in jax.local_devices()]
    settings = dataclasses.replace(codecs[0].settings, quality=options.quality)
    for i, path in enumerate(sorted(Path(options.images).glob("*.png"))):
        codec = codecs[i % len(codecs)]
        stream = options.folder / f"{path.stem}.dsslic"
        if options.worker == "encode":
            stream.write_bytes(codec.encode(read_picture(path), settings=settings))
        decoded = codec.decode(stream.read_bytes())
        assert decoded.coarse is not None and decoded.picture is not None
        made = np.stack([decoded.coarse, decoded.picture])
        np.save(options.folder / f"{path.stem}.{options.worker}.npy", made)


def _compare(options: argparse.Namespace, folder: Path) -> tuple[int, float, float, float]:
    import numpy as np

    from dsslic_jax.metrics import psnr_rgb_db
    from dsslic_jax.pictures.reading import read_picture

    largest, differ, samples, changes_db = 0, 0, 0, []
    for path in sorted(Path(options.images).glob("*.png")):
        there, here = (np.load(folder / f"{path.stem}.{w}.npy") for w in ("encode", "decode"))
        apart = np.abs(there[0].astype(int) - here[0])
        largest = max(largest, int(apart.max()))
        differ += int(np.count_nonzero(apart))
        samples += apart.size
        picture = read_picture(path)
        changes_db.append(psnr_rgb_db(picture, here[1]) - psnr_rgb_db(picture, there[1]))
    return largest, differ / samples, float(np.mean(changes_db)), min(changes_db)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True)
    parser.add_argument("--images", required=True)
    parser.add_argument("--quality", type=float, default=30.0)
    parser.add_argument("--precision")
    parser.add_argument("--worker", choices=("encode", "decode"))
    parser.add_argument("--folder", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    main()
