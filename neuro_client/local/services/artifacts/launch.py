"""From an experiment to the run that a runner can start: its folders, its source, its command."""

from __future__ import annotations

import asyncio
import posixpath
import shlex
import shutil
import tarfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import attrs

from ....artifacts.capture import Inventory
from ...runners import Mount, RunnerError, RunSpec
from ...scheduler import Capacity
from ...threads import taken
from .models import Experiment, Run

PROJECT, HOME = "/gridai/project", "/gridai/home"
_MIB = 1 << 20
_LEAST_MEMORY = 16 * _MIB
_USUAL_CPU = 0.5
_IMAGES = {
    "julia": "julia:1",
    "tensorflow": "tensorflow/tensorflow:latest",
    "torch": "pytorch/pytorch:latest",
    "torchelastic": "pytorch/pytorch:latest",
}
_USUAL_IMAGE = "python:3.11"
"""For a runner that has containers; the process runner uses this host."""


@attrs.frozen
class Places:
    """Know where everything of experiments lies."""

    folder: Path

    def source(self, run_id: str) -> Path:
        """Return the archive with the source of a run."""
        return self.folder / "sources" / f"{run_id}.tar.gz"

    def work(self, experiment_id: str) -> Path:
        """Return the folder of an experiment while it is not over."""
        return self.folder / "work" / experiment_id

    def datastore(self, datastore_id: str) -> Path:
        """Return the folder with the files of a datastore."""
        return self.folder / "datastores" / datastore_id

    def roots(self, experiment_id: str) -> dict[str, Path]:
        """Return what is captured: whatever folder the script writes to is one of these (§2)."""
        work = self.work(experiment_id)
        return {"": work / "project", "home": work / "home", "tmp": work / "tmp"}

    def inventory(self, experiment_id: str) -> Path:
        """Return where the inventory of an experiment is kept."""
        return self.work(experiment_id) / "inventory.json"


