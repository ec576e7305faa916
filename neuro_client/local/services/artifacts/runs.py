"""Requests about runs (grid-artifacts.md §3.2)."""

from __future__ import annotations

import asyncio
import os
import re
import time
from collections.abc import Mapping
from typing import Any

import attrs
from aiohttp import web

from . import bodies, render, sweeps
from .answers import EXISTS, INVALID, Refusal, json_object
from .calls import Call, Finder, Tokens, page
from .control import GridControl
from .datastores import Datastores
from .ids import new_id
from .links import Links
from .models import CANCELLED, RUN, SUCCEEDED, Experiment, Run, phase_of_run
from .store import DuplicateName

UPLOADS = "/uploads"
"""Where sources are sent to."""
_AGAIN = re.compile(r"-again(-[0-9]+)?$")


class SourceMissing(Exception):
    """There is nothing that an experiment could be run from again."""


class Runs:
    """Answer requests about runs."""

    def __init__(
        self,
        control: GridControl,
        finder: Finder,
        tokens: Tokens,
        links: Links,
        datastores: Datastores,
    ) -> None:
        self.control = control
        self._finder = finder
        self._tokens = tokens
        self._links = links
        self._datastores = datastores

    async def create(self, call: Call) -> web.Response:
        """Take a run; its experiments begin when its source is there."""
        cluster = self._finder.cluster(call)
        body = await json_object(call.request)
        run = await self.submit(body, cluster, call.user.id)
        return web.json_response(await self._told(run))

    async def submit(self, body: Mapping[str, Any], cluster: str, user: str) -> Run:
        """Make a run of what was posted; raises a `Refusal`."""
        name, spec = bodies.run_name(body), bodies.run_spec(body, cluster, user)
        await self._datastores.mounted(spec["datastores"], cluster)
        try:
            commands = sweeps.commands(
                spec["runControllerCommand"], spec["sweepType"], spec["sweepOptions"]
            )
        except sweeps.SweepError as error:
            raise Refusal(INVALID, f"spec.runControllerCommand: {error}") from None
        fields = bodies.Fields(body, "")
        run = Run(
            id=new_id(),
            name=name,
            description=fields.text("description"),
            cluster=cluster,
            user=user,
            created_at=time.time(),
            spec=spec,
            local_dir=fields.flag("localDir"),
        )
        try:
            await self.control.create(run, _experiments(run, commands))
        except DuplicateName:
            raise Refusal(EXISTS, f"the run {name} exists already; choose another name") from None
        return run

    async def again(self, experiment: Experiment) -> Experiment:
        """Run an experiment once more, as a run of its own; raises `SourceMissing`."""
        run = await self.control.store.run(experiment.run)
        if run is None or run.source is None or experiment.scripted:
            raise SourceMissing(f"There is no source to run {experiment.name} from")
        places, number = self.control.places, 1
        stem = _AGAIN.sub("", run.name)
        while True:
            name = f"{stem}-again" if number == 1 else f"{stem}-again-{number}"
            new = attrs.evolve(
                run, id=new_id(), name=name, created_at=time.time(), desired=SUCCEEDED
            )
            [made] = _experiments(new, [list(experiment.command)])
            try:
                await asyncio.to_thread(os.link, places.source(run.id), places.source(new.id))
                await self.control.create(new, [made])
            except FileNotFoundError:
                raise SourceMissing(f"The source of {run.name} is gone") from None
            except DuplicateName:
                await asyncio.to_thread(places.source(new.id).unlink)
                number += 1
            else:
                return made

    async def list(self, call: Call) -> web.Response:
        """List runs, the newest first; one's own unless users are named."""
        where, values = ["cluster = ?"], [self._finder.cluster(call)]
        users = call.all("userIds") or [call.user.id]
        where.append(f"user IN ({', '.join('?' * len(users))})")
        values += users
        if query := call.request.query.get("query", ""):
            where.append("substr(name, 1, ?) = ?")
            values += [len(query), query]  # type: ignore[list-item]
        runs = await self.control.store.runs(" AND ".join(where), values, -1)
        rows = await self.control.store.phases([run.id for run in runs])
        wanted, unwanted = set(call.all("phaseIn")), set(call.all("phaseNotIn"))
        chosen = []
        for run in runs:
            phase = f"{RUN}{phase_of_run(row['phase'] for row in rows[run.id])}"
            if (not wanted or phase in wanted) and phase not in unwanted:
                chosen.append(run)
        place, size = self._tokens.place(call), call.size("pageSize", "limit")
        left = [run for run in chosen if not place or run.id < place]
        told = [render.run(run, rows[run.id], self._upload(run)) for run in left[:size]]
        token = self._tokens.made(call, left[size - 1].id) if len(left) > size else ""
        return web.json_response({**page(told, "runs", token), "totalSize": str(len(chosen))})

    async def get(self, call: Call) -> web.Response:
        """Tell about a run."""
        return web.json_response(await self._told(await self._finder.run(call)))

    async def update(self, call: Call) -> web.Response:
        """Stop a run, if that is asked for; the rest of what is sent is an echo (§8)."""
        run = await self._finder.run(call, change=True)
        body = await json_object(call.request)
        if bodies.desired_of_run(body, run.desired) == CANCELLED:
            await self.control.stop_run(run.id)
            run = await self._finder.run(call)
        return web.json_response(await self._told(run))

    async def delete(self, call: Call) -> web.Response:
        """Delete a run with all that belongs to it."""
        await self.control.delete_run(await self._finder.run(call, change=True))
        return web.json_response({})

    async def _told(self, run: Run) -> dict[str, Any]:
        rows = await self.control.store.phases([run.id])
        return render.run(run, rows[run.id], self._upload(run))

    def _upload(self, run: Run) -> str:
        """Return the link for the source of a run that still waits for it."""
        if not run.local_dir or run.source is not None:
            return ""
        return self._links.made("PUT", f"{UPLOADS}/{run.id}", run.created_at)


def _experiments(run: Run, commands: list[list[str]]) -> list[Experiment]:
    return [
        Experiment(
            id=new_id(),
            run=run.id,
            number=number,
            name=f"{run.name}-exp{number}",
            cluster=run.cluster,
            user=run.user,
            created_at=run.created_at,
            command=tuple(command),
            phase_at=run.created_at,
        )
        for number, command in enumerate(commands)
    ]
