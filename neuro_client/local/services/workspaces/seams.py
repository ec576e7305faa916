"""What tests and owners of a local platform do with its workspaces; ``platform.workspaces``."""

from __future__ import annotations

import time

import attrs

from ...faults import Fault
from ..base import Platform
from .accounts import Accounts, User
from .control import TaskControl, Timing
from .hosts import BucketKey, BucketUsage
from .objects import Objects
from .storage import Links


class Clock:
    """Tell the time, some seconds off if wanted."""

    def __init__(self) -> None:
        self.offset = 0.0

    def __call__(self) -> float:
        """Return the time in seconds of the epoch."""
        return time.time() + self.offset


@attrs.frozen
class Member:
    """A user as his client needs to know him."""

    username: str
    api_key: str = attrs.field(repr=False)
    bucket: str
    access_key_id: str
    secret_access_key: str = attrs.field(repr=False)


class LocalWorkspaces:
    """Set up and steer the local platform of workspaces.

    ``links`` says how presigned upload links are made (``lifetime``, ``age``, ``part``); ``clock``
    is what sessions and tasks go by (``clock.offset`` in seconds); ``timing`` holds durations.
    """

    def __init__(
        self,
        platform: Platform,
        control: TaskControl,
        accounts: Accounts,
        links: Links,
        clock: Clock,
    ) -> None:
        self.control = control
        self.links = links
        self.clock = clock
        self._platform = platform
        self._accounts = accounts

    @property
    def timing(self) -> Timing:
        """Return the durations tasks go by."""
        return self.control.timing

    @property
    def image(self) -> str:
        """Return the image that tasks run in on a runner with containers; process has none."""
        return self.control.launcher.image

    @image.setter
    def image(self, image: str) -> None:
        self.control.launcher.image = image

    @property
    def token_lifetime(self) -> float:
        """Return how many seconds access tokens of a login are good for, from now on."""
        return self._accounts.token_lifetime

    @token_lifetime.setter
    def token_lifetime(self, seconds: float) -> None:
        self._accounts.token_lifetime = seconds

    async def add_user(
        self, username: str, *, email: str | None = None, password: str | None = None
    ) -> Member:
        """Add a user with a bucket, or give one that is there another API key.

        With ``email`` and ``password`` he can log in with them.
        """
        await self._accounts.add_user(username)
        if email is not None and password is not None:
            await self._accounts.set_password(username, email, password)
        return await self.member(username, await self.add_key(username))

    async def member(self, username: str, api_key: str = "") -> Member:
        """Return what the client of a user needs, as it is now."""
        user = await self._user(username)
        key = await self._accounts.bucket_key(user)
        return Member(username, api_key, user.bucket, key.access_key_id, key.secret_access_key)

    async def add_key(self, username: str, *, live: bool = False) -> str:
        """Make another API key of a user, ``rsk_live_…`` or ``rsk_dev_…``."""
        return await self._accounts.add_key((await self._user(username)).username, live=live)

    async def remove_key(self, api_key: str) -> None:
        """Make an API key worthless."""
        await self._accounts.remove_key(api_key)

    async def close_sessions(self, username: str) -> None:
        """Make the refresh cookies of a user worthless."""
        await self._accounts.close_sessions(username)

    async def set_quota(
        self, username: str, *, size: int | None = None, objects: int | None = None
    ) -> None:
        """Limit bytes and objects of a user's bucket; None lifts a limit."""
        user = await self._user(username)
        await self._accounts.host.set_quotas(user.bucket, size, objects)

    async def usage(self, username: str) -> BucketUsage:
        """Count what a user's bucket holds."""
        return await self._accounts.host.usage((await self._user(username)).bucket)

    async def sweep(self, username: str, older_than: float = 0.0) -> int:
        """Abort unfinished uploads older than so many seconds; return how many there were."""
        user = await self._user(username)
        return await self._accounts.host.sweep(user.bucket, older_than)

    async def objects(self, username: str) -> Objects:
        """Return a user's bucket as the platform itself reaches it."""
        return await self.control.objects(username)

    def refuse_part(self, number: int, *, times: int | None = 1) -> Fault:
        """Answer the next so many requests to store a part of that number with Garage's 503.

        For the platform's own S3 endpoint only.
        """
        body = (
            '<?xml version="1.0" encoding="UTF-8"?><Error><Code>ServiceUnavailable</Code>'
            "<Message>Internal error: Timeout</Message></Error>"
        )
        headers = {"Content-Type": "application/xml"}
        return self._platform.faults.add(
            _part(number), status=503, times=times, headers=headers, body=body
        )

    def falsify_tag(self, number: int, *, times: int | None = 1) -> Fault:
        """Answer the next so many requests to store a part of that number with a wrong ETag.

        For the platform's own S3 endpoint only; the bytes are not kept.
        """
        headers = {"ETag": f'"{"0" * 32}"'}
        return self._platform.faults.add(_part(number), status=200, times=times, headers=headers)

    async def _user(self, username: str) -> User:
        try:
            return await self._accounts.user(username)
        except KeyError:
            raise ValueError(f"There is no user {username!r} of workspaces") from None


def _part(number: int) -> str:
    return f"PUT partNumber={number}&"


__all__ = ["BucketKey", "Clock", "LocalWorkspaces", "Member"]
