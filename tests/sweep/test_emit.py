"""Files of jobs: each is read back as its scheduler reads it, and the commands in it run."""

import inspect
import json
import os
import re
import shlex
import subprocess
import sys

import pytest
import yaml
from random_models import write_pairs
from sweeps import rejection

from rewardbench.cli.main import main
from rewardbench.errors import InputError
from rewardbench.settings import ModelSpec
from rewardbench.store import LocalStore
from rewardbench.sweep import PlanLists, build_plan
from rewardbench.sweep.emit import TARGETS, emit
from rewardbench.sweep.emit.resources import read_resources
from rewardbench.sweep.emit.yaml_text import dump_yaml

DATA = "my 'pairs' é $HOME \"$(x)\" $$.jsonl"
LABEL = "line one\nline `two` \\ END_OF_REWARDBENCH_JOB"
VALUE = "a 'b' \"c\" $(d) $$ ü"
OPTIONS = {
    "slurm": {"partition": "gpu"},
    "skypilot": {"infra": "aws", "use_spot": True, "file_mounts": {"/shared": "s3://bucket"}},
    "hf-jobs": {"volume": "hf://buckets/org/sweep:/sweep"},
    "k8s": {"claim": "shared"},
}
SBATCH_OPTIONS = set(
    """account acctg-freq array batch bb bbf begin chdir cluster-constraint clusters comment constraint container
    contiguous core-spec cores-per-socket cpu-freq cpus-per-gpu cpus-per-task deadline delay-boot dependency
    distribution error exclude exclusive export export-file extra extra-node-info get-user-env gid gpu-bind gpu-freq
    gpus gpus-per-node gpus-per-socket gpus-per-task gres gres-flags help hint hold ignore-pbs input job-name
    kill-on-invalid-dep licenses mail-type mail-user mcs-label mem mem-bind mem-per-cpu mem-per-gpu mincpus network
    nice no-kill no-requeue nodefile nodelist nodes ntasks ntasks-per-core ntasks-per-gpu ntasks-per-node
    ntasks-per-socket oom-kill-step open-mode output overcommit oversubscribe parsable partition power prefer priority
    profile propagate qos quiet reboot requeue reservation resv-ports segment signal sockets-per-node spread-job
    stepmgr switches test-only thread-spec threads-per-core time time-min tmp tres-bind tres-per-task uid use-min-nodes
    verbose version wait wait-all-nodes wckey wrap""".split()
)
"""Long options of sbatch, by its manual."""
SKYPILOT_FIELDS = {"name", "workdir", "num_nodes", "resources", "envs", "secrets", "file_mounts", "setup", "run"}


def build(target, models, shards=None, **jobs):
    """Return the job and the text of a target."""
    values = {"setup": [], "environment": {"TEXT": VALUE}, "secrets": ["HF_TOKEN"], target: OPTIONS[target], **jobs}
    plan = build_plan(PlanLists(models, datasets=[DATA], defaults={"limit": 4, "device": "cpu"}, jobs=values))
    return emit(plan, target, shards)


