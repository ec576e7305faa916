"""When tokens are asked for, by a clock of the test's; the requests are real ones."""

from __future__ import annotations

import asyncio
import base64
import json
import time

import attrs
import pytest

from neuro_client.config.services import TrainingsSettings
from neuro_client.errors import ConfigError, ServerNotAvailable
from neuro_client.trainings import Trainings
from neuro_client.trainings.connection import Login, root_url
from neuro_client.trainings.tokens import (
    ASSUMED_LIFE,
    AccessToken,
    GrantedTokens,
    TokenEndpoint,
    life_of_jwt,
)
from neuro_client.transport import Transport


@attrs.define
class Counting:
    """Grant tokens with a number, after a turn of the loop."""

    life: float | None = 3600.0
    asked: int = 0
    error: Exception | None = None

    async def ask(self, transport: Transport) -> AccessToken:
        self.asked += 1
        await asyncio.sleep(0)
        if self.error is not None:
            raise self.error
        return AccessToken(f"t{self.asked}", self.life)


@attrs.define
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


def tokens(grant: Counting, clock: Clock) -> GrantedTokens:
    return GrantedTokens([grant], Transport(), clock=clock)


@pytest.mark.parametrize(("life", "kept"), [(3600.0, 3540.0), (60.0, 30.0), (None, 3540.0)])
async def test_a_token_is_renewed_before_it_expires(life: float | None, kept: float) -> None:
    grant, clock = Counting(life), Clock()
    found = tokens(grant, clock)
    assert await found.authorization() == "Bearer t1"
    clock.now += kept - 1
    assert await found.authorization() == "Bearer t1"
    clock.now += 2
    assert await found.authorization() == "Bearer t2"
    assert grant.asked == 2
    assert ASSUMED_LIFE == 3600


async def test_all_who_need_a_token_share_one_request() -> None:
    grant = Counting()
    found = tokens(grant, Clock())
    headers = await asyncio.gather(*(found.authorization() for _ in range(50)))
    assert set(headers) == {"Bearer t1"}
    assert all(await asyncio.gather(*(found.renew("Bearer t1") for _ in range(50))))
    assert grant.asked == 2
    # Who comes late with the old token gets the new one without a request.
    assert await found.renew("Bearer t1")
    assert grant.asked == 2


async def test_a_good_token_outlasts_a_server_that_is_down() -> None:
    grant, clock = Counting(), Clock()
    found = tokens(grant, clock)
    await found.authorization()
    grant.error = ServerNotAvailable("down", status=503)
    clock.now += 3550
    assert await found.authorization() == "Bearer t1"
    clock.now += 50
    with pytest.raises(ServerNotAvailable):
        await found.authorization()


def jwt(**claims: object) -> str:
    payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"e30.{payload}.sig"


def test_the_life_of_a_jwt() -> None:
    assert life_of_jwt(jwt(iat=100, exp=400)) == 300
    found = life_of_jwt(jwt(exp=time.time() + 500))
    assert found is not None
    assert 490 < found <= 500
    for text in ("opaque", "a.b.c", jwt(iat=1), jwt(exp="soon"), jwt(exp=None), "e30.W10.x", ""):
        assert life_of_jwt(text) is None


def login(**given: str | None) -> Login:
    names = ("client_id", "client_secret", "username", "password", "token")
    return Login(**{name: given.get(name) for name in names}, endpoint=TokenEndpoint.AUTO)


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"client_id": "a"},
        {"client_secret": "s"},
        {"client_id": "a", "client_secret": "s", "token": "t"},
        {"username": "u"},
        {"password": "p"},
        {"username": "u", "password": "p", "token": "t"},
        {"client_id": "a", "client_secret": "s", "username": "u", "password": "p"},
    ],
)
def test_one_way_to_sign_in(given: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="client_id"):
        login(**given)


@pytest.mark.parametrize("url", ["", "app.run.ai", "ftp://host/", "https://", "http:///x"])
def test_addresses(url: str) -> None:
    with pytest.raises(ValueError, match="write it like"):
        root_url(url)
    assert str(root_url("https://me:hush@app.run.ai/?a=b#c")) == "https://app.run.ai/"


def test_settings() -> None:
    found = TrainingsSettings(
        url="https://app.run.ai", client_id="a", client_secret="hush", cluster_url="https://c"
    )
    assert repr(Trainings.from_settings(found)) == "<Trainings https://app.run.ai>"
    for wrong in (
        attrs.evolve(found, url="nowhere"),
        attrs.evolve(found, cluster_url="c"),
        attrs.evolve(found, client_secret=None),
    ):
        with pytest.raises(ConfigError, match="settings of trainings") as caught:
            Trainings.from_settings(wrong)
        assert "hush" not in str(caught.value)
