"""From a pod of a training to the run that a runner can start (runai-trainings.md §5)."""

from __future__ import annotations

import asyncio
import re
import shlex
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import attrs

from ...runners import Mount, RunnerError, RunSpec
from ...scheduler import Capacity
from .assets import CONFIG_MAP, SECRET, Assets
from .checking import unreadable
from .models import Pod, Workload
from .org import Project
from .resources import pod_gpus, pod_limit

_LEAST_CPU = 0.01
_LEAST_MEMORY = 16 << 20
_IN_BRACKETS = re.compile(r"metadata\.(labels|annotations)\['([^']*)'\]")
_NOT_MOUNTED = {
    "dataVolume": "data volumes",
    "git": "git repositories",
    "nfs": "NFS exports",
    "s3": "S3 buckets",
}


@attrs.frozen
class Launcher:
    """Describe runs, and keep the folders that pods see."""

    assets: Assets
    folder: Path
    machine: Callable[[], Capacity]
    """What one pod may use at most."""

    async def spec(self, workload: Workload, project: Project, pod: Pod, grace: float) -> RunSpec:
        """Describe the next run of a pod; `RunnerError` says what cannot be had here."""
        if wrong := unreadable(workload.spec):
            path, why = wrong[0]
            raise RunnerError(f"{path} {why}")
        cpu, memory = pod_limit(workload)
        wanted = workload.setting("terminationGracePeriodSeconds")
        machine = self.machine()
        return RunSpec(
            job_id=pod.run_id,
            run=pod.run,
            image=str(workload.setting("image") or ""),
            argv=_argv(workload),
            entrypoint=len(_words(workload, "command")),
            env=await self._environment(workload, project, pod),
            cpu=max(_LEAST_CPU, machine.cpu if cpu is None else min(cpu, machine.cpu)),
            memory=max(
                _LEAST_MEMORY, machine.memory if memory is None else min(memory, machine.memory)
            ),
            working_dir=workload.setting("workingDir"),
            mounts=await self._mounts(workload, project, pod),
            shm=bool(workload.setting("compute", "largeShmRequest")),
            tty=bool(workload.setting("tty")),
            grace=grace if wanted is None else float(wanted),
        )

    async def release(self, pod: Pod, *, log: Path | None = None) -> None:
        """Remove what only an ended pod had, and all about its runs with the path of a log."""
        folders = [self._of_pod(pod)] + ([] if log is None else [log.parent.parent])
        for folder in folders:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)

    async def release_claims(self, workload: Workload, project: Project) -> None:
        """Remove the claims that live no longer than the training runs."""
        for number, entry in enumerate(workload.entries("storage", "pvc")):
            if entry.get("ephemeral") and not entry.get("existingPvc"):
                path = self.assets.claim(project.id, _claim_name(workload, entry, number))
                await asyncio.to_thread(shutil.rmtree, path, ignore_errors=True)

    def _of_pod(self, pod: Pod) -> Path:
        return self.folder / "pods" / pod.id

    async def _environment(self, workload: Workload, project: Project, pod: Pod) -> dict[str, str]:
        env = {
            "JOB_NAME": workload.name,
            "JOB_UUID": workload.id,
            "JOB_COMPLETION_INDEX": str(pod.index),
            "RUNAI_PROJECT": project.name,
            "RUNAI_NUM_OF_GPUS": f"{pod_gpus(workload):g}",
        }
        for entry in workload.entries("environmentVariables"):
            name = str(entry.get("name"))
            if not name or "=" in name or "\0" in name:
                raise RunnerError(f"{name!r} cannot name an environment variable")
            env[name] = await self._variable(entry, workload, project, pod)
        return env

    async def _variable(
        self, entry: Mapping[str, Any], workload: Workload, project: Project, pod: Pod
    ) -> str:
        for source, kind in (("secret", SECRET), ("configMap", CONFIG_MAP)):
            wanted = entry.get(source)
            if wanted is not None:
                name, key = str(wanted.get("name")), str(wanted.get("key"))
                return await self.assets.value(kind, project.id, name, key)
        if entry.get("podFieldRef") is not None:
            return _pod_field(str(entry["podFieldRef"].get("path")), workload, project, pod)
        if entry.get("userCredential") is not None:
            raise RunnerError("the local platform keeps no credentials of users")
        return str(entry.get("value") or "")

    async def _mounts(self, workload: Workload, project: Project, pod: Pod) -> tuple[Mount, ...]:
        for kind, words in _NOT_MOUNTED.items():
            if workload.entries("storage", kind):
                raise RunnerError(f"{words} cannot be mounted on the local platform")
        mounts = []
        for number, entry in enumerate(workload.entries("storage", "emptyDirVolume")):
            path = self._of_pod(pod) / f"empty-{number}"
            await asyncio.to_thread(path.mkdir, parents=True, exist_ok=True)
            mounts.append(Mount(path, entry["path"], False))
        for number, entry in enumerate(workload.entries("storage", "pvc")):
            path = await self._claim(workload, project, entry, number)
            mounts.append(Mount(path, entry["path"], bool(entry.get("readOnly"))))
        for entry in workload.entries("storage", "hostPath"):
            read_only = entry.get("readOnly")
            mounts.append(Mount(Path(entry["path"]), entry["mountPath"], read_only in (None, True)))
        for name, kind, key in (
            ("secretVolume", SECRET, "secret"),
            ("configMapVolume", CONFIG_MAP, "configMap"),
        ):
            for number, entry in enumerate(workload.entries("storage", name)):
                content = await self.assets.get(kind, project.id, entry[key])
                path = self._of_pod(pod) / f"{name}-{number}"
                await asyncio.to_thread(_write_files, path, content)
                if entry.get("subPath"):
                    if entry["subPath"] not in content:
                        raise RunnerError(f"{entry[key]!r} has no entry {entry['subPath']!r}")
                    path = path / entry["subPath"]
                mounts.append(Mount(path, entry["mountPath"], True))
        return tuple(mounts)

    async def _claim(
        self, workload: Workload, project: Project, entry: Mapping[str, Any], number: int
    ) -> Path:
        path = self.assets.claim(project.id, _claim_name(workload, entry, number))
        if entry.get("existingPvc"):
            if not await asyncio.to_thread(path.is_dir):
                raise RunnerError(
                    f"volume claim {path.name!r} was not found; an earlier training makes it, or"
                    " platform.trainings.claim_folder()"
                )
        else:
            await asyncio.to_thread(path.mkdir, parents=True, exist_ok=True)
        return path


