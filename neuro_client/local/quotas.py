"""Limits of users and organisations, and what they have spent."""

from __future__ import annotations

import sqlite3
from decimal import Decimal

from .services.base import Quota
from .state import State

SCHEMA = """
CREATE TABLE IF NOT EXISTS quotas (
    cluster TEXT NOT NULL,
    org TEXT NOT NULL,
    username TEXT NOT NULL,
    total_running_jobs INTEGER,
    credits TEXT,
    spent_credits TEXT NOT NULL DEFAULT '0',
    PRIMARY KEY (cluster, org, username)
);
"""
_SELECT = "SELECT * FROM quotas WHERE cluster=? AND org=? AND username=?"


class Quotas:
    """Keep limits; the empty text stands for no organisation, or for an organisation's own row."""

    def __init__(self, state: State) -> None:
        self._state = state

    async def get(self, username: str | None, cluster: str, org: str | None) -> Quota:
        """Return the limits of a user, or of an organisation when ``username`` is None."""
        return _quota(await self._state.fetch_one(_SELECT, (cluster, org or "", username or "")))

    async def set(
        self,
        username: str | None,
        cluster: str,
        org: str | None,
        *,
        total_running_jobs: int | None = None,
        credits: Decimal | int | None = None,
    ) -> None:
        """Replace the limits; None lifts one. What was spent stays."""
        await self._state.execute(
            "INSERT INTO quotas (cluster, org, username, total_running_jobs, credits) "
            "VALUES (?, ?, ?, ?, ?) ON CONFLICT (cluster, org, username) DO UPDATE SET "
            "total_running_jobs=excluded.total_running_jobs, credits=excluded.credits",
            (
                cluster,
                org or "",
                username or "",
                total_running_jobs,
                None if credits is None else str(credits),
            ),
        )

    async def spend(self, username: str, cluster: str, org: str | None, amount: Decimal) -> None:
        """Add to what a user has spent, and take it from the credits where they are limited."""
        async with self._state.transaction() as tx:
            for name in {username, ""} if org else {username}:
                key = (cluster, org or "", name)
                quota = _quota(await tx.fetch_one(_SELECT, key))
                left = None if quota.credits is None else str(quota.credits - amount)
                await tx.execute(
                    "INSERT INTO quotas (cluster, org, username, credits, spent_credits) "
                    "VALUES (?, ?, ?, ?, ?) ON CONFLICT (cluster, org, username) DO UPDATE SET "
                    "credits=excluded.credits, spent_credits=excluded.spent_credits",
                    (*key, left, str(quota.spent_credits + amount)),
                )


def _quota(row: sqlite3.Row | None) -> Quota:
    if row is None:
        return Quota()
    credits = row["credits"]
    return Quota(
        row["total_running_jobs"],
        None if credits is None else Decimal(credits),
        Decimal(row["spent_credits"]),
    )
