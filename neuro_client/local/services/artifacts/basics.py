"""Requests about the caller and the clusters (grid-artifacts.md §3.1, §8)."""

from __future__ import annotations

from aiohttp import web

from ..base import Platform
from . import render
from .accounts import Accounts
from .answers import json_object, timestamp
from .calls import Call, Finder


class Basics:
    """Answer requests about tokens, users and clusters."""

    def __init__(
        self, platform: Platform, accounts: Accounts, finder: Finder, since: float
    ) -> None:
        self._clusters = list(platform.settings.clusters)
        self._accounts = accounts
        self._finder = finder
        self._since = since

    async def login(self, request: web.Request) -> web.Response:
        """Give a token for a user id, or name, and an API key."""
        body = await json_object(request)
        user = self._accounts.sign_in(body.get("username"), body.get("apiKey"))
        return web.json_response({"token": self._accounts.issue(user, body.get("duration"))})

    async def refresh(self, call: Call) -> web.Response:
        """Give another token."""
        body = await json_object(call.request)
        return web.json_response({"token": self._accounts.issue(call.user, body.get("duration"))})

    async def user(self, call: Call) -> web.Response:
        """Tell who the caller is; the key is told to those only who have shown it."""
        return web.json_response(
            {
                "id": call.user.id,
                "username": call.user.name,
                "email": "",
                "firstName": "",
                "lastName": "",
                "pictureUrl": "",
                "apiKey": call.api_key,
                "status": {
                    "completedSignup": True,
                    "installedGrid": True,
                    "verified": True,
                    "verifiedAt": timestamp(call.user.since),
                },
            }
        )

    async def clusters(self, call: Call) -> web.Response:
        """List the clusters of a type and phase."""
        told = [render.cluster(name, call.user.id, self._since) for name in self._clusters]
        types, phases = call.all("clusterTypeIn"), call.all("phaseIn")
        unwanted = call.all("phaseNotIn")
        chosen = [
            one
            for one in told
            if (not types or one["spec"]["clusterType"] in types)
            and (not phases or one["status"]["phase"] in phases)
            and one["status"]["phase"] not in unwanted
        ]
        return web.json_response({"clusters": chosen, "defaultCluster": self._clusters[0]})

    async def cluster(self, call: Call) -> web.Response:
        """Tell about a cluster."""
        name = self._finder.cluster(call)
        return web.json_response(render.cluster(name, call.user.id, self._since))

    async def sessions(self, call: Call) -> web.Response:
        """Tell that there are no interactive sessions here."""
        return web.json_response({"sessions": []})
