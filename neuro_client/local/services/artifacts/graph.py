"""The older interface: GraphQL for the logs, over WebSockets while an experiment runs (§8)."""

from __future__ import annotations

import asyncio
import importlib
import json
import logging
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Any

import attrs
from aiohttp import WSMsgType, web

from .accounts import Accounts, User
from .answers import NOT_FOUND, UNAUTHENTICATED, Refusal, json_object
from .control import GridControl
from .logs import Line, Logs, status_word
from .models import Experiment
from .sweeps import parameters

logger = logging.getLogger(__name__)

_USER, _KEY = "X-Grid-User", "X-Grid-Key"
_NEW, _OLD = "graphql-transport-ws", "graphql-ws"
_HEARTBEAT = 30.0
_INIT_TIME = 10.0
_MOST_STREAMS = 50
_UNAUTHORIZED, _INVALID = 4401, 4400


class Graph:
    """Answer requests of the older interface."""

    def __init__(self, accounts: Accounts, control: GridControl, logs: Logs) -> None:
        self._accounts = accounts
        self._control = control
        self._logs = logs

    async def query(self, request: web.Request) -> web.Response:
        """Answer a query."""
        headers = request.headers
        if _USER in headers:
            user = self._accounts.sign_in(headers[_USER], headers.get(_KEY))
        else:
            user, _ = self._accounts.caller(request)
        body = await json_object(request)
        schema = await _schema()
        found = await schema.answer(self._root(user), _text(body), _variables(body))
        return web.json_response(found)

    async def subscriptions(self, request: web.Request) -> web.StreamResponse:
        """Speak the protocol that the client names, the newer one if it knows both."""
        socket = web.WebSocketResponse(protocols=(_NEW, _OLD), heartbeat=_HEARTBEAT)
        await socket.prepare(request)
        try:
            conversation = _Conversation(socket, self)
            async with asyncio.TaskGroup() as group:
                await conversation.hold(group)
        finally:
            await socket.close()
        return socket

    def signed_in(self, payload: Any) -> User:
        """Return who begins a conversation; raises 401."""
        if not isinstance(payload, Mapping):
            raise Refusal(UNAUTHENTICATED, "the connection_init needs a payload that signs in")
        return self._accounts.sign_in(payload.get(_USER), payload.get(_KEY))

    async def follow(
        self, user: User, payload: Any
    ) -> AsyncGenerator[dict[str, Any], None] | list[dict[str, Any]]:
        """Begin a subscription."""
        body = payload if isinstance(payload, Mapping) else {}
        schema = await _schema()
        found: AsyncGenerator[dict[str, Any], None] | list[dict[str, Any]]
        found = await schema.follow(self._root(user), _text(body), _variables(body))
        return found

    def _root(self, user: User) -> _Root:
        return _Root(user, self._accounts, self._control, self._logs)


class _Conversation:
    """Hold one WebSocket's subscriptions."""

    def __init__(self, socket: web.WebSocketResponse, graph: Graph) -> None:
        self._socket = socket
        self._graph = graph
        self._user: User | None = None
        self._streams: dict[str, asyncio.Task[None]] = {}
        self._new = socket.ws_protocol == _NEW

    async def hold(self, group: asyncio.TaskGroup) -> None:
        """Answer messages until the client leaves."""
        try:
            async for message in self._socket:
                if message.type is not WSMsgType.TEXT or not await self._take(group, message.data):
                    break
        finally:
            for task in self._streams.values():
                task.cancel()

    async def _take(self, group: asyncio.TaskGroup, text: str) -> bool:
        """Act on one message; False if the conversation is over."""
        try:
            message = json.loads(text)
            kind, name = message.get("type"), str(message.get("id", ""))
        except (ValueError, AttributeError, RecursionError):
            await self._socket.close(code=_INVALID, message=b"The message is not JSON")
            return False
        if kind == "connection_init":
            return await self._begin(message.get("payload"))
        if kind == "ping":
            await self._send("pong")
        elif kind in ("subscribe", "start"):
            if self._user is None:
                await self._socket.close(code=_UNAUTHORIZED, message=b"Unauthorized")
                return False
            if name in self._streams or len(self._streams) >= _MOST_STREAMS:
                await self._socket.close(code=4409, message=b"Subscriber already exists")
                return False
            work = self._stream(self._user, name, message.get("payload"))
            self._streams[name] = group.create_task(work)
        elif kind in ("complete", "stop") and name in self._streams:
            self._streams[name].cancel()
        return bool(kind != "connection_terminate")

    async def _begin(self, payload: Any) -> bool:
        try:
            self._user = self._graph.signed_in(payload)
        except Refusal as refusal:
            if not self._new:
                await self._send("connection_error", payload={"message": str(refusal)})
            await self._socket.close(code=_UNAUTHORIZED, message=b"Unauthorized")
            return False
        await self._send("connection_ack")
        return True

    async def _stream(self, user: User, name: str, payload: Any) -> None:
        """Send the results of one subscription; a slow client holds up only its own."""
        try:
            found = await self._graph.follow(user, payload)
            if isinstance(found, list):
                await self._send("error", name, found if self._new else found[0])
                return
            async with aclosing(found) as results:
                async for result in results:
                    await self._send("next" if self._new else "data", name, result)
            await self._send("complete", name)
        except ConnectionError:
            return  # the client has left
        except Exception as error:
            logger.exception("a subscription failed")
            failed = {"message": f"Unexpected exception: {error}"}
            await self._send("error", name, [failed] if self._new else failed)
        finally:
            self._streams.pop(name, None)

    async def _send(self, kind: str, name: str = "", payload: Any = None) -> None:
        message = {"type": kind}
        if name:
            message["id"] = name
        if payload is not None:
            message["payload"] = payload
        await self._socket.send_json(message)