class Machine:
    """A shell whose `rewardbench`, `sbatch` and `hf` record their arguments and standard input."""

    def __init__(self, folder):
        self.bin, self.calls = folder / "bin", folder / "calls"
        self.bin.mkdir()
        self.calls.mkdir()
        for name in ("rewardbench", "sbatch", "hf", "find"):
            self.write_tool(name)

    def write_tool(self, name):
        output = {"rewardbench": "", "find": "seq 99"}.get(name, 'echo "$number"')
        source = "cat > $record.input" if name == "sbatch" else ":"
        (self.bin / name).write_text(
            f"#!/bin/bash\nnumber=$(ls {self.calls}/*.argv 2>/dev/null | wc -l)\n"
            f'record={self.calls}/$(printf %03d "$number")\nprintf "%s\\0" {name} "$@" > $record.argv\n'
            f'printf "%s\\0" "$TEXT" "$REWARDBENCH_CACHE" > $record.env\n{source}\n{output}\n'
        )
        (self.bin / name).chmod(0o755)

    def bash(self, script, **environment):
        """Run a script; return the recorded calls of rewardbench, or of the tools that submit."""
        for path in self.calls.iterdir():
            path.unlink()
        environment = {"PATH": f"{self.bin}:{os.environ['PATH']}", "HF_TOKEN": "secret-value", **environment}
        (self.bin / "script").write_text(script)
        process = subprocess.run(["bash", self.bin / "script"], env=environment, capture_output=True, text=True)
        self.code = process.returncode
        calls = [path.read_text().split("\0")[:-1] for path in sorted(self.calls.glob("*.argv"))]
        return [call for call in calls if call[0] != "find"]

    def input(self, number):
        return (self.calls / f"{number:03}.input").read_text()

    def environment(self):
        return [tuple(path.read_text().split("\0")[:-1]) for path in sorted(self.calls.glob("*.env"))]


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path)


def directives(script):
    """Return the options of the #SBATCH lines, which all come before the first command."""
    lines = script.splitlines()
    assert lines[0] == "#!/bin/bash"
    options = {}
    for line in lines[1:]:
        if not line.startswith("#SBATCH "):
            break
        name, _, value = line.removeprefix("#SBATCH --").partition("=")
        assert name in SBATCH_OPTIONS
        assert not re.search(r"\s", value)
        options[name] = value
    assert script.count("#SBATCH") == len(options)
    return options


def expand(text):
    """Expand a value as Kubernetes does: `$$` is `$`; a reference would be replaced."""
    assert not re.search(r"(?<!\$)(?:\$\$)*\$\(", text)
    return text.replace("$$", "$")


def slurm_calls(text, machine):
    """Return the commands and the variables of each task, and the commands of the merge."""
    submissions = machine.bash(text)
    scripts = [machine.input(number) for number in range(len(submissions))]
    commands, variables = [], []
    merge = scripts.pop() if "--dependency" in " ".join(submissions[-1]) else "exit 0"
    for script in scripts:
        first, last = map(int, directives(script)["array"].split("-"))
        for index in range(first, last + 1):
            commands += machine.bash(script, SLURM_ARRAY_TASK_ID=str(index))
            variables += machine.environment()
        machine.bash(script, SLURM_ARRAY_TASK_ID=str(last + 1))
        assert machine.code == 2
    return commands, variables, machine.bash(merge)


def skypilot_calls(text, machine):
    task = yaml.safe_load(text)
    assert task.keys() <= SKYPILOT_FIELDS
    assert task["secrets"] == {"HF_TOKEN": None}
    count = int(re.search(r"--num-jobs (\d+)", text)[1])
    return indexed_calls([(task["run"], "SKYPILOT_JOB_RANK", count, task["envs"])], machine)


def kubernetes_calls(text, machine):
    scripts = []
    for manifest in yaml.safe_load_all(text):
        assert (manifest["apiVersion"], manifest["kind"]) == ("batch/v1", "Job")
        (container,) = manifest["spec"]["template"]["spec"]["containers"]
        values = {entry["name"]: expand(entry["value"]) for entry in container["env"] if "value" in entry}
        assert container["env"][-1]["valueFrom"] == {"secretKeyRef": {"name": "rewardbench", "key": "HF_TOKEN"}}
        script = expand(container["command"][2])
        scripts.append((script, "JOB_COMPLETION_INDEX", manifest["spec"]["completions"], values))
    return indexed_calls(scripts, machine)


def indexed_calls(scripts, machine):
    commands, variables, merges = [], [], []
    for script, name, count, values in scripts:
        for index in range(count):
            calls = machine.bash(script, **values, **{name: str(index)})
            commands.append(calls[0])
            variables.append(machine.environment()[0])
            merges += [call for call in calls[1:] if call not in merges]
        machine.bash(script, **{name: str(count)})
        assert machine.code == 2
    return commands, variables, merges


