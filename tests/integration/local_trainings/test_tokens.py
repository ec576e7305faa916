"""Signing in at both endpoints, and what tokens are good for."""

from __future__ import annotations

import base64
import json
import time

from .conftest import TRAININGS, WORKLOADS, Api

V1, V2 = "/api/v1/token", "/api/v2/token"


def payload(token: str) -> dict[str, object]:
    """Read a token as a published client does: plain base64 of the part as it is."""
    part = token.split(".")[1]
    assert "-" not in part and "_" not in part
    content: dict[str, object] = json.loads(base64.b64decode(part))
    return content


async def works(api: Api, token: str, status: int = 200) -> None:
    headers = {"Authorization": f"Bearer {token}"}
    await api.call("GET", WORKLOADS, headers=headers, status=status)


async def test_every_grant_gives_a_token(api: Api) -> None:
    await api.platform.trainings.set_password("ada?>~", "pass")
    ready = api.ready
    application = {"AppId": ready["client_id"], "AppSecret": ready["client_secret"]}
    client = {"clientId": ready["client_id"], "clientSecret": ready["client_secret"]}
    user = {"username": "ada?>~", "password": "pass"}
    grants: list[dict[str, str]] = [
        {"grantType": "app_token", **application},
        {"granttype": "app_token", **{key.lower(): text for key, text in application.items()}},
        {"grantType": "client_credentials", **client},
        {"grantType": "password", "clientID": "cli", **user},
        {"grantType": "external_token_exchange", "externalToken": api.platform.token},
    ]
    for body in grants:
        answer = await api.call("POST", V1, json=body)
        assert payload(answer["accessToken"]).keys() >= {"exp", "iat", "sub"}
        assert answer["expiresIn"] == 3600
        await works(api, answer["accessToken"])
    renewed = await api.call("POST", V1, json=grants[3])
    body = {"grantType": "refresh_token", "clientID": "c", "refreshToken": renewed["refreshToken"]}
    await works(api, (await api.call("POST", V1, json=body))["accessToken"])
    await works(api, renewed["refreshToken"], 401)
    form = {"client_id": ready["client_id"], "client_secret": ready["client_secret"]}
    for fields in (
        {"grant_type": "client_credentials", **form},
        {"grant_type": "password", **user},
    ):
        answer = await api.call("POST", V2, data=fields)
        assert answer["token_type"] == "Bearer"
        await works(api, answer["access_token"])
    fields = {"grant_type": "refresh_token", "refresh_token": answer["refresh_token"]}
    assert (await api.call("POST", V2, data=fields))["expires_in"] == 3600


async def test_wrong_credentials_are_refused(api: Api) -> None:
    own = api.ready["client_id"]
    bad: list[tuple[dict[str, str | None], int]] = [
        ({}, 400),
        ({"grantType": "magic"}, 400),
        ({"grantType": "app_token", "AppId": own}, 400),
        ({"grantType": "app_token", "AppId": None, "AppSecret": None}, 400),
        ({"grantType": "app_token", "AppId": own, "AppSecret": "x"}, 401),
        ({"grantType": "app_token", "AppId": "x", "AppSecret": "x"}, 401),
        ({"grantType": "password", "clientID": "c", "username": "u", "password": "p"}, 401),
        ({"grantType": "refresh_token", "clientID": "c", "refreshToken": "a.b.c"}, 401),
        ({"grantType": "external_token_exchange", "externalToken": "x"}, 401),
        ({"grantType": "exchange_token", "code": "c", "clientID": "i", "redirectUri": "u"}, 401),
    ]
    for body, status in bad:
        assert (await api.call("POST", V1, json=body, status=status))["code"] == status
    for fields, status, error in (
        ({}, 400, "invalid_request"),
        ({"grant_type": "magic"}, 400, "unsupported_grant_type"),
        ({"grant_type": "client_credentials", "client_id": own}, 400, "invalid_request"),
        (
            {"grant_type": "client_credentials", "client_id": own, "client_secret": "x"},
            401,
            "invalid_client",
        ),
        ({"grant_type": "password", "username": "u", "password": "p"}, 400, "invalid_grant"),
        ({"grant_type": "authorization_code", "code": "x"}, 400, "invalid_grant"),
    ):
        assert (await api.call("POST", V2, data=fields, status=status))["error"] == error
    await api.call("GET", V1, status=405)
    for header in ("", "Basic x", "Bearer", "Bearer x", "Bearer a.b.c", "Bearer ...", "Bearer é.é"):
        headers = {"Authorization": header}
        refusal = await api.call("GET", WORKLOADS, headers=headers, status=401)
        assert refusal["code"] == 401 and refusal["message"]


async def test_tokens_expire(api: Api) -> None:
    api.platform.trainings.token_lifetime = 2
    await api.sign_in()
    expires = payload(api.headers["Authorization"].split()[1])["exp"]
    assert isinstance(expires, int) and time.time() < expires <= time.time() + 2
    api.platform.trainings.token_lifetime = 0
    await api.sign_in()
    await api.call("GET", WORKLOADS, status=401)


async def test_an_application_may_do_what_it_was_given(api: Api) -> None:
    trainings = api.platform.trainings
    red = await trainings.add_project("red")
    mine = await api.create("mine", "sleep 60")
    theirs = await api.another(*await trainings.add_application("bot", projects=["red"]))
    assert await theirs.names() == []
    await theirs.call("GET", f"{TRAININGS}/{mine}", status=403)
    await theirs.act(mine, "suspend", status=403)
    await theirs.call("POST", TRAININGS, json=api.body("x"), status=403)
    await theirs.call("GET", api.log_path("mine"), status=403)
    own = await theirs.create("own", project=str(red.id))
    assert (await theirs.get(own))["createdBy"] == "bot"
    projects = (await theirs.call("GET", "/api/v1/org-unit/projects"))["projects"]
    assert [project["name"] for project in projects] == ["red"]
    reader = await api.another(*await trainings.add_application("reader", read_only=True))
    assert "mine" in await reader.names()
    refusal = await reader.call("DELETE", f"{TRAININGS}/{mine}", status=403)
    assert refusal["code"] == 403
    narrow = await api.another(*await trainings.add_application("narrow", generic=False))
    await narrow.call("GET", f"{WORKLOADS}/{mine}", status=403)
    assert (await narrow.get(mine))["name"] == "mine"
