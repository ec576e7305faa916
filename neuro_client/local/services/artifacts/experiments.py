"""Requests about experiments and their artifacts (grid-artifacts.md §3.2, §3.3)."""

from __future__ import annotations

from aiohttp import web

from . import bodies, render
from .answers import json_object
from .calls import Call, Finder, Tokens, page
from .control import GridControl
from .links import Links
from .models import CANCELLED, DELETED, EXPERIMENT, Artifact, Experiment, Run
from .troubles import Troubles


class Experiments:
    """Answer requests about experiments."""

    def __init__(
        self,
        control: GridControl,
        finder: Finder,
        tokens: Tokens,
        links: Links,
        troubles: Troubles,
    ) -> None:
        self._control = control
        self._finder = finder
        self._tokens = tokens
        self._links = links
        self._troubles = troubles

    async def list(self, call: Call) -> web.Response:
        """List experiments in the order they were made."""
        where, values = ["cluster = ?", "phase <> ?"], [self._finder.cluster(call), DELETED]

        def among(column: str, found: list[str], word: str = "IN") -> None:
            if found:
                where.append(f"{column} {word} ({', '.join('?' * len(found))})")
                values.extend(found)

        among("name", call.all("names"))
        among("run", call.all("runIds"))
        if not (call.all("names") or call.all("runIds")):
            among("user", [call.user.id])
        among("phase", [_phase(word) for word in call.all("phaseIn")])
        among("phase", [_phase(word) for word in call.all("phaseNotIn")], "NOT IN")
        everything = " AND ".join(where), list(values)
        place, size = self._tokens.place(call), call.size("limit", "pageSize")
        if place:
            where.append("seq > ?")
            values.append(int(place))  # type: ignore[arg-type]
        store = self._control.store
        found = await store.experiments(" AND ".join(where), values, size + 1)
        runs = {run_id: await store.run(run_id) for run_id in {one.run for _, one in found}}
        told = [_told(one, runs[one.run]) for _, one in found[:size]]
        token = self._tokens.made(call, str(found[size - 1][0])) if len(found) > size else ""
        total = str(await store.count_experiments(*everything))
        return web.json_response({**page(told, "experiments", token), "totalSize": total})

    async def get(self, call: Call) -> web.Response:
        """Tell about an experiment."""
        return web.json_response(await self._told(await self._finder.experiment(call)))

    async def update(self, call: Call) -> web.Response:
        """Stop an experiment, if that is asked for."""
        found = await self._finder.experiment(call, change=True)
        body = await json_object(call.request)
        if bodies.desired_of_experiment(body, found.desired) == CANCELLED:
            await self._control.stop(found.id)
            found = await self._finder.experiment(call)
        return web.json_response(await self._told(found))

    async def delete(self, call: Call) -> web.Response:
        """Delete an experiment with its artifacts and logs."""
        found = await self._finder.experiment(call, change=True)
        await self._control.delete(found.id)
        return web.json_response({})

    async def events(self, call: Call) -> web.Response:
        """List the steps of an experiment."""
        found = await self._finder.experiment(call)
        steps = await self._control.store.events(found.id)
        return web.json_response({"events": [render.event(step) for step in steps]})

    async def artifacts(self, call: Call) -> web.Response:
        """List what was captured so far, each file with a link."""
        found = await self._finder.experiment(call)
        place, size = self._tokens.place(call), call.size("pageSize", "limit")
        artifacts = await self._control.store.artifacts(found.id, place, size + 1)
        told = [
            render.artifact(one, self._troubles.md5(one), self.link(found, one))
            for one in artifacts[:size]
        ]
        more = len(artifacts) > size
        token = self._tokens.made(call, artifacts[size - 1].name) if more else ""
        token = self._troubles.token(call.request.query.get("pageToken", ""), token)
        return web.json_response(page(told, "artifacts", token))

    def link(self, experiment: Experiment, artifact: Artifact) -> str:
        """Return the present link of an artifact."""
        bucket = render.bucket(experiment.cluster)
        path = f"/{bucket}/experiments/{experiment.id}/artifacts/{artifact.name}"
        return self._links.made("GET", path, artifact.modified)

    async def _told(self, found: Experiment) -> dict[str, object]:
        return _told(found, await self._control.store.run(found.run))


def _told(found: Experiment, run: Run | None) -> dict[str, object]:
    return render.experiment(found, {} if run is None else run.spec)


def _phase(word: str) -> str:
    return word.removeprefix(EXPERIMENT)