def hf_calls(text, machine):
    commands, variables, merges = [], [], []
    submissions = [call for call in machine.bash(text) if call[2] == "run"]
    for call in submissions:
        split = call.index("--")
        assert call[split - 1] == "python:3.12"
        assert call[split + 1 : split + 3] == ["bash", "-c"]
        name, value = call[call.index("--env") + 1].split("=", 1)
        assert call[call.index("--secrets") + 1] == "HF_TOKEN"
        calls = machine.bash(call[-1], **{name: value})
        if calls[0][1] == "merge":
            merges += calls
        else:
            commands += calls
            variables += machine.environment()
    return commands, variables, merges


READERS = {"slurm": slurm_calls, "skypilot": skypilot_calls, "hf-jobs": hf_calls, "k8s": kubernetes_calls}


@pytest.mark.parametrize("target", TARGETS)
def test_every_value_reads_back_equal(target, machine):
    models = ["tiny-rm", {"model": "tiny-rm", "label": LABEL}]
    job, text = build(target, models, shards=2)
    commands, variables, merges = READERS[target](text, machine)
    assert [tuple(command) for command in commands] == [task.command for task in job.tasks]
    assert variables == [(VALUE, task.cache) for task in job.tasks]
    assert [tuple(merge) for merge in merges] == [merge.command for merge in job.merges.values()]
    assert len({task.cache for task in job.tasks}) == 4
    shards = [command[command.index("--shard") + 1] for command in commands]
    assert shards == ["0/2", "1/2"] * 2
    assert {command[command.index("--dataset") + 1] for command in commands} == {DATA}
    assert commands[2][commands[2].index("--label") + 1] == LABEL
    assert "secret-value" not in text


