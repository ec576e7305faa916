"""Create, show, end, suspend and resume trainings (runai-trainings.md §3, §5, §7.7)."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import attrs
from aiohttp import web

from . import checking
from .answers import Refusal, accepted, json_object
from .calls import Call, checked_id, found, may
from .control import TrainingControl
from .models import DELETED, RUNNING, STOPPED, Workload, suffix
from .render import Renderer
from .store import DuplicateName

_ACTIONS = {"delete": DELETED, "suspend": STOPPED, "resume": RUNNING}
_MOST_IN_BATCH = 100
_TRIES = 10


Policy = Callable[[Mapping[str, Any]], Iterable[Mapping[str, Any]]]
"""Give what a spec does against an administrator's policy: ``field``, ``details``, ``rule``."""


@attrs.define
class Manners:
    """How the control plane behaves: which generation it plays, how strict it is, its policy."""

    profile: str = attrs.field(
        default=checking.PROFILES[0], validator=attrs.validators.in_(checking.PROFILES)
    )
    mode: str = attrs.field(
        default=checking.MODES[0], validator=attrs.validators.in_(checking.MODES)
    )
    policy: Policy | None = None


class Workloads:
    """Answer requests that change trainings, and the one that shows one."""

    def __init__(
        self, control: TrainingControl, renderer: Renderer, manners: Callable[[], Manners]
    ) -> None:
        self._control = control
        self._renderer = renderer
        self._manners = manners

    async def create(self, call: Call) -> web.Response:
        """Take a training."""
        body = await json_object(call.request)
        manners = self._manners()
        violations = checking.check(body, manners.profile, manners.mode)
        if violations:
            text = "; ".join(f"{path}: {why}" for path, why in violations)
            raise Refusal(400, "The training is not valid", details=text)
        issues = [] if manners.policy is None else list(manners.policy(body.get("spec") or {}))
        if issues:
            raise Refusal(400, "The training does not comply with the policy", issues=issues)
        project = self._control.org.project(body["projectId"])
        if project is None:
            raise Refusal(400, f"There is no project {body['projectId']}")
        may(call.caller, project.id, change=True)
        if str(body["clusterId"]).lower() != project.cluster:
            raise Refusal(400, f"Project {project.id} is not on cluster {body['clusterId']}")
        if body.get("templateId") is not None:
            raise Refusal(400, f"There is no template {body['templateId']}")
        workload = await self._store(call, body, project.id, project.cluster)
        status = 200 if manners.profile == checking.PROFILES[0] else 202
        return web.json_response(self._renderer.training(workload), status=status)

    async def _store(
        self, call: Call, body: dict[str, Any], project: int, cluster: str
    ) -> Workload:
        now = time.time()
        for _ in range(_TRIES):
            name = body["name"]
            if body.get("useGivenNameAsPrefix"):
                name = f"{name}-{suffix()}"
            workload = Workload(
                id=str(uuid.uuid4()),
                name=name,
                requested_name=body["name"],
                project=project,
                cluster=cluster,
                created_by=call.caller.name,
                created_at=now,
                phase_at=now,
                spec=body.get("spec"),
            )
            try:
                await self._control.create(workload)
            except DuplicateName as taken:
                if body.get("useGivenNameAsPrefix"):
                    continue
                raise Refusal(
                    409,
                    f"The name {name!r} is used already in project {project}",
                    details=f"by workload {taken}",
                ) from None
            return workload
        raise Refusal(409, f"No free name begins with {body['name']!r}")

    async def get(self, call: Call) -> web.Response:
        """Show a training."""
        workload = await found(self._control, call)
        return web.json_response(self._renderer.training(workload))

    async def delete(self, call: Call) -> web.Response:
        """Delete a training."""
        await self._act(call, DELETED)
        if self._manners().profile == checking.PROFILES[0]:
            return web.Response(status=204)
        return accepted()

    async def suspend(self, call: Call) -> web.Response:
        """Stop a training; it keeps what it has written to its volumes."""
        await self._act(call, STOPPED)
        return accepted()

    async def resume(self, call: Call) -> web.Response:
        """Start a stopped training again."""
        await self._act(call, RUNNING)
        return accepted()

    async def _act(self, call: Call, desired: str) -> None:
        workload = await found(self._control, call, change=True)
        try:
            await self._control.want(workload.id, desired)
        except KeyError:
            raise Refusal(404, f"There is no workload {workload.id}") from None
        except ValueError as error:
            raise Refusal(409, f"Workload {workload.id} {error}") from None

    async def batch(self, call: Call) -> web.Response:
        """Do one thing with many workloads; each succeeds or fails for itself."""
        body = await json_object(call.request)
        ids, action = body.get("ids"), body.get("action")
        if action not in _ACTIONS:
            raise Refusal(400, f"action must be one of {', '.join(_ACTIONS)}")
        if not isinstance(ids, list) or not 1 <= len(ids) <= _MOST_IN_BATCH:
            raise Refusal(400, f"ids must be a list of 1 to {_MOST_IN_BATCH} workload ids")
        for one in ids:
            checked_id(one if isinstance(one, str) else "")
        succeeded: list[str] = []
        failed: list[dict[str, Any]] = []
        for one in dict.fromkeys(checked_id(one) for one in ids):
            try:
                await self._act(attrs.evolve(call, parts={"id": one}), _ACTIONS[action])
            except Refusal as refusal:
                failed.append({"id": one, "code": refusal.status, "message": refusal.message})
            else:
                succeeded.append(one)
        return web.json_response(
            {"id": str(uuid.uuid4()), "succeeded": succeeded, "failed": failed}
        )
