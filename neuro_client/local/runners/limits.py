"""Memory and CPU limits of a run by Linux control groups, version 1 or 2. All functions block."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import attrs

_PERIOD = 100_000  # microseconds, the kernel's default


@attrs.frozen
class Hierarchies:
    """The groups below which this process may make groups of its own; None where it may not."""

    memory: Path | None
    cpu: Path | None
    version: int

    @property
    def missing(self) -> list[str]:
        """Name the limits that cannot be set."""
        return [name for name in ("memory", "cpu") if getattr(self, name) is None]


def find(proc: Path = Path("/proc/self")) -> Hierarchies:
    """Look where groups can be made, trying it out."""
    try:
        mounted = _mounts(proc / "mounts")
        own = _own_groups(proc / "cgroup")
    except OSError:
        return Hierarchies(None, None, 0)
    if "memory" in mounted or "cpu" in mounted:
        memory = _first_usable(_candidates(mounted, own, "memory"), "memory.limit_in_bytes")
        cpu = _first_usable(_candidates(mounted, own, "cpu"), "cpu.cfs_quota_us")
        return Hierarchies(memory, cpu, 1)
    for candidate in _candidates(mounted, own, ""):
        with contextlib.suppress(OSError):
            (candidate / "cgroup.subtree_control").write_text("+cpu +memory")
        if _usable(candidate, "memory.max") and _usable(candidate, "cpu.max"):
            return Hierarchies(candidate, candidate, 2)
    return Hierarchies(None, None, 2)


def create(where: Hierarchies, name: str, *, cpu: float, memory: int) -> list[str]:
    """Make the groups of a run and give their folders; the supervisor removes them."""
    made: list[str] = []
    try:
        if where.memory is not None:
            group = _make(where.memory, name, made)
            if where.version == 1:
                (group / "memory.limit_in_bytes").write_text(str(memory))
                with contextlib.suppress(OSError):  # absent without swap accounting
                    (group / "memory.memsw.limit_in_bytes").write_text(str(memory))
            else:
                (group / "memory.max").write_text(str(memory))
                with contextlib.suppress(OSError):
                    (group / "memory.swap.max").write_text("0")
        if where.cpu is not None:
            quota = max(1000, int(cpu * _PERIOD))
            group = _make(where.cpu, name, made)
            if where.version == 1:
                (group / "cpu.cfs_period_us").write_text(str(_PERIOD))
                (group / "cpu.cfs_quota_us").write_text(str(quota))
            else:
                (group / "cpu.max").write_text(f"{quota} {_PERIOD}")
    except BaseException:
        remove(made)
        raise
    return made


def groups_of(where: Hierarchies, name: str) -> list[str]:
    """Give the folders that `create` makes, whether they exist or not."""
    parents = dict.fromkeys(parent for parent in (where.memory, where.cpu) if parent is not None)
    return [str(parent / name) for parent in parents]


def remove(groups: list[str]) -> None:
    """Remove empty groups; what is still in use or gone is left alone."""
    for group in groups:
        with contextlib.suppress(OSError):
            os.rmdir(group)


def _make(parent: Path, name: str, made: list[str]) -> Path:
    group = parent / name
    group.mkdir(exist_ok=True)
    if str(group) not in made:
        made.append(str(group))
    return group


def _mounts(path: Path) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for line in path.read_text().splitlines():
        _, target, kind, options, *_ = line.split()
        if kind == "cgroup":
            found |= {option: Path(target) for option in options.split(",")}
        elif kind == "cgroup2":
            found.setdefault("", Path(target))
    return found


def _own_groups(path: Path) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in path.read_text().splitlines():
        _, controllers, group = line.split(":", 2)
        found |= dict.fromkeys(controllers.split(","), group)
    return found


def _candidates(mounted: dict[str, Path], own: dict[str, str], name: str) -> list[Path]:
    """List the own group, then its parent (v2: a group with processes gives no controllers)."""
    if name not in mounted or name not in own:
        return []
    group = mounted[name] / own[name].lstrip("/")
    return [group] if group == mounted[name] else [group, group.parent]


def _first_usable(candidates: list[Path], needed: str) -> Path | None:
    return next((candidate for candidate in candidates if _usable(candidate, needed)), None)


def _usable(parent: Path, needed: str) -> bool:
    probe = parent / f"neuro-client-probe-{os.getpid()}"
    try:
        probe.mkdir()
        try:
            return os.access(probe / needed, os.W_OK)
        finally:
            probe.rmdir()
    except OSError:
        return False