@attrs.frozen
class _Root:
    """Resolve the fields of queries; the names are the schema's."""

    user: User
    accounts: Accounts
    control: GridControl
    logs: Logs

    def getUser(self, info: Any) -> dict[str, Any]:
        return {
            "userId": self.user.id,
            "username": self.user.name,
            "firstName": "",
            "lastName": "",
            "email": "",
            "isVerified": True,
            "completedSignup": True,
            "isBlocked": False,
        }

    def getUserTeams(self, info: Any) -> dict[str, Any]:
        users = self.accounts.users
        members = [
            {"id": user.id, "username": user.name, "firstName": "", "lastName": ""}
            for user in users
        ]
        team = {
            "id": users[0].id,
            "name": "local",
            "createdAt": _moment(users[0].since),
            "role": "member",
            "members": members,
        }
        return {"success": True, "message": "", "teams": [team]}

    async def getExperimentId(
        self,
        info: Any,
        experimentName: str,
        username: str | None = None,
    ) -> dict[str, Any]:
        where, values = "name = ? AND phase <> 'DELETED'", [experimentName]
        found = await self.control.store.experiments(where, values, -1)
        own = [one for _, one in found if one.user == self.user.id] or [one for _, one in found]
        if not own:
            text = f"There is no experiment {experimentName}"
            return {"success": False, "message": text, "experimentId": None}
        return {"success": True, "message": "", "experimentId": own[-1].id}

    async def getExperimentDetails(self, info: Any, experimentId: str) -> dict[str, Any]:
        found = await self._experiment(experimentId)
        run = await self.control.store.run(found.run)
        command = "" if run is None else str(run.spec["runControllerCommand"])
        return {
            "experimentId": found.id,
            "name": found.name,
            "status": status_word(found),
            "desiredState": found.desired.lower(),
            "githubId": "" if run is None else str(run.spec["sourceCode"]),
            "commitSha": "",
            "entrypoint": command.partition(" ")[0],
            "invocationCommands": command,
            "createdAt": _moment(found.created_at),
            "startedRunningAt": _moment(found.started_at),
            "finishedAt": _moment(found.finished_at),
            "run": {"runId": found.run, "name": "" if run is None else run.name},
            "parameters": [
                {"name": name, "value": value} for name, value in parameters(found.command)
            ],
        }

    async def getBuildLogs(
        self,
        info: Any,
        experimentId: str,
        start: Any = None,
        stop: Any = None,
    ) -> list[dict[str, str]]:
        lines = await self.logs.build(await self._experiment(experimentId))
        return _within(lines, start, stop)

    async def getExperimentLogs(
        self,
        info: Any,
        experimentId: str,
        start: Any = None,
        stop: Any = None,
    ) -> dict[str, Any]:
        lines = await self.logs.script(await self._experiment(experimentId))
        return {"success": True, "message": "", "lines": _within(lines, start, stop)}

    async def getLiveBuildLogs(
        self,
        info: Any,
        experimentId: str,
        tailLines: int | None = None,
    ) -> AsyncGenerator[dict[str, Any], None]:
        found = await self._experiment(experimentId)
        return _told("getLiveBuildLogs", self.logs.follow_build(found.id))

    async def getLiveExperimentLogs(
        self,
        info: Any,
        experimentId: str,
        limit: int | None = None,
    ) -> AsyncGenerator[dict[str, Any], None]:
        found = await self._experiment(experimentId)
        return _told("getLiveExperimentLogs", self.logs.follow(found.id))

    async def _experiment(self, experiment_id: str) -> Experiment:
        found = await self.control.ledger.get(experiment_id.lower())
        if found is None:
            raise Refusal(NOT_FOUND, f"there is no experiment {experiment_id}")
        return found


async def _told(
    name: str, lines: AsyncGenerator[Sequence[Line], None]
) -> AsyncGenerator[dict[str, Any], None]:
    async with aclosing(lines) as found:
        async for some in found:
            yield {name: [attrs.asdict(line) for line in some]}


def _within(lines: list[Line], start: Any, stop: Any) -> list[dict[str, str]]:
    """Choose the lines of a span of time; times are texts that sort."""
    return [
        attrs.asdict(line)
        for line in lines
        if (not start or line.timestamp >= str(start)) and (not stop or line.timestamp <= str(stop))
    ]


def _moment(seconds: float | None) -> str | None:
    """Write a time as older parsers of Python read it: without a Z."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat()


async def _schema() -> Any:
    """Load the library; that takes a while, and only the first time."""
    name = f"{__package__}.graph_schema"
    return await asyncio.to_thread(importlib.import_module, name)


def _text(body: Mapping[str, Any]) -> str:
    query = body.get("query")
    return query if isinstance(query, str) else ""


def _variables(body: Mapping[str, Any]) -> dict[str, Any]:
    variables = body.get("variables")
    return dict(variables) if isinstance(variables, Mapping) else {}
