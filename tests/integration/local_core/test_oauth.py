"""Logging in as a browser does: config-and-auth.md §4 and §5."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import re
import secrets
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import attrs
import pytest

from neuro_client.local import LocalPlatform

from .api import Answer, Api

pytestmark = pytest.mark.thorough

CALLBACK = "http://127.0.0.1:54541"


def claims_of(token: str) -> dict[str, Any]:
    """Read a token as clients do, without checking it."""
    middle = token.split(".")[1]
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(middle + "=" * (-len(middle) % 4)))
    return found


@attrs.frozen
class Program:
    """Be a program that wants to log in, and the browser that it opens."""

    api: Api
    redirect_uri: str = CALLBACK
    verifier: str = attrs.field(factory=lambda: secrets.token_urlsafe(32))

    def query(self, **changes: str | None) -> str:
        """Return the query of the page that the browser opens; None leaves a parameter out."""
        digest = hashlib.sha256(self.verifier.encode()).digest()
        values: dict[str, str | None] = {
            "response_type": "code",
            "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
            "client_id": "local-cli",
            "redirect_uri": self.redirect_uri,
            "scope": "offline_access",
            "audience": str(self.api.platform.url),
            **changes,
        }
        return urlencode({key: value for key, value in values.items() if value is not None})

    async def open_page(self) -> dict[str, str]:
        """Open the page and return the hidden fields of its form."""
        page = await self.api.call("GET", f"/auth/authorize?{self.query()}")
        assert page.status == 200
        assert page.headers["Content-Type"].startswith("text/html")
        assert 'method="post"' in page.text
        pattern = r'<input type="hidden" name="(\w+)" value="([^"]+)"'
        return dict(re.findall(pattern, page.text))

    async def decide(self, fields: dict[str, str], decision: str = "allow") -> Answer:
        """Press a button of the form."""
        form = {**fields, "username": "user", "decision": decision}
        return await self.api.call("POST", f"/auth/authorize?{self.query()}", data=form)

    async def code(self) -> str:
        """Go through the browser's part and return the code."""
        answer = await self.decide(await self.open_page())
        assert answer.status == 302
        target = urlsplit(answer.headers["Location"])
        assert f"{target.scheme}://{target.netloc}{target.path}".rstrip("/") == self.redirect_uri
        return parse_qs(target.query)["code"][0]

    async def redeem(self, code: str, /, **changes: str) -> Answer:
        """Ask for the token of a code."""
        form = {
            "grant_type": "authorization_code",
            "code_verifier": self.verifier,
            "code": code,
            "client_id": "local-cli",
            "redirect_uri": self.redirect_uri,
            **changes,
        }
        headers = {"accept": "application/json"}
        return await self.api.call("POST", "/auth/token", data=form, headers=headers)


def refused(answer: Answer) -> str:
    """Check that this is a refusal of the token endpoint and return its kind."""
    assert 400 <= answer.status < 500
    assert "access_token" not in answer.text
    return str(answer.json["error"])


@pytest.fixture
def program(anonymous: Api) -> Program:
    """Be a program that waits on a local port."""
    return Program(anonymous)


async def test_login(program: Program, platform: LocalPlatform) -> None:
    answer = await program.redeem(await program.code())
    assert answer.status == 200
    assert answer.json["expires_in"] == 24 * 3600
    token = answer.json["access_token"]
    claims = claims_of(token)
    assert claims["identity"] == "user"
    assert 0 < claims["exp"] - claims["iat"] <= 24 * 3600
    async with Api.open(platform, token) as api:
        config = await api.call("GET", "/api/v1/config")
        assert config.json["authorized"] is True
        assert (await api.storage("PUT", "user/file", data=b"x")).status == 201


async def test_refresh(program: Program, platform: LocalPlatform) -> None:
    first = (await program.redeem(await program.code())).json
    form = {
        "grant_type": "refresh_token",
        "refresh_token": first["refresh_token"],
        "client_id": "local-cli",
    }
    tokens = {first["access_token"]}
    for _ in range(2):
        answer = await program.api.call("POST", "/auth/token", data=form)
        assert answer.status == 200
        assert answer.json["expires_in"] > 0
        tokens.add(answer.json["access_token"])
    assert len(tokens) == 3
    for token in tokens:
        async with Api.open(platform, token) as api:
            assert (await api.call("GET", "/api/v1/secured-ping")).status == 200
    form["refresh_token"] = first["access_token"]
    assert refused(await program.api.call("POST", "/auth/token", data=form)) == "invalid_grant"
    async with Api.open(platform, first["refresh_token"]) as api:
        assert (await api.call("GET", "/api/v1/secured-ping")).status == 401


async def test_a_code_works_once(program: Program) -> None:
    code = await program.code()
    assert (await program.redeem(code)).status == 200
    assert refused(await program.redeem(code)) == "invalid_grant"


