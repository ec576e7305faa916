"""The tasks in the platform's state."""

from __future__ import annotations

from ...state import State
from .models import Task


class TaskStore:
    """Keep tasks; each is stored when a method returns."""

    def __init__(self, state: State) -> None:
        self._state = state

    async def insert(self, task: Task) -> None:
        """Add a task."""
        await self._state.execute(
            "INSERT INTO workspace_tasks SELECT ?, ?, COALESCE(MAX(number), 0) + 1, 0, ? "
            "FROM workspace_tasks",
            (task.id, task.username, task.dump()),
        )

    async def save(self, task: Task) -> None:
        """Replace a task."""
        await self._state.execute(
            "UPDATE workspace_tasks SET settled=?, document=? WHERE id=?",
            (task.finished and not task.materialized, task.dump(), task.id),
        )

    async def get(self, task_id: str, username: str) -> Task | None:
        """Return a user's task, None if he has none of that id."""
        row = await self._state.fetch_one(
            "SELECT document FROM workspace_tasks WHERE id=? AND username=?", (task_id, username)
        )
        return None if row is None else Task.of(row)

    async def page(self, username: str, offset: int, limit: int) -> list[Task]:
        """Return tasks of a user, the newest first."""
        rows = await self._state.fetch_all(
            "SELECT document FROM workspace_tasks WHERE username=? ORDER BY number DESC "
            "LIMIT ? OFFSET ?",
            (username, limit, offset),
        )
        return [Task.of(row) for row in rows]

    async def unsettled(self) -> list[Task]:
        """Return the tasks that somebody has to look after, the oldest first."""
        rows = await self._state.fetch_all(
            "SELECT document FROM workspace_tasks WHERE settled=0 ORDER BY number"
        )
        return [Task.of(row) for row in rows]
