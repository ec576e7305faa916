"""What the handlers of the control plane share: the caller, and finding a training."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping

import attrs
from aiohttp import web

from .accounts import Caller
from .answers import Refusal
from .control import TrainingControl
from .models import Workload

_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


@attrs.frozen
class Call:
    """A request, who makes it, and the parts of its path."""

    request: web.Request
    caller: Caller
    parts: Mapping[str, str]

    @property
    def query(self) -> Mapping[str, str]:
        """Return the query."""
        return self.request.query


def checked_id(text: str) -> str:
    """Read an id; raises 400 for what is no UUID."""
    if not _UUID.fullmatch(text):
        raise Refusal(400, f"{text!r} is not a workload id; ids are UUIDs")
    return str(uuid.UUID(text))


def may(caller: Caller, project: int, *, change: bool) -> None:
    """Raise 403 unless the caller may read, or change, what a project has."""
    projects = caller.rights.projects
    if projects is not None and project not in projects:
        raise Refusal(403, f"{caller.name} has no access to project {project}")
    if change and caller.rights.read_only:
        raise Refusal(403, f"{caller.name} may not change workloads")


async def found(
    control: TrainingControl, call: Call, *, change: bool = False, deleted: bool = False
) -> Workload:
    """Find the training that a path names; raises 400, 403 and 404."""
    workload_id = checked_id(call.parts["id"])
    workload = await control.ledger.get(workload_id)
    if workload is None or (workload.gone and not deleted):
        raise Refusal(404, f"There is no workload {workload_id}")
    may(call.caller, workload.project, change=change)
    return workload
