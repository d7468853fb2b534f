"""launch/gke.py against a stand-in for kubectl."""

import subprocess
import sys

import pytest
import yaml

from tests.launch.machine import AWKWARD, CONFIG, ROOT, Machine


def gke(machine: Machine, *arguments: str) -> subprocess.CompletedProcess[str]:
    return machine.run(sys.executable, str(ROOT / "launch" / "gke.py"), *arguments)


@pytest.mark.parametrize("words", [("gs://b/run",), ("/run", "--config.data.root=gs://b/set")])
def test_a_bucket_is_refused_where_it_is_typed(words: tuple[str, ...], machine: Machine) -> None:
    machine.add("kubectl")
    done = gke(machine, "ade20k", "v5e:4x4", "registry/image:1", "data", CONFIG, *words)
    assert done.returncode == 2 and "name a folder of the claim" in done.stderr
    assert machine.calls() == []


def test_gke_applies_a_job_with_a_pod_for_each_host_and_unchanged_arguments(
    machine: Machine,
) -> None:
    received = machine.home / "received"
    machine.add("kubectl", f"open({str(received)!r}, 'w').write(sys.stdin.read())")
    slice_and_image = ("ade20k", "v5e:4x4", "registry/image:1", "data")
    done = gke(machine, *slice_and_image, CONFIG, "/shared/a run", *AWKWARD)
    assert done.returncode == 0, done.stderr
    assert machine.calls() == [["kubectl", "apply", "--filename=-"]]
    manifest = yaml.safe_load(received.read_text())
    assert (manifest["kind"], manifest["metadata"]["name"]) == ("JobSet", "ade20k")
    job = manifest["spec"]["replicatedJobs"][0]["template"]["spec"]
    assert (job["parallelism"], job["completions"], job["backoffLimit"]) == (4, 4, 0)
    pod = job["template"]["spec"]
    assert set(pod["nodeSelector"].values()) == {"tpu-v5-lite-podslice", "4x4"}
    container = pod["containers"][0]
    assert container["resources"]["limits"] == {"google.com/tpu": 4}
    # Kubernetes makes of $$( the $( that it would expand otherwise.
    words = [word.replace("$$(", "$(") for word in container["command"]]
    expected = ["python", "-m", "dsslic_jax.main", "--distributed", f"--config={CONFIG}"]
    assert words == [*expected, "--workdir=/shared/a run", *AWKWARD]
    assert "$(id)" not in container["command"][-1].replace("$$(", "")
    dry = gke(machine, "--dry-run", *slice_and_image, CONFIG, "/shared/a run", *AWKWARD)
    assert dry.stdout == f"{received.read_text()}\nkubectl apply --filename=-\n"


@pytest.mark.parametrize(
    ("topology", "config", "settings", "message"),
    [
        ("v9:4x4", CONFIG, [], "TOPOLOGY is v4, v5e, v5p, v6e"),
        ("v5e:1x1", CONFIG, [], "not made of hosts of 4 chips"),
        ("v5e:4x4", "configs/none.py", [], "no configuration configs/none.py"),
        ("v5e:4x4", CONFIG, ["--confg.seed=1"], "not of the form --config.key=value: --confg.seed"),
    ],
)
def test_gke_refuses_what_it_cannot_start(
    topology: str, config: str, settings: list[str], message: str, machine: Machine
) -> None:
    machine.add("kubectl")
    done = gke(machine, "name", topology, "image", "claim", config, "/shared/run", *settings)
    assert done.returncode == 2
    assert message in done.stderr
    assert machine.calls() == []
