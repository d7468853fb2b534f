"""Trains on a TPU slice of a GKE cluster that has JobSet installed.

    python launch/gke.py [--dry-run] NAME TOPOLOGY IMAGE CLAIM CONFIG WORKDIR [--config.key=value ...]

TOPOLOGY is e.g. v5e:4x4; IMAGE holds a checkout in its working directory, with the package installed for TPUs
(pip install '.[tpu,train]'). CLAIM, a volume claim that many pods may write to, is mounted at /shared; WORKDIR lies
on it. The run goes on from its newest checkpoint, at most --restarts times. --dry-run prints manifest and command;
deleting is left to you.
"""

from __future__ import annotations

import argparse
import json
import math
import shlex
import string
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ACCELERATORS = {
    "v4": "tpu-v4-podslice",
    "v5e": "tpu-v5-lite-podslice",
    "v5p": "tpu-v5p-slice",
    "v6e": "tpu-v6e-slice",
}
CHIPS_OF_A_HOST = 4


def main() -> int:
    """Fills launch/gke.yaml and applies it; kubectl's exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--dry-run", action="store_true")
    parser.add_argument("--restarts", type=int, default=20)
    for name in ("name", "topology", "image", "claim", "config", "workdir"):
        parser.add_argument(name, metavar=name.upper())
    options, settings = parser.parse_known_args()
    if unknown := [setting for setting in settings if not setting.startswith("--config.")]:
        parser.error(f"not of the form --config.key=value: {' '.join(unknown)}")
    try:
        manifest = fill(options, settings)
    except ValueError as error:
        parser.error(str(error))
    command = ["kubectl", "apply", "--filename=-"]
    if options.dry_run:
        print(manifest)
        print(shlex.join(command))
        return 0
    return subprocess.run(command, input=manifest, text=True, check=False, timeout=300).returncode


def fill(options: argparse.Namespace, settings: list[str]) -> str:
    """The manifest. Raises ValueError where the slice or the configuration is not possible."""
    chip, _, topology = options.topology.partition(":")
    lengths = topology.split("x")
    if chip not in ACCELERATORS or not all(n.isdecimal() for n in lengths):
        raise ValueError(f"TOPOLOGY is {', '.join(ACCELERATORS)} and lengths, as in v5e:4x4")
    chips = math.prod(int(n) for n in lengths)
    if chips < CHIPS_OF_A_HOST or chips % CHIPS_OF_A_HOST:
        raise ValueError(f"{topology} is not made of hosts of {CHIPS_OF_A_HOST} chips")
    config = options.config.partition(":")[0]
    if not (ROOT / config).is_file():
        raise ValueError(f"no configuration {config}")
    if urls := [
        given for given in (options.workdir, *settings) if "gs://" in given or "s3://" in given
    ]:
        raise ValueError(f"{urls[0]}: name a folder of the claim, which is mounted in every pod")
    command = ["python", "-m", "dsslic_jax.main", "--distributed"]
    command += [f"--config={options.config}", f"--workdir={options.workdir}", *settings]
    values: dict[str, object] = {
        "NAME": options.name,
        "RESTARTS": options.restarts,
        "HOSTS": chips // CHIPS_OF_A_HOST,
        "ACCELERATOR": ACCELERATORS[chip],
        "TOPOLOGY": topology,
        "IMAGE": options.image,
        "COMMAND": [word.replace("$(", "$$(") for word in command],  # $(X) would be expanded
        "CHIPS_OF_A_HOST": CHIPS_OF_A_HOST,
        "CLAIM": options.claim,
    }
    template = string.Template((ROOT / "launch" / "gke.yaml").read_text())
    return template.substitute({name: json.dumps(value) for name, value in values.items()})


if __name__ == "__main__":
    sys.exit(main())
