"""What the published client of Grid does with runs, artifacts and datastores; in its environment.

The commands are run as a user types them; beside them the names of its Python package are used.
"""

# mypy: ignore-errors

from __future__ import annotations

import contextlib
import hashlib
import inspect
import io
import json
import os
import re
import subprocess
import sys
import time
import traceback
from pathlib import Path

with contextlib.redirect_stdout(io.StringIO()):
    import click
    import grid
    import grid.cli.__main__ as program

PATIENCE = 40.0
SCRIPT = """
import os, sys, time
print("started", *sys.argv[1:], flush=True)
os.makedirs("out/deep", exist_ok=True)
with open("out/deep/model.ckpt", "wb") as file:
    file.write(b"x" * 300000)
with open("first.txt", "w") as file:
    file.write(" ".join(sys.argv[1:]))
while not os.path.exists("/tmp/enough") and "--wait" in sys.argv:
    print("tick", flush=True)
    time.sleep(0.2)
with open("last.txt", "w") as file:
    file.write("done")
"""
RUN = (
    *("id", "status", "cluster_id", "created_at", "updated_at", "experiment_counts", "cost"),
    *("datastore", "datastore_mount_dir", "description", "dry_run", "desired_status", "user"),
    *("estimated_hourly_cost", "framework", "resources", "scratch", "run_command", "strategy"),
    "strategy_options",
)
EXPERIMENT = (
    *("id", "name", "status", "start_timestamp", "finish_timestamp", "message", "cost"),
    *("cluster_id", "created_at", "description", "deleted_timestamp", "desired_state"),
    *("dry_run", "env", "hourly_cost", "instance_type", "run_controller_id", "use_spot", "user"),
    *("runner_dockerfile", "runner_framework", "runner_package_manager", "source_code"),
    "runner_requirements_file",
)
MADE = (
    *("name", "path", "actions", "dependency_file", "dockerfile", "env_vars", "auto_resume"),
    *("relative_working_dir", "url", "resources", "scratch", "strategy", "localdir"),
)
CLASSES = ("Run", "Experiment", "Datastore", "Artifact", "Resources", "ScratchSpace", "Actions")


def commands():
    def walk(command, path):
        inner = getattr(command, "commands", None)
        if inner is None or command.invoke_without_command:
            yield path
        for name, one in (inner or {}).items():
            yield from walk(one, f"{path} {name}")

    [root] = [one for one in vars(program).values() if isinstance(one, click.Group)]
    return set(walk(root, "grid"))


def names():
    found = {name for name in grid.__all__ if inspect.isfunction(getattr(grid, name))}
    for cls in CLASSES:
        found |= {f"{cls}.{name}" for name in dir(getattr(grid, cls)) if not name.startswith("_")}
    return found


def run(*words, code=0, answer=None):
    """Run a command; return what it prints."""
    process = subprocess.run(
        ["grid", *words], capture_output=True, input=answer, text=True, timeout=PATIENCE
    )
    said = process.stdout + process.stderr
    assert process.returncode == code, f"{words} ended with {process.returncode}: {said}"
    return said


