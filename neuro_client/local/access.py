"""Who may do what: users, what was shared with them, and the rule that decides.

Facts: storage.md §3, disks-secrets-images-users-accounts.md §4. A permission on a URI covers all
below it. Actions are ordered ``deny < list < read < write < manage``; ``list`` is never stored: it
is what follows for the parents of something shared.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from yarl import URL

from .errors import not_allowed
from .settings import Settings
from .state import State

SCHEMA = """
CREATE TABLE IF NOT EXISTS users (
    name TEXT PRIMARY KEY
);
CREATE TABLE IF NOT EXISTS permissions (
    username TEXT NOT NULL,
    uri TEXT NOT NULL,
    action TEXT NOT NULL,
    PRIMARY KEY (username, uri)
);
"""
ACTIONS = ("deny", "list", "read", "write", "manage")
SCHEMES = ("storage", "job", "image", "secret", "disk", "blob", "flow")

Key = tuple[str, ...]
Wanted = Sequence[tuple[URL, str]]


def rank(action: str) -> int:
    """Return an action's place in the order."""
    return ACTIONS.index(action)


def is_name(text: str) -> bool:
    """Tell whether a text can name a user, or a role with its parts between slashes.

    The parts become folders and parts of URIs; dots would lead out of the homes they are put into.
    """
    return all(
        part and part.isprintable() and ":" not in part and not part.startswith((".", "~"))
        for part in text.split("/")
    )


def key_of(uri: URL) -> Key:
    """Split a URI into scheme, host and path components, decoded."""
    return (uri.scheme, uri.host or "", *(part for part in uri.path.split("/") if part))


class Access:
    """Answer what users may do, from memory; changes go to the state first."""

    def __init__(self, state: State, settings: Settings) -> None:
        self._state = state
        self._settings = settings
        self._grants: dict[str, dict[Key, str]] = {}
        self._changes = 0

    async def users(self) -> list[str]:
        """Return the names of all users."""
        rows = await self._state.fetch_all("SELECT name FROM users ORDER BY name")
        return [row["name"] for row in rows]

    async def exists(self, username: str) -> bool:
        """Tell whether there is such a user."""
        query = "SELECT 1 FROM users WHERE name=?"
        return await self._state.fetch_one(query, (username,)) is not None

    async def add_user(self, username: str) -> bool:
        """Add a user; False if the name is taken."""
        return bool(
            await self._state.execute("INSERT OR IGNORE INTO users VALUES (?)", (username,))
        )

    async def remove_user(self, username: str) -> bool:
        """Remove a user with all permissions; False if there is none."""
        async with self._state.transaction() as tx:
            await tx.execute("DELETE FROM permissions WHERE username=?", (username,))
            removed = await tx.execute("DELETE FROM users WHERE name=?", (username,))
        self._forget(username)
        return bool(removed)

    async def grant(self, username: str, uri: URL, action: str) -> None:
        """Give a user an action on a URI and on all below it."""
        await self._state.execute(
            "INSERT OR REPLACE INTO permissions VALUES (?, ?, ?)", (username, str(uri), action)
        )
        self._forget(username)

    async def revoke(self, username: str, uri: URL) -> bool:
        """Take back what was given on exactly this URI; False if nothing was."""
        changed = await self._state.execute(
            "DELETE FROM permissions WHERE username=? AND uri=?", (username, str(uri))
        )
        self._forget(username)
        return bool(changed)

    async def permissions(self, username: str) -> list[tuple[URL, str]]:
        """Return what a user has: the own homes, and what was given."""
        found = [(uri, "manage") for uri in self._homes(username)]
        found += [(uri, "read") for uri in self._clusters()]
        found += await self._given(username)
        return found

    async def shares(self) -> list[tuple[str, URL, str]]:
        """Return all that was given to anybody: user, URI, action."""
        rows = await self._state.fetch_all("SELECT * FROM permissions ORDER BY username, uri")
        return [(row["username"], URL(row["uri"]), row["action"]) for row in rows]

    async def action(self, username: str, uri: URL) -> str:
        """Return what a user may do on a URI; ``list`` if something below it is theirs."""
        return _action(await self._of(username), key_of(uri))

    async def children(self, username: str, uri: URL) -> Mapping[str, str]:
        """Return the components right below a URI on whose path something is the user's own.

        The values are the actions there, which may be just ``list``.
        """
        key = key_of(uri)
        grants = await self._of(username)
        names = {grant[len(key)] for grant in grants if grant[: len(key)] == key and grant != key}
        return {name: _action(grants, (*key, name)) for name in names}

    async def allowed(self, username: str, uri: URL, action: str) -> bool:
        """Tell whether a user may do ``action`` on a URI."""
        return rank(await self.action(username, uri)) >= rank(action)

    async def missing(self, username: str, wanted: Wanted) -> list[dict[str, str]]:
        """Return those of the wanted rights that a user does not have."""
        grants = await self._of(username)
        return [
            {"uri": str(uri), "action": action}
            for uri, action in wanted
            if rank(_action(grants, key_of(uri))) < rank(action)
        ]

    async def require(self, username: str, wanted: Wanted) -> None:
        """Refuse the request with 403 unless the user has all the wanted rights."""
        missing = await self.missing(username, wanted)
        if missing:
            raise not_allowed(missing)

    async def readable(self, username: str) -> Callable[[URL], bool]:
        """Return a quick test of which URIs a user may read."""
        return await self.may(username, "read")

    async def may(self, username: str, action: str) -> Callable[[URL], bool]:
        """Return a quick test of which URIs a user may do ``action`` on."""
        grants = await self._of(username)
        return lambda uri: rank(_action(grants, key_of(uri))) >= rank(action)

    async def _of(self, username: str) -> dict[Key, str]:
        found = self._grants.get(username)
        if found is None:
            found = {}
            before = self._changes
            for uri, action in await self.permissions(username):
                key = key_of(uri)
                found[key] = max(action, found.get(key, "deny"), key=rank)
            if before == self._changes:
                self._grants[username] = found
        return found

    def _forget(self, username: str) -> None:
        self._changes += 1
        self._grants.pop(username, None)

    async def _given(self, username: str) -> list[tuple[URL, str]]:
        query = "SELECT uri, action FROM permissions WHERE username=? ORDER BY uri"
        rows = await self._state.fetch_all(query, (username,))
        return [(URL(row["uri"]), row["action"]) for row in rows]

    def _homes(self, username: str) -> list[URL]:
        return [
            URL.build(
                scheme=scheme,
                host=cluster.name,
                path="/" + "/".join(part for part in (org, username) if part),
            )
            for cluster in self._settings.clusters.values()
            for org in cluster.orgs
            for scheme in SCHEMES
        ]

    def _clusters(self) -> list[URL]:
        return [
            URL.build(scheme="cluster", host=name, path="/access")
            for name in self._settings.clusters
        ]


def _action(grants: Mapping[Key, str], key: Key) -> str:
    best = "deny"
    for length in range(1, len(key) + 1):
        found = grants.get(key[:length])
        if found is not None:
            best = max(best, found, key=rank)
    if best == "deny" and any(grant[: len(key)] == key for grant in grants):
        return "list"
    return best