async def test_wrong_requests_for_a_token(program: Program) -> None:
    for changes, error in [
        ({"code_verifier": "wrong" * 10}, "invalid_grant"),
        ({"code_verifier": ""}, "invalid_grant"),
        ({"code": "wrong"}, "invalid_grant"),
        ({"redirect_uri": "http://127.0.0.1:54540"}, "invalid_grant"),
        ({"client_id": "somebody"}, "invalid_client"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
    ]:
        assert refused(await program.redeem(await program.code(), **changes)) == error


async def test_a_code_expires(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("neuro_client.local.services.oauth.CODE_LIFETIME", -1.0)
    assert refused(await program.redeem(await program.code())) == "invalid_grant"


async def test_a_token_expires(tmp_path: Path) -> None:
    async with LocalPlatform(tmp_path / "data", port=0, token_lifetime=-1) as platform:
        async with Api.open(platform, None) as anonymous:
            program = Program(anonymous)
            answer = await program.redeem(await program.code())
        async with Api.open(platform, answer.json["access_token"]) as api:
            assert (await api.call("GET", "/api/v1/secured-ping")).status == 401


async def test_deny(program: Program) -> None:
    answer = await program.decide(await program.open_page(), "deny")
    assert answer.status == 302
    assert answer.headers["Location"].startswith(CALLBACK)
    query = parse_qs(urlsplit(answer.headers["Location"]).query)
    assert query["error"] == ["access_denied"]
    assert query["error_description"]
    assert "code" not in query


async def test_the_form_needs_its_ticket(program: Program) -> None:
    fields = await program.open_page()
    for ticket in ("", "wrong"):
        assert (await program.decide({"ticket": ticket})).status == 400
    assert (await program.decide(fields)).status == 302
    # Neither does a ticket work twice.
    assert (await program.decide(fields)).status == 400


async def test_wrong_pages(program: Program) -> None:
    rows: list[dict[str, str | None]] = [
        {"redirect_uri": "http://evil.example"},
        {"redirect_uri": "http://127.0.0.1:54540.evil.example"},
        {"redirect_uri": "http://127.0.0.1:54540@evil.example"},
        {"redirect_uri": "http://127.0.0.1:54540/else"},
        {"redirect_uri": None},
        {"client_id": "somebody"},
        {"response_type": "token"},
        {"code_challenge_method": "plain"},
        {"code_challenge_method": None},
        {"code_challenge": None},
    ]
    for changes in rows:
        answer = await program.api.call("GET", f"/auth/authorize?{program.query(**changes)}")
        assert answer.status == 400
        assert "Location" not in answer.headers
        assert "<form" not in answer.text


async def test_headless(program: Program, anonymous: Api) -> None:
    config = (await anonymous.call("GET", "/api/v1/config")).json
    program = attrs.evolve(program, redirect_uri=config["headless_callback_url"])
    answer = await program.decide(await program.open_page())
    target = urlsplit(answer.headers["Location"])
    page = await anonymous.call("GET", f"{target.path}?{target.query}")
    assert page.status == 200
    found = re.search(r'<code id="code">([^<]+)</code>', page.text)
    assert found is not None
    assert (await program.redeem(found[1])).status == 200


async def test_pages_escape_what_they_show(anonymous: Api) -> None:
    attack = "<script>alert(1)</script>"
    for key in ("code", "error_description"):
        page = await anonymous.call("GET", f"/auth/code?{urlencode({key: attack})}")
        assert attack not in page.text
        assert "&lt;script&gt;" in page.text


async def test_logout_is_a_page(anonymous: Api) -> None:
    page = await anonymous.call("GET", "/auth/logout?client_id=local-cli")
    assert page.status == 200
    assert page.headers["Content-Type"].startswith("text/html")


async def test_forged_tokens(platform: LocalPlatform) -> None:
    header, body, signature = platform.token.split(".")
    claims = json.dumps({**claims_of(platform.token), "identity": "other"}).encode()
    forged = base64.urlsafe_b64encode(claims).rstrip(b"=").decode()
    none = base64.urlsafe_b64encode(b'{"alg":"none"}').rstrip(b"=").decode()
    flipped = ("A" if signature[0] != "A" else "B") + signature[1:]
    for token in (
        f"{header}.{forged}.{signature}",
        f"{header}.{body}.{flipped}",
        f"{none}.{body}.",
        body,
    ):
        async with Api.open(platform, token) as api:
            assert (await api.call("GET", "/api/v1/secured-ping")).status == 401


async def test_no_token_is_kept_in_the_database(program: Program, platform: LocalPlatform) -> None:
    answer = (await program.redeem(await program.code())).json
    kept = b"".join(path.read_bytes() for path in platform.data.glob("state.db*"))
    for token in (platform.token, answer["access_token"], answer["refresh_token"]):
        assert token.encode() not in kept
        assert token.rpartition(".")[2].encode() not in kept


async def test_abandoned_pages_do_not_keep_others_out(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    oauth = "neuro_client.local.services.oauth"
    monkeypatch.setattr(f"{oauth}._PENDING_LIMIT", 2)
    monkeypatch.setattr(f"{oauth}._TICKET_LIFETIME", 0.2)
    for _ in range(2):
        await program.open_page()
    answer = await program.api.call("GET", f"/auth/authorize?{program.query()}")
    assert answer.status == 400
    await asyncio.sleep(0.25)
    await program.open_page()
