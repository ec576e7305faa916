"""Find what a control plane has by other words than its id: projects, submitted trainings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import attrs

from ..errors import AuthorizationError, ResourceNotFound
from .models import Project, Training
from .query import Filter, Pairs, filter_query, order_query
from .service import ControlPlane
from .submission import carries
from .wire import decode

# What the clocks of client and server may differ by.
_SKEW = timedelta(minutes=5)


@attrs.frozen
class Submitted:
    """Say what a training was submitted as; *since* is when, None for an id of another call."""

    name: str
    project_id: str
    is_prefix: bool
    submission_id: str
    since: datetime | None

    def query(self) -> Pairs:
        """Return what lists the trainings that may be it, newest first."""
        named = Filter("name", "=^" if self.is_prefix else "==", self.name)
        of_project = Filter("projectId", "==", self.project_id)
        return [*order_query("createdAt", True), *filter_query((named, of_project), None, False)]

    def is_too_old(self, created: datetime | None) -> bool:
        """Tell whether something was there before the submission."""
        if self.since is None or created is None:
            return False
        return created < self.since - _SKEW

    def fits(self, training: Training) -> bool:
        """Tell whether a training is of this submission.

        A server that does not give the spec back is asked for the name that was requested.
        """
        marked = carries(training, self.submission_id)
        if marked is not None or self.since is None:
            return bool(marked)
        hidden = training.raw.get("spec") is None
        return hidden and training.requested_name == self.name and not self.is_prefix


class Lookup:
    """Look things up; the names of projects are kept."""

    def __init__(self, control: Callable[[], ControlPlane]) -> None:
        self._control = control
        self._names: dict[str, str] = {}

    async def projects(self) -> Sequence[Project]:
        """List the projects that the login can see."""
        control = self._control()
        found: list[Project] = []
        url = control.url("org-unit", "projects")
        async with control.pages(url, "projects", []) as pages:
            async for page in pages:
                found += [decode(item, Project) for item in page]
        self._names.update({project.id: project.name for project in found})
        return found

    async def project_name(self, training: Training) -> str:
        """Return the name of a training's project.

        Raises:
            ResourceNotFound: the login cannot see it.
        """
        name = self._names.get(training.project_id)
        if name is None:
            try:
                name = (await self._control().workload(training.id)).project_name
            except AuthorizationError:
                name = None
        if name is None:
            await self.projects()
            name = self._names.get(training.project_id)
        if name is None:
            raise ResourceNotFound(
                f"The project {training.project_id} of training {training.id} is not among those "
                "that this login can see; ask for access to it"
            )
        self._names[training.project_id] = name
        return name

    async def submitted(self, wanted: Submitted) -> Sequence[Training]:
        """Return the trainings of a submission; makes one attempt."""
        control = self._control()
        found: list[Training] = []
        url = control.url("workloads")
        async with control.pages(url, "workloads", wanted.query(), retry=None) as pages:
            async for page in pages:
                for item in page:
                    training = await self._candidate(control, str(item.get("id")))
                    if training is None or training.is_deleted:
                        continue
                    if wanted.is_too_old(training.created_at):
                        return found
                    if wanted.fits(training):
                        found.append(training)
        return found

    async def _candidate(self, control: ControlPlane, id: str) -> Training | None:
        try:
            return await control.get(id, retry=None)
        except ResourceNotFound:
            return None  # of another kind, or deleted meanwhile
