"""What the handlers share: a request with its caller, and finding what a path names."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence

import attrs
from aiohttp import web

from ..base import Platform
from .accounts import User
from .answers import DENIED, INVALID, NOT_FOUND, Refusal
from .control import GridControl
from .models import Experiment, Run

MOST = 1000
"""Items of a page."""


@attrs.frozen
class Call:
    """A request, who makes it, and the parts of its path."""

    request: web.Request
    user: User
    parts: Mapping[str, str]
    api_key: str = attrs.field(default="", repr=False)

    def all(self, name: str) -> list[str]:
        """Return the values of a repeated key of the query."""
        return [value for value in self.request.query.getall(name, []) if value]

    def size(self, *names: str, default: int = MOST) -> int:
        """Return the size of the page that is asked for; raises 400."""
        for name in names:
            text = self.request.query.get(name, "")
            if text:
                if not (text.isascii() and text.isdigit() and len(text) < 10 and int(text)):
                    raise Refusal(INVALID, f"{name} must be a positive number, not {text!r}")
                return min(int(text), MOST)
        return default


class Tokens:
    """Make and read the tokens that name the next page of one listing of one caller."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self.generation = 0
        """Tokens of an earlier one are refused."""

    def made(self, call: Call, place: str) -> str:
        """Return the token for what comes behind a place."""
        text = json.dumps([place, self._mark(call, place)])
        return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")

    def place(self, call: Call) -> str:
        """Return the place that the request goes on from, "" for the beginning; raises 400."""
        token = call.request.query.get("pageToken", "")
        if not token:
            return ""
        try:
            padded = token + "=" * (-len(token) % 4)
            place, mark = json.loads(base64.urlsafe_b64decode(padded.encode("ascii")))
            good = hmac.compare_digest(mark, self._mark(call, place))
        except (ValueError, TypeError, RecursionError):
            good = False
        if not good:
            raise Refusal(INVALID, "the page token is not one of this listing; begin it again")
        return str(place)

    def _mark(self, call: Call, place: str) -> str:
        pairs = sorted(
            pair
            for pair in call.request.query.items()
            if pair[0] not in ("pageToken", "pageSize", "limit")
        )
        text = json.dumps([self.generation, call.user.id, call.request.path, pairs, place])
        return hmac.new(self._key, text.encode(), hashlib.sha256).hexdigest()[:32]


class Finder:
    """Find what requests name; what is another user's may be read, not changed."""

    def __init__(self, platform: Platform, control: GridControl) -> None:
        self._clusters = platform.settings.clusters
        self._control = control

    def cluster(self, call: Call) -> str:
        """Return the cluster of the path; raises 404."""
        name = call.parts["cluster"]
        if name not in self._clusters:
            raise Refusal(NOT_FOUND, f"there is no cluster {name}")
        return name

    async def run(self, call: Call, *, change: bool = False) -> Run:
        """Return the run of the path; raises 403 and 404."""
        cluster, run_id = self.cluster(call), call.parts["id"].lower()
        found = await self._control.store.run(run_id)
        if found is None or found.cluster != cluster:
            raise Refusal(NOT_FOUND, f"there is no run {call.parts['id']}")
        self._may(call, found.user, found.name, change=change)
        return found

    async def experiment(self, call: Call, *, change: bool = False) -> Experiment:
        """Return the experiment of the path; raises 403 and 404."""
        cluster, experiment_id = self.cluster(call), call.parts["id"].lower()
        found = await self._control.ledger.get(experiment_id)
        if found is None or found.cluster != cluster:
            raise Refusal(NOT_FOUND, f"there is no experiment {call.parts['id']}")
        self._may(call, found.user, found.name, change=change)
        return found

    def _may(self, call: Call, owner: str, name: str, *, change: bool) -> None:
        if change and owner != call.user.id:
            raise Refusal(DENIED, f"{name} is another user's: {call.user.name} may only read it")


def page(items: Sequence[object], name: str, next_token: str) -> dict[str, object]:
    """Return a page of a listing; an absent token would make clients go on (§8)."""
    return {name: items, "nextPageToken": next_token, "previousPageToken": ""}
