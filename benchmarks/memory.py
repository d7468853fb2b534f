"""Memory and seconds that decoding takes, of each stream of a folder: python -m benchmarks.memory FOLDER [options]

Each is decoded by a process of its own; further options go to `dsslic decode`. Prints what the header declares, H x W
x 3 bytes, the peak of the process's memory, and how it ended.
"""

import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from dsslic_jax.codec.stream.container import read_header
from dsslic_jax.errors import StreamError

MIB = 1 << 20


def declared_bytes(path: Path) -> int:
    """Of the picture; 0 where the header is refused."""
    try:
        header = read_header(path.read_bytes())
    except StreamError:
        return 0
    return header.height * header.width * 3


def decoded(path: Path, options: list[str]) -> tuple[float, float, str]:
    """Seconds, peak in MiB, and the last line said."""
    with tempfile.TemporaryDirectory() as folder, open(Path(folder, "said"), "w+b") as said:
        command = [sys.executable, "-m", "dsslic_jax", "decode", str(path), f"{folder}/out.png"]
        began = time.perf_counter()
        process = subprocess.Popen([*command, *options], stdout=said, stderr=said)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        said.seek(0)
        lines = said.read().decode(errors="replace").strip().splitlines()
        last = lines[-1] if lines and process.returncode else "decoded"
    per_unit = 1 if sys.platform == "darwin" else 1024
    return seconds, usage.ru_maxrss * per_unit / MIB, f"{process.returncode}: {last}"


def main() -> None:
    """Prints a line for each stream."""
    folder, *options = sys.argv[1:]
    print(f"own peak {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")
    for path in sorted(Path(folder).glob("*.dsslic")):
        seconds, peak, how = decoded(path, options)
        declared = declared_bytes(path) / MIB
        print(
            f"{path.name:28} declares {declared:6.0f} MiB, takes {peak:6.0f} MiB, {seconds:5.1f} s; {how}"
        )


if __name__ == "__main__":
    main()