class Launcher:
    """Prepare and describe runs."""

    def __init__(self, places: Places, machine: Callable[[], Capacity]) -> None:
        self.places = places
        self._machine = machine

    def need(self, run: Run) -> Capacity:
        """Give what is set aside for one experiment of a run, no more than there is."""
        resources, machine = run.spec["resources"], self._machine()
        cpu = float(resources["cpu"]) or _USUAL_CPU
        memory = int(resources["memoryMb"]) * _MIB
        return Capacity(min(cpu, machine.cpu), min(memory, machine.memory))

    async def prepare(self, run: Run, experiment: Experiment) -> list[str]:
        """Make the folders of an experiment, the source in them; give the lines of a build log.

        One that goes on where it was ended finds its folders as it left them.

        Raises:
            RunnerError: there is no source that could be run.
        """
        return await taken(lambda: self._prepared(run, experiment), lambda _: None)

    def _prepared(self, run: Run, experiment: Experiment) -> list[str]:
        work, project = self.places.work(experiment.id), self.places.roots(experiment.id)[""]
        if experiment.attempt >= 0 and project.is_dir():
            return ["The experiment goes on with the files that it had"]
        shutil.rmtree(work, ignore_errors=True)
        for folder in self.places.roots(experiment.id).values():
            folder.mkdir(parents=True)
        for number, _ in enumerate(run.spec["scratch"]):
            (work / f"scratch-{number}").mkdir()
        if not run.local_dir:
            raise RunnerError(
                "the local platform fetches no repositories; submit the folder with --localdir"
            )
        _unpack(self.places.source(run.id), project)
        said = ["The source is unpacked"]
        image = run.spec["image"]
        if image["dockerfile"] or image["dependencyFileInfo"]["path"]:
            said.append("Nothing is installed: the script runs with what the runner has")
        return [*said, "The image is ready"]

    async def spec(self, run: Run, experiment: Experiment, grace: float) -> RunSpec:
        """Describe the next run of an experiment."""
        machine, resources = self._machine(), run.spec["resources"]
        framework = run.spec["image"]["framework"]
        return RunSpec(
            job_id=experiment.run_id,
            run=experiment.attempt,
            argv=_argv(run.spec, experiment.command),
            env={
                "HOME": HOME,
                "GRID_CLUSTER_ID": run.cluster,
                "GRID_EXPERIMENT_ID": experiment.id,
                "GRID_EXPERIMENT_NAME": experiment.name,
                "GRID_RUN_NAME": run.name,
                **run.spec["env"],
            },
            cpu=min(float(resources["cpu"]) or machine.cpu, machine.cpu),
            # What is asked for is set aside; the default would be too little for a limit.
            memory=max(_LEAST_MEMORY, machine.memory),
            working_dir=posixpath.join(PROJECT, run.spec["relativeWorkDir"]).rstrip("/"),
            mounts=self._mounts(run, experiment),
            grace=grace,
            image=_IMAGES.get(framework.partition(":")[0], _USUAL_IMAGE),
        )

    def _mounts(self, run: Run, experiment: Experiment) -> tuple[Mount, ...]:
        roots, work = self.places.roots(experiment.id), self.places.work(experiment.id)
        mounts = [
            Mount(roots[""], PROJECT, False),
            Mount(roots["home"], HOME, False),
            Mount(roots["tmp"], "/tmp", False),
        ]
        for number, scratch in enumerate(run.spec["scratch"]):
            mounts.append(Mount(work / f"scratch-{number}", scratch["mountPath"], False))
        for store in run.spec["datastores"]:
            mounts.append(Mount(self.places.datastore(store["id"]), store["mountPath"], True))
        return tuple(mounts)

    async def keep_inventory(self, experiment_id: str, inventory: Inventory) -> None:
        """Remember what was there before the script began."""
        path = self.places.inventory(experiment_id)

        def write() -> None:
            draft = path.with_suffix(".draft")
            draft.write_text(inventory.dumps(), "utf-8")
            draft.replace(path)

        await asyncio.to_thread(write)

    async def inventory(self, experiment_id: str) -> Inventory:
        """Return what was there before the script began; all is new if that is lost."""
        path = self.places.inventory(experiment_id)
        try:
            return Inventory.loads(await asyncio.to_thread(path.read_text, "utf-8"))
        except (OSError, ValueError):
            return Inventory()

    async def release(self, experiment_id: str) -> None:
        """Remove the folders of an experiment that is over."""
        await asyncio.to_thread(shutil.rmtree, self.places.work(experiment_id), ignore_errors=True)

    async def sweep(self, experiments: set[str], runs: set[str]) -> None:
        """Remove what a kill left: folders of experiments that are over, sources of no run."""

        def remove() -> None:
            for path in _inside(self.places.folder / "work"):
                if path.name not in experiments:
                    shutil.rmtree(path, ignore_errors=True)
            for path in _inside(self.places.folder / "sources"):
                if path.name.removesuffix(".tar.gz") not in runs:
                    path.unlink(missing_ok=True)

        await asyncio.to_thread(remove)


def _inside(folder: Path) -> list[Path]:
    return list(folder.iterdir()) if folder.is_dir() else []


def _unpack(archive: Path, folder: Path) -> None:
    """Unpack a source; nothing of it may lead out of the folder."""
    try:
        with tarfile.open(archive) as tar:
            tar.extractall(folder, filter="data")
    except (tarfile.TarError, OSError, EOFError, zlib.error) as error:
        raise RunnerError(f"the source cannot be unpacked: {error}") from None


def _argv(spec: Mapping[str, Any], command: tuple[str, ...]) -> tuple[str, ...]:
    """Give the command, with the actions of the run before and behind it."""
    actions = spec["actions"]
    before = [
        line
        for name in ("onBuildStart", "onBuild", "onBuildEnd", "onExperimentStart")
        for line in actions[name]
    ]
    after = actions["onExperimentEnd"]
    if not before and not after:
        return command
    lines = ["set -e", *before, "set +e", shlex.join(command), "code=$?", *after, "exit $code"]
    return ("sh", "-c", "\n".join(lines))
