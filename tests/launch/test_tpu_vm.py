"""launch/tpu_vm.sh against stand-ins: what is run on Cloud TPU VMs, with which words, when."""

import shlex
import shutil
from typing import Any

import pytest

from tests.launch.machine import AWKWARD, CONFIG, ROOT, Machine, words_after

pytestmark = pytest.mark.skipif(
    shutil.which("git") is None or not (ROOT / ".git").exists(), reason="not a git checkout"
)


def tpu_vm(machine: Machine, *arguments: str, said: str = "") -> Any:
    return machine.run("bash", str(ROOT / "launch" / "tpu_vm.sh"), *arguments, said=said)


# Runs what is to be run on the workers here, in a home directory that has what `install` would bring.
WORKER = """
if sys.argv[4] == "ssh":
    command = next(a for a in sys.argv if a.startswith("--command=")).removeprefix("--command=")
    sys.exit(subprocess.run(["bash", "-c", command], cwd=os.environ["HOME"]).returncode)
"""


@pytest.mark.parametrize("words", [("gs://b/run",), ("/run", "--config.data.root=gs://b/set")])
def test_a_bucket_is_refused_before_anything_is_rented(
    words: tuple[str, ...], machine: Machine
) -> None:
    machine.add("gcloud")
    done = tpu_vm(machine, "watch", "vm", "zone-a", "v5litepod-16", CONFIG, *words)
    assert done.returncode == 1 and "mount a bucket there with --setup" in done.stderr
    assert machine.calls() == []


def test_a_dry_run_prints_every_command_with_its_arguments_quoted(machine: Machine) -> None:
    machine.add("gcloud")
    done = tpu_vm(machine, "--dry-run", "my vm", "zone-a", CONFIG, "/mnt/run", *AWKWARD)
    assert done.returncode == 0, done.stderr
    copy, install, train = done.stdout.splitlines()
    assert shlex.split(copy)[:5] == ["gcloud", "compute", "tpus", "tpu-vm", "scp"]
    assert "my vm:dsslic_jax.tar.gz" in shlex.split(copy)
    assert shlex.split(install)[-1].endswith("--editable '.[tpu,train]'")
    remote = next(a for a in shlex.split(train) if a.startswith("--command="))
    assert words_after(remote, "--workdir=/mnt/run")[: len(AWKWARD)] == AWKWARD
    assert "--distributed" in shlex.split(remote)
    assert machine.calls() == []


def test_arguments_reach_the_training_process_on_a_worker_unchanged(machine: Machine) -> None:
    machine.add("gcloud", WORKER)
    machine.add("python", folder=machine.home / "dsslic_jax" / ".venv" / "bin")
    done = tpu_vm(machine, "run", "vm", "zone", CONFIG, "/mnt/a run", *AWKWARD)
    assert done.returncode == 0, done.stderr
    assert "training ended with status 0" in done.stdout
    expected = ["-m", "dsslic_jax.main", "--distributed", f"--config={CONFIG}"]
    assert machine.calls()[-1] == ["python", *expected, "--workdir=/mnt/a run", *AWKWARD]


def test_installing_unpacks_this_commit_and_makes_an_environment(machine: Machine) -> None:
    unpack = (
        "if sys.argv[4] == 'scp':\n"
        "    import shutil; shutil.copy(sys.argv[5], os.environ['HOME'] + '/dsslic_jax.tar.gz')\n"
    )
    machine.add("gcloud", unpack + WORKER)
    machine.add("python3")
    machine.add("uv")
    done = tpu_vm(machine, "--setup", "touch 'mounted here'", "install", "vm", "zone")
    assert done.returncode == 0, done.stderr
    assert (machine.home / "dsslic_jax" / "launch" / "tpu_vm.sh").is_file()
    assert (machine.home / "mounted here").is_file()
    assert [call[:3] for call in machine.calls() if call[0] != "gcloud"] == [
        ["python3", "-m", "pip"],
        ["uv", "venv", "--quiet"],
        ["uv", "pip", "install"],
    ]


@pytest.mark.parametrize(
    ("options", "accelerator", "expected"),
    [
        ([], "v5litepod-16", "tpu-vm create vm --zone=z --accelerator-type=v5litepod-16 --version=v2-alpha-tpuv5-lite"),
        (["--spot"], "v5p-8", "tpu-vm create vm --zone=z --accelerator-type=v5p-8 --version=v2-alpha-tpuv5 --spot"),
        (
            ["--spot", "--queued"],
            "v6e-4",
            "queued-resources create vm --node-id=vm --zone=z --accelerator-type=v6e-4 "
            "--runtime-version=v2-alpha-tpuv6e --spot",
        ),
        (["--runtime", "own image"], "v9-1", "tpu-vm create vm --zone=z --accelerator-type=v9-1 '--version=own image'"),
    ],
)  # fmt: skip
def test_a_slice_is_created_as_asked(
    options: list[str], accelerator: str, expected: str, machine: Machine
) -> None:
    machine.add("gcloud")
    assert tpu_vm(machine, *options, "create", "vm", "z", accelerator).returncode == 0
    assert machine.calls() == [["gcloud", "compute", "tpus", *shlex.split(expected)]]


