"""The database: transactions, cancellation, watchers, and who may do what from its rows."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from yarl import URL

from neuro_client.local.access import SCHEMA, Access
from neuro_client.local.settings import Settings
from neuro_client.local.state import State

TABLE = "CREATE TABLE IF NOT EXISTS numbers (value INTEGER PRIMARY KEY);"


@pytest.fixture
async def state(tmp_path: Path) -> AsyncIterator[State]:
    async with State.open(tmp_path / "state.db", [TABLE, SCHEMA]) as state:
        yield state


async def values(state: State) -> list[int]:
    rows = await state.fetch_all("SELECT value FROM numbers ORDER BY value")
    return [row["value"] for row in rows]


async def add(state: State, *numbers: int) -> None:
    async with state.transaction() as tx:
        for number in numbers:
            await tx.execute("INSERT INTO numbers VALUES (?)", (number,))


async def test_what_is_written_stays(tmp_path: Path) -> None:
    for turn in range(2):
        async with State.open(tmp_path / "state.db", [TABLE]) as state:
            assert await values(state) == list(range(turn))
            assert await state.execute("INSERT INTO numbers VALUES (?)", (turn,)) == 1
            assert await state.execute("DELETE FROM numbers WHERE value=99") == 0


async def test_a_transaction_is_all_or_nothing(state: State) -> None:
    with pytest.raises(KeyError):
        async with state.transaction() as tx:
            await tx.execute("INSERT INTO numbers VALUES (1)")
            raise KeyError
    assert await values(state) == []
    await add(state, 1, 2)
    assert await values(state) == [1, 2]


async def test_transactions_wait_for_each_other(state: State) -> None:
    async def count_up() -> None:
        async with state.transaction() as tx:
            row = await tx.fetch_one("SELECT COALESCE(MAX(value), 0) AS top FROM numbers")
            assert row is not None
            await tx.execute("INSERT INTO numbers VALUES (?)", (row["top"] + 1,))

    async with asyncio.TaskGroup() as group:
        for _ in range(20):
            group.create_task(count_up())
    assert await values(state) == list(range(1, 21))


async def test_cancelled_anywhere_a_transaction_is_all_or_nothing(state: State) -> None:
    for steps in range(40):
        await state.execute("DELETE FROM numbers")
        task = asyncio.create_task(add(state, 1, 2, 3))
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        assert await values(state) in ([], [1, 2, 3])


async def test_watchers(state: State) -> None:
    async with state.watch("job", "a") as one, state.watch("job") as every:
        state.notify("job", "b")
        state.notify("disk", "a")
        state.notify("job", "a")
        state.notify("job", "a")
        async with asyncio.timeout(1):
            assert await anext(one) == "a"
            assert [await anext(every), await anext(every)] == ["b", "a"]
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.02):
                await anext(one)
    state.notify("job", "a")


@pytest.fixture
async def access(state: State) -> Access:
    access = Access(state, Settings.build(("one", "two"), ("org",)))
    for name in ("ann", "bob"):
        assert await access.add_user(name)
    return access


async def test_the_rule(access: Access) -> None:
    await access.grant("ann", URL("storage://one/bob/a/b"), "read")
    await access.grant("ann", URL("storage://one/bob/a/b/c"), "write")
    for uri, action in [
        ("storage://one/ann", "manage"),
        ("storage://one/ann/a/b", "manage"),
        ("storage://one/org/ann/a", "manage"),
        ("job://two/ann/job-1", "manage"),
        ("storage://one", "list"),
        ("storage://one/org", "list"),
        ("storage://one/anna", "deny"),
        ("storage://one/org/bob", "deny"),
        ("storage://three/ann", "deny"),
        ("cluster://one/access", "read"),
        ("storage://one/bob", "list"),
        ("storage://one/bob/a", "list"),
        ("storage://one/bob/a/b", "read"),
        ("storage://one/bob/a/b/c", "write"),
        ("storage://one/bob/a/b/d", "read"),
        ("storage://one/bob/x", "deny"),
    ]:
        assert await access.action("ann", URL(uri)) == action, uri


async def test_what_is_granted_holds_until_it_is_revoked(access: Access) -> None:
    uri = URL("job://one/bob/job-1")
    assert not await access.allowed("ann", uri, "read")
    await access.grant("ann", uri, "write")
    assert await access.missing("ann", [(uri, "write"), (uri, "manage")]) == [
        {"uri": str(uri), "action": "manage"}
    ]
    readable = await access.readable("ann")
    assert readable(uri) and not readable(URL("job://one/bob/job-2"))
    assert await access.revoke("ann", uri)
    assert not await access.revoke("ann", uri)
    assert not await access.allowed("ann", uri, "read")


async def test_a_removed_user_has_nothing_left_when_named_again(access: Access) -> None:
    await access.grant("ann", URL("storage://one/bob"), "read")
    assert await access.remove_user("ann")
    assert not await access.remove_user("ann")
    assert await access.add_user("ann")
    assert await access.action("ann", URL("storage://one/bob")) == "deny"


async def test_children(access: Access) -> None:
    await access.grant("ann", URL("storage://one/bob/a/b"), "read")
    children = await access.children("ann", URL("storage://one"))
    assert children == {"ann": "manage", "bob": "list", "org": "list"}
    assert await access.children("ann", URL("storage://one/bob/a")) == {"b": "read"}
    assert await access.children("ann", URL("storage://one/bob/x")) == {}
