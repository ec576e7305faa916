"""Single requests of the control plane (grid-artifacts.md §3.2, §6)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Unpack
from urllib.parse import quote

from yarl import URL

from ..concurrency import SingleFlight, scoped_iterator
from ..errors import IllegalArgumentError, ProtocolError
from ..transport import Options, Transport
from .models import Experiment, ExperimentEvent, ExperimentPhase, GridCluster, GridRun, RunPhase
from .wire import (
    decode_cluster,
    decode_events,
    decode_experiment,
    decode_run,
    items_of,
    next_token,
    text_at,
)

Pairs = list[tuple[str, str]]

_HISTORIC_CLUSTER = "prod-2"
_RESTARTS = 3


class GridService:
    """Speak to the control plane at *base*, about one cluster.

    Without a *cluster* it is the server's default one, which is asked for once.
    """

    def __init__(
        self,
        transport: Transport,
        base: URL,
        cluster: str | None,
        *,
        artifacts_per_page: int = 1000,
    ) -> None:
        self._transport = transport
        self._per_page = str(artifacts_per_page)
        self._base = base
        self._cluster = cluster
        self._asking: SingleFlight[str] = SingleFlight()

    async def cluster_id(self) -> str:
        """Return the cluster that requests are about."""
        if self._cluster is None:
            self._cluster = await self._asking.run("cluster", self._default_cluster)
        return self._cluster

    async def _default_cluster(self) -> str:
        params = [("phaseNotIn", "CLUSTER_STATE_DELETED")]
        answer = await self._asked("GET", self.root("clusters"), params=params)
        return text_at(answer, "defaultCluster") or _HISTORIC_CLUSTER

    def root(self, *path: str) -> URL:
        """Return the address of something below ``/v1/core``."""
        tail = "".join(f"/{quote(part, safe='')}" for part in path)
        return URL(f"{str(self._base).rstrip('/')}/v1/core{tail}", encoded=True)

    async def url(self, *path: str) -> URL:
        """Return the address of something below the cluster."""
        return self.root(await self.cluster_id(), *path)

    async def json(self, method: str, *path: str, **options: Unpack[Options]) -> Any:
        """Send a request about something in the cluster."""
        return await self._asked(method, await self.url(*path), **options)

    async def _asked(self, method: str, url: URL, **options: Unpack[Options]) -> Any:
        # Requests without a body carry it too (§8).
        options["headers"] = {"Content-Type": "application/json"}
        return await self._transport.json(method, url, **options)

    async def cluster(self) -> GridCluster:
        """Read what is known of the cluster."""
        url = self.root("clusters", await self.cluster_id())
        return decode_cluster(await self._asked("GET", url))

    async def run(self, id: str) -> GridRun:
        """Read a run by its id."""
        return decode_run(await self.json("GET", "runs", id))

    async def experiment(self, id: str) -> Experiment:
        """Read an experiment by its id."""
        return decode_experiment(await self.json("GET", "experiments", id))

    async def events(self, id: str) -> tuple[ExperimentEvent, ...]:
        """Read what happened to an experiment."""
        return decode_events(await self.json("GET", "experiments", id, "events"))

    async def submit(self, body: Mapping[str, Any]) -> GridRun:
        """Make a run in one attempt: a lost answer does not say what happened."""
        return decode_run(await self.json("POST", "runs", json=body, idempotent=False, retry=None))

    async def stop_run(self, id: str) -> None:
        """Ask for the end of a run."""
        await self._stop("runs", id, RunPhase.CANCELLED.wire)

    async def stop_experiment(self, id: str) -> None:
        """Ask for the end of an experiment."""
        await self._stop("experiments", id, ExperimentPhase.CANCELLED.wire)

    async def _stop(self, kind: str, id: str, state: str) -> None:
        await self.put_state(kind, id, await self.json("GET", kind, id), state)

    async def put_state(self, kind: str, id: str, found: Any, state: str) -> None:
        """Send back what was *found* with another wish: the wire wants the whole spec (§8)."""
        if not isinstance(found, Mapping):
            raise ProtocolError(f"The answer is not one of the {kind}: $ is not an object")
        body = {
            "name": found.get("name"),
            "spec": {**(found.get("spec") or {}), "desiredState": state},
        }
        await self.json("PUT", kind, id, json=body)

    async def delete(self, kind: str, id: str) -> None:
        """Remove a run or an experiment with all that belongs to it."""
        await self._transport.send("DELETE", await self.url(kind, id), json={})

    @scoped_iterator
    async def artifacts(self, id: str) -> AsyncIterator[Sequence[Mapping[str, Any]]]:
        """Yield the pages of the artifacts of an experiment."""
        async with self.listed(
            "artifacts",
            "experiments",
            id,
            "artifacts",
            query=[("pageSize", self._per_page)],
            identity="filename",
        ) as pages:
            async for page in pages:
                yield page

    @scoped_iterator
    async def listed(
        self, key: str, *path: str, query: Pairs, identity: str = "id"
    ) -> AsyncIterator[Sequence[Mapping[str, Any]]]:
        """Yield the pages of a listing.

        A page token that the server does not know any more starts it anew; what was told before,
        by the field *identity*, is left out then.

        Raises:
            ProtocolError: it is no listing, or goes round in circles.
        """
        url = await self.url(*path)
        told: set[str] = set()
        for restart in range(_RESTARTS + 1):
            token, tokens = "", set[str]()
            while True:
                params = [*([("pageToken", token)] if token else []), *query]
                try:
                    page = await self._asked("GET", url, params=params)
                except IllegalArgumentError as error:
                    if not token or error.status != 400 or restart == _RESTARTS:
                        raise
                    break
                items = items_of(page, key)
                fresh = [item for item in items if _told(item, identity) not in told]
                told.update(_told(item, identity) for item in fresh)
                yield fresh
                token = next_token(page)
                if not token:
                    return
                if token in tokens:
                    raise ProtocolError(
                        f"The listing of {key} goes round in circles: the server gave the same "
                        "page token twice"
                    )
                tokens.add(token)


def _told(item: Any, identity: str) -> str:
    return str(item.get(identity)) if isinstance(item, Mapping) else ""