def test_results_are_fetched_from_the_first_worker(machine: Machine) -> None:
    machine.add("gcloud")
    assert tpu_vm(machine, "fetch", "vm", "z", "/mnt/a run/model", "my model").returncode == 0
    expected = ["scp", "--recurse", "vm:/mnt/a run/model", "my model", "--zone=z", "--worker=0"]
    assert machine.calls() == [["gcloud", "compute", "tpus", "tpu-vm", *expected]]


@pytest.mark.parametrize(
    ("options", "said", "deleted"),
    [
        ([], "", False),
        ([], "yes\n", False),
        ([], "vm\n", True),
        (["--confirm", "other"], "", False),
        (["--confirm", "vm"], "", True),
    ],
)
def test_nothing_is_deleted_unless_its_name_is_said_again(
    options: list[str], said: str, deleted: bool, machine: Machine
) -> None:
    machine.add("gcloud")
    done = tpu_vm(machine, *options, "delete", "vm", "z", said=said)
    assert (done.returncode == 0) == deleted
    expected = ["gcloud", "compute", "tpus", "tpu-vm", "delete", "vm", "--zone=z", "--quiet"]
    assert machine.calls() == ([expected] if deleted else [])


def cloud(machine: Machine, states: list[str], endings: list[int]) -> None:
    """A gcloud whose slice is in one state after the other, and whose runs end with one status after the other."""
    for name, values in (("states", states), ("endings", endings)):
        (machine.home / name).write_text("\n".join(map(str, values)))
    machine.add(
        "gcloud",
        "def following(name):\n"
        f"    path = {str(machine.home)!r} + '/' + name\n"
        "    first, *rest = open(path).read().split('\\n')\n"
        "    open(path, 'w').write('\\n'.join(rest or [first]))\n"
        "    return first\n"
        "if sys.argv[4] == 'list':\n"
        "    print(following('states'))\n"
        "if sys.argv[4] == 'ssh' and 'dsslic_jax.main' in sys.argv[-1]:\n"
        "    status = following('endings')\n"
        "    print('training ended with status', status)\n"
        "    sys.exit(1 if status != '0' else 0)",  # gcloud tells no more than that something failed
    )


def done_to_the_slice(machine: Machine) -> list[str]:
    verbs = [call[4] for call in machine.calls()]
    trains = ["dsslic_jax.main" in call[-1] for call in machine.calls()]
    names = {"scp": "copy", "ssh": "install"}
    found = [
        "train" if train else names.get(verb, verb)
        for verb, train in zip(verbs, trains, strict=True)
    ]
    return [verb for verb in found if verb not in ("copy", "list")]


WATCH = ("watch", "vm", "z", "v5litepod-16", CONFIG, "/mnt/run")


def test_watching_starts_again_after_a_slice_was_taken_away(machine: Machine) -> None:
    # Not there; ready; crashes as it is taken away; gone; not there; ready; trains to the end.
    states = ["", "CREATING", "READY", "PREEMPTED", "PREEMPTED", "", "READY"]
    cloud(machine, states, [134, 0])
    done = tpu_vm(machine, "--recreate", "--spot", *WATCH)
    assert done.returncode == 0, done.stderr
    expected = ["create", "install", "train", "delete", "create", "install", "train"]
    assert done_to_the_slice(machine) == expected


def test_watching_deletes_nothing_unless_told(machine: Machine) -> None:
    cloud(machine, ["PREEMPTED"], [0])
    done = tpu_vm(machine, *WATCH)
    assert done.returncode == 1
    assert "--recreate" in done.stderr
    assert done_to_the_slice(machine) == []


@pytest.mark.parametrize(
    ("endings", "status", "starts"),
    [
        ([75, 0], 0, 2),  # stopped by a signal: goes on
        ([1], 1, 1),  # a mistake is not repeated
        ([70], 1, 3),  # crashes are, twice here
    ],
)
def test_watching_starts_again_what_may_go_on(
    endings: list[int], status: int, starts: int, machine: Machine
) -> None:
    cloud(machine, ["READY"], endings)
    assert tpu_vm(machine, "--restarts", "2", *WATCH).returncode == status
    assert done_to_the_slice(machine).count("train") == starts


def test_a_queued_slice_is_watched_by_the_state_of_its_request(machine: Machine) -> None:
    cloud(machine, ["", "WAITING_FOR_RESOURCES", "ACTIVE", "SUSPENDED", "", "ACTIVE"], [75, 0])
    done = tpu_vm(machine, "--queued", "--spot", "--recreate", *WATCH)
    assert done.returncode == 0, done.stderr
    kinds = {call[3] for call in machine.calls() if call[4] in ("list", "create", "delete")}
    assert kinds == {"queued-resources"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("vm",), "NAME ZONE CONFIG WORKDIR"),
        (("watch", "vm", "z", "v5litepod-16", CONFIG), "NAME ZONE CONFIG WORKDIR"),
        (("--unknown", "create", "vm", "z", "v4-8"), "NAME ZONE CONFIG WORKDIR"),
        (("vm", "z", "configs/none.py", "/mnt/run"), "no configuration configs/none.py"),
        (("create", "vm", "z", "v9-1"), "no software image is known for accelerator v9-1"),
    ],
)
def test_a_bad_call_is_refused_before_anything_is_run(
    arguments: tuple[str, ...], message: str, machine: Machine
) -> None:
    machine.add("gcloud")
    done = tpu_vm(machine, *arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert machine.calls() == []