def until(check):
    """Wait for a true answer and return it."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        found = check()
        if found:
            return found
        time.sleep(0.1)
    raise AssertionError("it did not happen in time")


class Scenario:
    """Every method named ``step_…`` is one step; what it uses is noted."""

    def __init__(self, given):
        self.given = given
        self.used, self.members = set(), commands() | names()
        Path("train.py").write_text(SCRIPT)

    def grid(self, *words, **options):
        known = [name for name in self.members if name == "grid" or " " in name]
        text = " ".join(["grid", *words])
        fitting = [name for name in known if text == name or text.startswith(f"{name} ")]
        self.used.add(max(fitting, key=len))
        return run(*words, **options)

    def call(self, name, *values, **options):
        self.used.add(name)
        return getattr(grid, name)(*values, **options)

    def have(self, thing, *names):
        """Read properties of an object of the client's; return the last one."""
        for name in names:
            self.used.add(f"{type(thing).__name__}.{name}")
            found = getattr(thing, name)
        return found

    def state(self, name):
        return self.have(grid.Run(name), "status")

    def step_01_login(self):
        said = self.grid(
            *("login", "--username", self.given["user_id"], "--key", self.given["api_key"])
        )
        assert "Login successful" in said
        self.call("login", user_id=self.given["user_id"], api_key=self.given["api_key"])
        assert self.given["cluster_id"] in self.grid("clusters")
        assert "user" in self.grid("user") and "member" in self.grid("team", "local")
        self.grid("user", "set-cluster-context", self.given["cluster_id"])

    def step_02_sweep(self):
        self.grid("run", "--localdir", "--name", "sweep", "train.py", "--factor", "[2,4]")
        until(lambda: "succeeded" in str(self.state("sweep")).lower())
        said = self.grid("status", "sweep")
        assert "sweep-exp0" in said and "sweep-exp1" in said and said.count("succeeded") == 2
        assert "--factor 4" in said

    def step_03_artifacts(self):
        self.grid("artifacts", "sweep")
        folder = Path("grid_artifacts/sweep")
        found = sorted(
            str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()
        )
        wanted = ("first.txt", "last.txt", "out/deep/model.ckpt")
        assert found == [f"sweep-exp{n}/{name}" for n in (0, 1) for name in wanted], found
        assert (folder / "sweep-exp1/first.txt").read_text() == "--factor 4"
        content = (folder / "sweep-exp0/out/deep/model.ckpt").read_bytes()
        assert hashlib.md5(content).digest() == hashlib.md5(b"x" * 300000).digest()
        self.grid("artifacts", "--download_dir", "chosen", "-m", r"\.ckpt$", "sweep-exp0")
        found = [str(path) for path in Path("chosen").rglob("*") if path.is_file()]
        assert found == ["chosen/sweep-exp0/out/deep/model.ckpt"], found
        said = self.grid("artifacts", "--bucket_path", "sweep-exp0")
        assert re.search(r"s3://grid-default/experiments/[0-9a-z]{26}/artifacts/", said), said

    def step_04_python(self):
        found = self.call("list_artifacts", "sweep-exp0", artifact_regex="ckpt")
        assert [one.filename for one in found] == ["out/deep/model.ckpt"]
        assert found[0].experiment_name == "sweep-exp0"
        self.have(found[0], "to_downloadable_object")
        self.call("download_artifacts", found, destination="python")
        assert [path.name for path in Path("python").rglob("*.ckpt")] == ["model.ckpt"]
        run_ = grid.Run("sweep")
        assert self.have(run_, "exists") and self.have(run_, "name") == "sweep"
        self.have(run_, *RUN)
        experiments = list(self.have(run_, "experiments"))
        assert sorted(one.name for one in experiments) == ["sweep-exp0", "sweep-exp1"]
        assert len(list(self.have(run_, "artifacts"))) == 6
        one = grid.Experiment("sweep-exp0")
        assert self.have(one, "exists") and self.have(one, "run_name") == "sweep"
        assert self.have(one, "command")
        self.have(one, *EXPERIMENT)
        assert len(list(self.have(one, "artifacts"))) == 3
        assert [run.name for run in self.call("list_runs")] == ["sweep"]
        assert [run.name for run in grid.list_runs(is_global=True)] == ["sweep"]
        assert not grid.Run("no-such-run", localdir=True).exists

    def step_05_history(self):
        assert "sweep" in self.grid("history") and "user" in self.grid("history", "--global")
        said = self.grid("status")
        assert "1 Run(s) are not active" in said, said
        self.grid("status", "--global")

    def step_06_logs(self):
        said = self.grid("logs", "sweep-exp1")
        assert "[experiment]" in said and "started --factor 4\n" in said, said
        assert "[build]" in self.grid("logs", "--show-build-logs", "sweep-exp1")
        assert "started" in self.grid("logs", "--tail-lines", "1", "sweep-exp1")

    def step_07_live(self):
        self.grid("run", "--localdir", "--name", "live", "train.py", "--wait")
        until(lambda: grid.list_artifacts("live-exp0"))  # while it runs
        assert "running" in self.grid("status")
        reader = subprocess.Popen(["grid", "logs", "live-exp0"], stdout=subprocess.PIPE, text=True)
        with reader:
            line = next(line for line in reader.stdout if "tick" in line)
            assert "[experiment]" in line
            self.grid("stop", "run", "live")
            reader.stdout.read()
        until(lambda: "cancel" in str(self.state("live")).lower())
        assert "cancelled" in self.grid("status", "live")
        names = [one.filename for one in grid.list_artifacts("live-exp0")]
        assert "first.txt" in names and "last.txt" not in names

    def step_08_random(self):
        words = ("--strategy", "random_search", "--num_trials", "3", "--seed", "7")
        self.grid("run", "--localdir", "--name", "some", *words, "train.py", "--lr", "[1,2,3,4,5]")
        until(lambda: "succeeded" in str(self.state("some")).lower())
        assert len(list(grid.Run("some").experiments)) == 3
        self.grid("run", "--localdir", "--name", "plain", "--strategy", "none", "train.py", "[1,2]")
        until(lambda: "succeeded" in str(self.state("plain")).lower())
        assert "[1,2]" in self.grid("status", "plain")

    def step_09_datastore(self):
        folder = Path("data/sub")
        folder.mkdir(parents=True)
        (folder / "b.txt").write_text("inside")
        Path("data/a.bin").write_bytes(bytes(3_000_000))
        # The platform refuses one part, as it was told to.
        self.grid("datastore", "create", "data", "--name", "digits", code=1)
        assert "digits" in self.grid("datastore", "--show-incomplete")
        self.grid("datastore", "resume")
        assert "digits" in self.grid("datastore")
        [found] = self.call("list_datastores")
        assert self.have(found, "name") == "digits" and self.have(found, "version") == 0
        self.have(found, "id", "status", "size", "created_at", "cluster_id", "source", "user")
        self.have(found, "s3_no_copy")
        Path("reads.py").write_text(
            "import os; print(os.path.getsize('/digits/a.bin'), open('/digits/sub/b.txt').read())"
        )
        mount = ("--datastore_name", "digits", "--datastore_version", "0")
        mount += ("--datastore_mount_dir", "/digits")
        self.grid("run", "--localdir", "--name", "reads", *mount, "reads.py")
        until(lambda: "succeeded" in str(self.state("reads")).lower())
        assert "3000000 inside" in self.grid("logs", "reads-exp0")
        self.have(found, "delete")()
        assert self.call("list_datastores") == []
        made = grid.Datastore("letters", source="data")
        self.have(made, "upload")()
        assert [one.name for one in grid.list_datastores()] == ["letters"]
        self.grid("datastore", "clearcache")

    def step_10_stop_and_delete(self):
        self.grid("run", "--localdir", "--name", "ends", "train.py", "--wait", "[1,2]")
        until(lambda: "running" in str(self.state("ends")).lower())
        self.grid("stop", "experiment", "ends-exp0")
        assert self.have(grid.Experiment("ends-exp1"), "cancel")()
        until(lambda: "cancel" in str(self.state("ends")).lower())
        self.grid("delete", "experiment", "ends-exp0", answer="y\n")
        assert [one.name for one in grid.Run("ends").experiments] == ["ends-exp1"]
        self.grid("delete", "run", "ends", answer="y\n")
        assert "ends" not in self.grid("history")
        one = grid.Run("plain")
        assert one.exists
        assert self.have(one, "delete")()

    def step_11_start_from_python(self):
        resources = grid.Resources(cpus=1)
        run_ = grid.Run("python-made", "train.py --rate [1]", localdir=True, resources=resources)
        assert self.have(run_, "start")()
        self.have(run_, *MADE)
        until(lambda: "succeeded" in str(self.state("python-made")).lower())
        self.have(resources, "cpus", "gpus", "instance_type", "storage_gb", "use_spot")
        self.grid("run", "--localdir", "--name", "long", "train.py", "--wait")
        until(lambda: "running" in str(self.state("long")).lower())
        assert self.have(grid.Run("long"), "cancel")()
        until(lambda: "cancel" in str(self.state("long")).lower())
        assert self.have(grid.Experiment("long-exp0"), "delete")()
        self.have(grid.ScratchSpace(5, "/scratch"), "mount_path", "size_gb")

    def step_12_refused(self):
        said = run("run", "--localdir", "--name", "sweep", "train.py", code=1)
        assert "sweep" in said
        self.grid("artifacts", "no-such-exp0", code=1)
        with contextlib.redirect_stdout(io.StringIO()):
            refused = subprocess.run(
                ["grid", "history"],
                env={**os.environ, "GRID_API_KEY": "wrong"},
                capture_output=True,
                timeout=PATIENCE,
            )
        assert refused.returncode != 0


def main():
    given = json.loads(sys.stdin.read())
    report = {"steps": [], "failed": {}}
    with contextlib.redirect_stdout(sys.stderr):
        scenario = Scenario(given)
        for name in sorted(vars(Scenario)):
            if name.startswith("step_"):
                report["steps"].append(name)
                try:
                    getattr(scenario, name)()
                except Exception:
                    report["failed"][name] = traceback.format_exc()
    report["members"] = sorted(scenario.members)
    report["used"] = sorted(scenario.used)
    print(json.dumps(report))


if __name__ == "__main__":
    main()
