"""Tokens: valid when handed out, refreshed once, adopted from another process."""

from __future__ import annotations

import asyncio
from pathlib import Path

import attrs
import pytest

from neuro_client.auth.login import standalone_token
from neuro_client.auth.tokens import PlatformTokens, user_of_token
from neuro_client.config import Token, store
from neuro_client.errors import AuthError
from tests.unit.config.test_store import LOGIN


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Server:
    def __init__(self, life: float = 100.0) -> None:
        self.calls = 0
        self.life = life
        self.clock = Clock()

    async def refresh(self, refresh_token: str) -> Token:
        self.calls += 1
        await asyncio.sleep(0.01)
        return Token(f"new{self.calls}", self.clock.now + self.life, refresh_token)

    def tokens(self, token: Token, folder: Path | None = None) -> PlatformTokens:
        return PlatformTokens(token, self.refresh, folder, clock=self.clock)


async def test_a_valid_token_is_used_as_it_is() -> None:
    server = Server()
    assert await server.tokens(Token("old", 2000.0, "r")).token() == "old"
    assert server.calls == 0


async def test_an_expired_token_is_refreshed_by_one_of_many() -> None:
    server = Server()
    tokens = server.tokens(Token("old", 999.0, "r"))
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(tokens.token()) for _ in range(100)]
    assert {task.result() for task in tasks} == {"new1"}
    assert server.calls == 1


async def test_a_token_with_little_left_is_renewed_before_a_body() -> None:
    server = Server(life=1000.0)
    tokens = server.tokens(Token("old", 1030.0, "r"))
    assert await tokens.authorization() == "Bearer old"
    assert await tokens.authorization(min_ttl=60.0) == "Bearer new1"


async def test_short_lived_tokens_are_not_refreshed_for_every_body() -> None:
    server = Server(life=30.0)
    tokens = server.tokens(Token("old", 999.0, "r"))
    for _ in range(10):
        await tokens.authorization(min_ttl=60.0)
    assert server.calls == 1
    server.clock.now += 20
    await tokens.authorization(min_ttl=60.0)
    assert server.calls == 2


async def test_a_refused_token_that_was_replaced_meanwhile_needs_no_refresh() -> None:
    server = Server()
    tokens = server.tokens(Token("current", 2000.0, "r"))
    assert await tokens.renew("Bearer older")
    assert server.calls == 0


async def test_a_token_without_refresh_cannot_be_renewed() -> None:
    server = Server()
    tokens = server.tokens(Token("fixed", 1.0, ""))
    assert await tokens.token() == "fixed"
    assert not await tokens.renew("Bearer fixed")


async def test_a_refreshed_token_is_stored_and_adopted_by_others(tmp_path: Path) -> None:
    folder = tmp_path / "config"
    old = Token("old", 999.0, "r")
    await asyncio.to_thread(store.create, folder, attrs.evolve(LOGIN, token=old))
    server = Server()
    one, other = server.tokens(old, folder), server.tokens(old, folder)
    assert await one.token() == "new1"
    assert (await asyncio.to_thread(store.load, folder)).token.access == "new1"
    assert await other.token() == "new1"
    assert server.calls == 1


async def test_all_waiters_see_a_refused_refresh() -> None:
    async def refuse(refresh_token: str) -> Token:
        await asyncio.sleep(0)
        raise AuthError("log in again")

    tokens = PlatformTokens(Token("old", 0.0, "r"), refuse, None)
    outcomes = await asyncio.gather(*(tokens.token() for _ in range(5)), return_exceptions=True)
    assert all(isinstance(outcome, AuthError) for outcome in outcomes)


async def test_a_cancelled_waiter_does_not_stop_the_refresh_for_the_others() -> None:
    server = Server()
    tokens = server.tokens(Token("old", 0.0, "r"))
    first = asyncio.create_task(tokens.token())
    second = asyncio.create_task(tokens.token())
    await asyncio.sleep(0.001)
    first.cancel()
    assert await second == "new1"
    with pytest.raises(asyncio.CancelledError):
        await first


def test_user_of_a_token() -> None:
    assert user_of_token(standalone_token()) == "user"


@pytest.mark.parametrize("token", ["", "opaque", "a.b.c", "e30.e30.x", "e30.W10.x", "e30.MQ.x"])
def test_a_token_that_names_nobody(token: str) -> None:
    with pytest.raises(ValueError, match="does not say"):
        user_of_token(token)
