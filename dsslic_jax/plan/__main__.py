"""Plans a run: python -m dsslic_jax.plan --config=configs/X.py --topology=v5e:8x8 [--json]

Compiles the train step of a configuration for a slice that need not be there and prints what a chip needs and does, how
long a step should take, and the largest batch that fits. Any key can be set, e.g. --config.train.batch_size=512.
"""

import argparse
import sys
from collections.abc import Sequence

from dsslic_jax.errors import DsslicError
from dsslic_jax.plan import environment
from dsslic_jax.plan.chips import known_topologies, parse_slice
from dsslic_jax.system import extras

with extras.remedy_told():
    from absl import app, flags
    from ml_collections import config_flags

    from dsslic_jax.system.command_line import parse_flags

_CONFIG = config_flags.DEFINE_config_file("config", None, "training configuration (configs/*.py)")
_TOPOLOGY = flags.DEFINE_string("topology", None, f"what to plan for: {known_topologies()}")
_JSON = flags.DEFINE_bool("json", False, "print one JSON object")
_EFFORT = flags.DEFINE_enum(
    "effort", "O0", environment.EFFORTS, "of the TPU compiler; O2 takes it several times as long"
)
_ATTAINED = flags.DEFINE_float(
    "attained", 0.5, "share of the published peaks that steps are expected to reach", 0.01, 1.0
)
_LARGEST = flags.DEFINE_bool("largest_batch", True, "search for the largest batch that fits")


def main(arguments: Sequence[str]) -> None:
    """Prints a plan."""
    if len(arguments) > 1:
        raise app.UsageError(f"unexpected arguments: {' '.join(arguments[1:])}")
    from dsslic_jax.plan.planning import make_plan
    from dsslic_jax.plan.report import as_json, as_text
    from dsslic_jax.train.tasks.registry import make_task

    try:
        where, task = parse_slice(str(_TOPOLOGY.value)), make_task(_CONFIG.value)
        plan = make_plan(task, where, _ATTAINED.value, _LARGEST.value)
    except DsslicError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
    print(as_json(plan) if _JSON.value else as_text(plan))


def _parse_flags(arguments: Sequence[str]) -> list[str]:
    """Sets up the process for the slice first: reading the configuration imports jax."""
    known = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    known.add_argument("--topology", default="")
    known.add_argument("--effort", default="O0")
    options, _ = known.parse_known_args(arguments[1:])
    if options.topology:
        try:
            environment.prepare(parse_slice(options.topology), options.effort)
        except DsslicError as error:
            print(f"error: {error}", file=sys.stderr)
            sys.exit(1)
    return parse_flags(arguments)


if __name__ == "__main__":
    flags.mark_flags_as_required(["config", "topology"])
    app.run(main, flags_parser=_parse_flags)