def _argv(workload: Workload) -> tuple[str, ...]:
    return (*_words(workload, "command"), *_words(workload, "args"))


def _words(workload: Workload, name: str) -> list[str]:
    text = workload.setting(name)
    try:
        return shlex.split(text) if isinstance(text, str) else []
    except ValueError as error:
        raise RunnerError(f"spec.{name} cannot be split into words: {error}") from None


def _claim_name(workload: Workload, entry: Mapping[str, Any], number: int) -> str:
    return str(entry.get("claimName") or f"{workload.name}-{number}")


def _pod_field(path: str, workload: Workload, project: Project, pod: Pod) -> str:
    """Read a field of a pod as Kubernetes names it."""
    known = {
        "metadata.name": pod.name,
        "metadata.namespace": project.namespace,
        "metadata.uid": pod.id,
        "spec.nodeName": "local",
        "spec.serviceAccountName": "default",
        "status.hostIP": "127.0.0.1",
        "status.podIP": "127.0.0.1",
    }
    if path in known:
        return known[path]
    if found := _IN_BRACKETS.fullmatch(path):
        for entry in workload.entries(found[1]):
            if entry.get("name") == found[2]:
                return str(entry.get("value") or "")
        return ""
    raise RunnerError(f"a pod has no field {path!r}")


def _write_files(folder: Path, content: Mapping[str, str]) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name, text in content.items():
        if "/" in name or name in ("", ".", ".."):
            raise RunnerError(f"{name!r} cannot be a file's name")
        path = folder / name
        path.touch(0o600)
        path.write_text(text, "utf-8")
