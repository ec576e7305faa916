"""What tests and owners of a local platform do with its trainings; ``platform.trainings``."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from pathlib import Path

from .accounts import Accounts, Rights
from .assets import CONFIG_MAP, SECRET, Assets
from .control import TrainingControl
from .org import Department, Organization, Project, Quota
from .pods import Timing
from .workloads import Manners


class LocalTrainings:
    """Set up and steer the local control plane of trainings.

    ``manners.profile`` is the generation it plays, ``"2.18"`` or ``"latest"``; ``manners.mode`` is
    ``"strict"`` or ``"lenient"``; ``manners.policy`` takes a spec and gives what it does against an
    administrator's policy, as ``complianceIssues`` (§1.1). ``token_lifetime`` in seconds is that of
    tokens given out from now on.
    """

    def __init__(
        self, control: TrainingControl, accounts: Accounts, assets: Assets, manners: Manners
    ) -> None:
        self.control = control
        self.manners = manners
        self.token_lifetime = 3600.0
        self._accounts = accounts
        self._assets = assets

    @property
    def org(self) -> Organization:
        """Return the clusters, departments and projects."""
        return self.control.org

    @property
    def timing(self) -> Timing:
        """Return the durations the state machine goes by."""
        return self.control.pods.timing

    @property
    def gpus(self) -> float:
        """Return how many GPU devices are shared out; none has to be there."""
        return self.control.gpus

    @gpus.setter
    def gpus(self, count: float) -> None:
        self.control.gpus = count
        self.control.wake()

    async def add_project(
        self,
        name: str,
        *,
        gpus: float | None = None,
        cpus: float | None = None,
        memory: float | None = None,
        department: str = "default",
        cluster: str | None = None,
    ) -> Project:
        """Add a project, or change the quota of the one with that name.

        The quota is in devices, cores and bytes; None is not limited. Without ``cluster`` it is on
        the platform's first.

        Raises:
            ValueError: there is no such department or cluster.
        """
        first = next(iter(self.org.clusters.values())).name
        quota = Quota(gpus, cpus, memory)
        project = await self.org.add_project(name, quota, department, cluster or first)
        self.control.wake()
        return project

    async def add_department(
        self,
        name: str,
        *,
        gpus: float | None = None,
        cpus: float | None = None,
        memory: float | None = None,
    ) -> Department:
        """Add a department, or change the quota of the one with that name."""
        department = await self.org.add_department(name, Quota(gpus, cpus, memory))
        self.control.wake()
        return department

    async def add_application(
        self,
        name: str,
        *,
        projects: Iterable[str] | None = None,
        read_only: bool = False,
        generic: bool = True,
    ) -> tuple[str, str]:
        """Make an application; return its client id and its secret.

        ``projects`` are the names of those it may use; ``generic`` False closes the endpoints for
        all kinds of workloads to it.
        """
        ids = None if projects is None else frozenset(self._project(p).id for p in projects)
        return await self._accounts.add_application(name, Rights(ids, read_only, generic))

    async def set_password(self, username: str, password: str) -> None:
        """Let a user sign in with a password."""
        await self._accounts.set_password(username, password)

    async def add_secret(self, project: str, name: str, content: Mapping[str, str]) -> None:
        """Put a secret where the trainings of a project find it."""
        await self._assets.put(SECRET, self._project(project).id, name, content)

    async def add_config_map(self, project: str, name: str, content: Mapping[str, str]) -> None:
        """Put a config map where the trainings of a project find it."""
        await self._assets.put(CONFIG_MAP, self._project(project).id, name, content)

    async def claim_folder(self, project: str, name: str) -> Path:
        """Return the folder behind a volume claim of a project, made if need be."""
        path = self._assets.claim(self._project(project).id, name)
        await asyncio.to_thread(path.mkdir, parents=True, exist_ok=True)
        return path

    async def preempt(self, workload_id: str) -> None:
        """Take a training its resources away, as if another project claimed them.

        Raises:
            ValueError: it holds none, or cannot be preempted.
        """
        await self.control.preempt(workload_id)

    def _project(self, name: str) -> Project:
        project = self.org.project_named(name)
        if project is None:
            raise ValueError(f"There is no project {name!r}")
        return project