@pytest.mark.parametrize("target", TARGETS)
def test_a_shard_of_each_file_runs_here(target, machine, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    write_pairs(tmp_path / DATA, 6)
    _, text = build(target, ["tiny-rm"], shards=2)
    commands, variables, (merge,) = READERS[target](text, machine)
    monkeypatch.setenv("REWARDBENCH_CACHE", variables[0][1])
    for command in commands if target == "slurm" else commands[:1]:
        run(command)
        assert (tmp_path / variables[0][1]).is_file()
    assert len(list((tmp_path / "results").rglob("*.shard"))) == (2 if target == "slurm" else 1)
    if target == "slurm":
        run(merge)
        store = LocalStore(tmp_path / "results")
        (key,) = store.list()
        assert len(store.get(key).items) == 4


def run(command):
    with pytest.raises(SystemExit) as stop:
        main(command[1:])
    assert stop.value.code == 0


def test_slurm_arrays_have_equal_resources_and_the_merge_waits(machine):
    models = ["tiny-rm", {"model": "org/x-70B", "device": "cuda", "resources": {"time": "2d", "accelerator": "h100"}}]
    job, text = build("slurm", models, shards=2)
    submissions = machine.bash(text)
    small, large, merge = (directives(machine.input(number)) for number in range(3))
    assert subprocess.run(["bash", "-n"], input=text, text=True).returncode == 0
    assert [call[1:] for call in submissions] == [
        *[["--parsable"]] * 2,
        ["--parsable", "--dependency=afterany:0:1"],
    ]
    assert (small["array"], small["time"], small["partition"], small["requeue"]) == ("0-1", "4:00:00", "gpu", "")
    assert (large["gpus-per-node"], large["time"], large["mem"]) == ("h100:4", "48:00:00", "210G")
    assert "gpus-per-node" not in {**small, **merge}
    assert job.tasks[2].command[-2:] == ("--shard", "0/2")
    assert "--device_map" in job.tasks[2].command
    machine.bash(text, HF_TOKEN="")
    assert machine.code != 0


def test_the_script_of_an_indexed_job_is_an_argument_that_linux_accepts():
    _, text = build("k8s", [f"org/rm-{number}" for number in range(201)])
    manifests = list(yaml.safe_load_all(text))
    assert [manifest["spec"]["completions"] for manifest in manifests] == [100, 100, 1]
    for manifest in manifests:
        script = manifest["spec"]["template"]["spec"]["containers"][0]["command"][2]
        assert len(script.encode()) < 128 * 1024


def test_long_arrays_are_divided(machine):
    job, text = build("slurm", [f"org/rm-{number}" for number in range(1001)])
    submissions = machine.bash(text)
    arrays = [directives(machine.input(number))["array"] for number in range(len(submissions))]
    assert (arrays, len(job.tasks), job.merges) == (["0-999", "0-0"], 1001, {})


def test_an_indexed_job_is_valid_by_the_schema_of_kubernetes():
    validate = pytest.importorskip("kubernetes_validate", reason="pip install kubernetes-validate")
    _, text = build("k8s", ["tiny-rm", {"model": "org/x-8b", "device": "cuda"}], shards=2)
    manifests = list(yaml.safe_load_all(text))
    for manifest in manifests:
        validate.validate(manifest, validate.latest_version(), strict=True)
    assert manifests[1]["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] == "1"


def test_the_command_line_of_hugging_face_jobs_accepts_the_job(machine):
    from huggingface_hub import run_job

    if not {"attempts", "name", "volumes"} <= inspect.signature(run_job).parameters.keys():
        pytest.skip("huggingface_hub is older than the options of these jobs")
    _, text = build("hf-jobs", [{"model": "org/x-70B", "device": "cuda"}])
    (call,) = machine.bash(text)
    call[call.index("--quiet")] = "--dry-run"
    process = subprocess.run(
        [sys.executable, "-m", "huggingface_hub.cli.hf", *call[1:]],
        env={**os.environ, "HF_TOKEN": "none"},
        capture_output=True,
        text=True,
    )
    assert process.returncode == 0, process.stderr
    assert "Job not submitted" in process.stdout + process.stderr
    assert "a100x4" in process.stdout


@pytest.mark.parametrize(
    "text", [VALUE, LABEL, "a: b # c", "on", "1e3", "- x", " a \n b\t\n", "\x85\u2028\r\n", "é\u0301"]
)
def test_texts_read_back_equal_from_yaml(text):
    assert yaml.safe_load(dump_yaml({"key": [text]})) == {"key": [text]}


def test_resources_follow_the_plan_or_the_size_in_the_name():
    large = read_resources({}, ModelSpec("org/RM-70B"))
    assert (large.gpus, large.cpus, large.memory, large.time, large.shards) == (4, 32, 210, 240, 1)
    values = {"gpus": 2, "memory": "64GB", "time": "90m", "shards": 3}
    small = read_resources(values, ModelSpec("org/RM-8b"))
    assert (small.gpus, small.cpus, small.memory, small.time, small.shards) == (2, 16, 64, 90, 3)
    assert read_resources({}, ModelSpec("baseline/longest")).gpus == 0


def test_the_plan_has_resources_and_options_of_jobs(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    plan = {
        "output_dir": "/shared/results",
        "resources": {"time": "1h"},
        "jobs": {"name": "rm", "cache": "s3://bucket/cache", "k8s": {"claim": "shared"}},
        "models": [{"model": "tiny-rm", "resources": {"gpus": 2, "shards": 3}}],
        "datasets": ["core", {"dataset": "core-hard", "resources": {"time": "2h"}}],
    }
    (tmp_path / "plan.yaml").write_text(json.dumps(plan))
    run(["rewardbench", "sweep", "plan.yaml", "--emit", "k8s", "--output", "my jobs.yaml"])
    output = capfd.readouterr().out
    assert "tasks=6\nmerges=2\nsubmit=kubectl apply -f 'my jobs.yaml'\n" in output
    first, second = yaml.safe_load_all((tmp_path / "my jobs.yaml").read_text())
    assert (first["metadata"]["name"], second["metadata"]["name"]) == ("rm-0", "rm-1")
    for manifest, seconds in ((first, 3600), (second, 7200)):
        assert manifest["spec"]["template"]["spec"]["activeDeadlineSeconds"] == seconds
        assert manifest["spec"]["completions"] == 3
        script = manifest["spec"]["template"]["spec"]["containers"][0]["command"][2]
        assert "REWARDBENCH_CACHE=s3://bucket/cache\n" in script
        assert "pip install rewardbench==" in script
        assert shlex.join(["--output_dir", "/shared/results"]) in script


@pytest.mark.parametrize(
    ("target", "models", "jobs", "message"),
    [
        ("slurm", ["tiny-rm"], {"slurm": {"partition": "a b"}}, "partition of slurm is 'a b', which a #SBATCH line"),
        ("slurm", ["tiny-rm"], {"slurm": {"partitions": "a"}}, "no key 'partitions': did you mean partition"),
        ("slurm", ["tiny-rm"], {"setpu": []}, "no key 'setpu': did you mean setup"),
        ("slurm", ["tiny-rm"], {"name": "my job"}, "name of jobs is 'my job'"),
        (
            "slurm",
            ["tiny-rm"],
            {"environment": {"HF_TOKEN": "x"}},
            "the value of HF_TOKEN: list its name under secrets",
        ),
        ("slurm", ["tiny-rm"], {"secrets": ["hf_1 x"]}, "names of environment variables, not their values"),
        ("slurm", [{"model": "m", "resources": {"gpu": 1}}], {}, "'gpu', which is not a resource: did you mean gpus"),
        ("slurm", [{"model": "m", "resources": {"time": 3}}], {}, "time of m is 3: write minutes"),
        ("slurm", [{"model": "m", "resources": {"memory": "x"}}], {}, "memory of m is 'x'"),
        ("skypilot", ["tiny-rm", {"model": "m", "resources": {"gpus": 3}}], {}, "SkyPilot gives all jobs of a file"),
        ("hf-jobs", [{"model": "m", "resources": {"gpus": 3}}], {}, "no hardware with 3 × a100: a100 has 1, 4, 8 GPUs"),
        ("hf-jobs", ["m"], {"hf-jobs": {}}, "is lost when its machine ends: mount a shared folder, such as volume"),
        ("skypilot", ["m"], {"skypilot": {}}, "is lost when its machine ends"),
        ("k8s", ["m"], {"k8s": {}}, "is lost when its machine ends"),
        ("k8s", [{"model": "m", "resources": {"accelerator": "H100"}}], {}, "cannot name the GPU H100"),
    ],
)
def test_what_a_target_cannot_express_is_a_one_line_error(target, models, jobs, message):
    with pytest.raises(InputError, match=re.escape(message)) as error:
        build(target, models, **jobs)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--models", "tiny-rm", "--emit", "pbs"], "--emit pbs is no target: choose one of slurm, skypilot"),
        (["--emit", "slurm"], "names no model"),
        (["--models", "tiny-rm", "--shards", "2"], "--shards and --output belong to --emit"),
        (["--models", "tiny-rm", "--emit", "slurm", "--dry_run"], "pass one of them"),
        (["--models", "tiny-rm", "--emit", "slurm", "--shards", "2", "--output_dir", "s3://b/c"], "Shards are written"),
    ],
)
def test_bad_arguments_are_one_line(arguments, message, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    assert message in rejection(capfd, *arguments)
    assert list(tmp_path.iterdir()) == []


def test_the_home_folder_of_a_plan_is_rejected():
    with pytest.raises(InputError, match="write output_dir in full"):
        emit(build_plan(PlanLists(["tiny-rm"], output_dir="~/results")), "slurm")
