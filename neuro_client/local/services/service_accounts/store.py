"""Keep the records of service accounts in the platform's database, without their tokens."""

from __future__ import annotations

import sqlite3

import attrs

from ...state import State

SCHEMA = """
CREATE TABLE IF NOT EXISTS service_accounts (
    id TEXT PRIMARY KEY,
    name TEXT,
    owner TEXT NOT NULL,
    role TEXT NOT NULL UNIQUE,
    default_cluster TEXT NOT NULL,
    created_at TEXT NOT NULL,
    UNIQUE (owner, name)
);
"""


class NameTakenError(Exception):
    """Report that the owner has an account of that name."""


@attrs.frozen
class Account:
    """Describe a service account; ``role`` is the user that its token speaks for."""

    id: str
    name: str | None
    owner: str
    role: str
    default_cluster: str
    created_at: str


_NAMES = tuple(field.name for field in attrs.fields(Account))


class AccountStore:
    """Read and write the records."""

    def __init__(self, state: State) -> None:
        self._state = state

    async def of(self, owner: str) -> list[Account]:
        """Return the accounts of a user, the oldest first."""
        return await self._where("owner=? ORDER BY rowid", owner)

    async def at(self, owner: str, key: str) -> Account | None:
        """Return an account of a user's by its id or name."""
        found = await self._where("owner=? AND ? IN (id, name) ORDER BY id=? DESC", owner, key, key)
        return found[0] if found else None

    async def insert(self, account: Account) -> None:
        """Add an account; ``NameTakenError`` if the owner has one of that name."""
        marks = ", ".join("?" * len(_NAMES))
        try:
            await self._state.execute(
                f"INSERT INTO service_accounts ({', '.join(_NAMES)}) VALUES ({marks})",
                attrs.astuple(account),
            )
        except sqlite3.IntegrityError:
            raise NameTakenError(account.name) from None

    async def delete(self, account: Account) -> None:
        """Forget an account."""
        await self._state.execute("DELETE FROM service_accounts WHERE id=?", (account.id,))

    async def _where(self, rule: str, *parameters: str) -> list[Account]:
        query = f"SELECT * FROM service_accounts WHERE {rule}"
        rows = await self._state.fetch_all(query, parameters)
        return [Account(**{name: row[name] for name in _NAMES}) for row in rows]
