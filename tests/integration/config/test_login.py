"""Logging in to a real platform: by browser, by code, by token, inside a job; and what follows."""

from __future__ import annotations

import asyncio
import base64
import json
import random
import re
import socket
import sqlite3
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from yarl import URL

import neuro_client
from neuro_client.auth.login import fetch_server_config
from neuro_client.config import store
from neuro_client.errors import AuthError, ConfigError, TransportError
from neuro_client.factory import Factory
from neuro_client.local import LocalPlatform
from neuro_client.local.services import config as config_service
from neuro_client.testing.login import login as login_to
from neuro_client.transport import Transport

pytestmark = pytest.mark.thorough


@pytest.fixture
def ports(monkeypatch: pytest.MonkeyPatch) -> tuple[int, ...]:
    """Choose callback ports outside the range from which outgoing connections take theirs."""
    first = random.randrange(20_000, 30_000)
    chosen = (first, first + 1, first + 2)
    monkeypatch.setattr(config_service, "CALLBACK_PORTS", chosen)
    return chosen


@pytest.fixture
async def platform(tmp_path: Path, ports: tuple[int, ...]) -> AsyncIterator[LocalPlatform]:
    async with LocalPlatform(
        data=tmp_path / "data", port=0, clusters=("alpha", "beta"), orgs=("acme",)
    ) as platform:
        yield platform


@pytest.fixture
def factory(tmp_path: Path) -> Factory:
    return Factory(tmp_path / "config")


async def visit(url: URL, *, decision: str = "allow", username: str = "user") -> str:
    """Do what a user's browser does: read the page, press a button, follow the redirects."""
    async with aiohttp.ClientSession() as browser:
        async with browser.get(url) as page:
            text = await page.text()
        ticket = re.search(r'name="ticket" value="([^"]+)"', text)
        assert ticket is not None, text
        form = {"ticket": ticket[1], "decision": decision, "username": username}
        async with browser.post(url.with_query(None), data=form) as answer:
            return await answer.text()


async def test_by_browser(platform: LocalPlatform, factory: Factory) -> None:
    pages = []

    async def show(url: URL) -> None:
        assert url.query["scope"] == "offline_access"
        pages.append(await visit(url))

    await factory.login(show, url=platform.api_url)
    assert pages == ["OK"]
    async with await factory.get() as client:
        assert client.username == "user"
        assert client.cluster_name == "alpha"
        assert client.config.org_name is None
        assert set(client.presets) == {"cpu-small", "cpu-large", "cpu-spot", "cpu-shared"}
        assert client.presets["cpu-spot"].preemptible_node
        assert client.presets["cpu-shared"].is_preemptible
    assert client.closed
    with pytest.raises(ConfigError, match="logout"):
        await factory.login(show, url=platform.api_url)
    assert len(pages) == 1


async def test_the_user_says_no(platform: LocalPlatform, factory: Factory) -> None:
    async def show(url: URL) -> None:
        await visit(url, decision="deny")

    with pytest.raises(AuthError, match="refused"):
        await factory.login(show, url=platform.api_url)
    assert not await asyncio.to_thread(lambda: factory.is_config_present)


async def test_all_callback_ports_are_taken(
    platform: LocalPlatform, factory: Factory, ports: tuple[int, ...]
) -> None:
    async def show(url: URL) -> None:
        raise AssertionError("no browser can come back")

    taken = []
    try:
        for port in ports:
            listener = socket.socket()
            taken.append(listener)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(("127.0.0.1", port))
            listener.listen()
        with pytest.raises(RuntimeError, match="in use"):
            await factory.login(show, url=platform.api_url)
    finally:
        for listener in taken:
            listener.close()


async def test_a_busy_port_gives_way_to_the_next(
    platform: LocalPlatform, factory: Factory, ports: tuple[int, ...]
) -> None:
    async def show(url: URL) -> None:
        assert url.query["redirect_uri"] == f"http://127.0.0.1:{ports[1]}"
        await visit(url)

    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", ports[0]))
        taken.listen()
        await factory.login(show, url=platform.api_url)


async def test_headless(platform: LocalPlatform, factory: Factory) -> None:
    async def get_code(url: URL) -> str:
        found = re.search(r'id="code">([^<]+)<', await visit(url))
        assert found is not None
        return found[1]

    await factory.login_headless(get_code, url=platform.api_url)
    async with await factory.get() as client:
        async with client.storage.list(URL("storage:")) as entries:
            assert [entry async for entry in entries] == []


async def test_a_wrong_code(platform: LocalPlatform, factory: Factory) -> None:
    async def get_code(url: URL) -> str:
        return "made-up-code"

    with pytest.raises(AuthError) as caught:
        await factory.login_headless(get_code, url=platform.api_url)
    assert "made-up-code" not in str(caught.value)


async def test_an_error_of_the_callback_comes_out(
    platform: LocalPlatform, factory: Factory
) -> None:
    async def get_code(url: URL) -> str:
        raise KeyError("interrupted")

    with pytest.raises(KeyError, match="interrupted"):
        await factory.login_headless(get_code, url=platform.api_url)


async def test_by_token(platform: LocalPlatform, tmp_path: Path) -> None:
    folder = tmp_path / "elsewhere"
    await neuro_client.login_with_token(platform.token, url=platform.api_url, path=folder)
    client = await neuro_client.get(path=folder)
    assert client.username == "user"
    assert await client.config.token() == platform.token
    await client.close()
    await client.close()
    await neuro_client.logout(path=folder)
    await neuro_client.logout(path=folder)
    with pytest.raises(ConfigError, match="no login"):
        await neuro_client.get(path=folder)


async def test_a_token_nobody_knows(platform: LocalPlatform, factory: Factory) -> None:
    with pytest.raises(AuthError) as caught:
        await factory.login_with_token("not-a-token-of-ours", url=platform.api_url)
    assert "not-a-token-of-ours" not in str(caught.value)
    assert not await asyncio.to_thread(lambda: factory.is_config_present)


async def test_not_a_platform(platform: LocalPlatform, factory: Factory) -> None:
    with pytest.raises(ConfigError, match="/api/v1"):
        await factory.login_with_token("t", url=platform.url / "nowhere")
    with pytest.raises(TransportError):
        await factory.login_with_token("t", url=URL("http://127.0.0.1:1/api/v1"))


async def test_logout_shows_the_page(platform: LocalPlatform, factory: Factory) -> None:
    shown: list[URL] = []

    async def show(url: URL) -> None:
        shown.append(url)

    await login_to(platform, factory.path)
    await factory.logout(show)
    assert [url.path for url in shown] == ["/auth/logout"]
    assert shown[0].query == {"client_id": "local-cli"}
    await factory.logout(show)
    assert len(shown) == 1


def passed(**content: object) -> str:
    return base64.b64encode(json.dumps(content).encode()).decode()


async def test_inside_a_job(
    platform: LocalPlatform, factory: Factory, monkeypatch: pytest.MonkeyPatch
) -> None:
    value = passed(token=platform.token, cluster="beta", url=str(platform.api_url), org_name="acme")
    monkeypatch.setenv("NEURO_PASSED_CONFIG", value)
    async with await factory.get() as client:
        assert client.cluster_name == "beta"
        assert client.config.org_name == "acme"
        assert str(client.parse.str_to_uri("storage:x")) == "storage://beta/acme/user/x"


@pytest.mark.parametrize(
    "value",
    ["%%%", "bm90IGpzb24=", passed(token="t", cluster="c"), passed(token=1, cluster="", url="")],
)
async def test_a_malformed_passed_config(factory: Factory, value: str) -> None:
    with pytest.raises(ConfigError, match="passed configuration"):
        await factory.login_with_passed_config(value)


async def test_a_passed_cluster_that_is_not_there(
    platform: LocalPlatform, factory: Factory
) -> None:
    value = passed(token=platform.token, cluster="gamma", url=str(platform.api_url))
    with pytest.raises(ConfigError, match="gamma"):
        await factory.login_with_passed_config(value)
    with pytest.raises(ConfigError, match="NEURO_PASSED_CONFIG"):
        await factory.login_with_passed_config()


async def test_switching(platform: LocalPlatform, factory: Factory) -> None:
    await login_to(platform, factory.path)
    async with await factory.get() as client:
        config = client.config
        await config.switch_org("acme")
        await config.switch_cluster("beta")
        assert (config.cluster_name, config.org_name) == ("beta", "acme")
        with pytest.raises(RuntimeError, match="gamma"):
            await config.switch_cluster("gamma")
        with pytest.raises(RuntimeError, match="zed"):
            await config.switch_org("zed")
        assert config.cluster_orgs == [None, "acme"]
        assert config.storage_url == platform.api_url / "storage/beta"
        await config.fetch()
    async with await factory.get() as client:
        assert (client.cluster_name, client.config.org_name) == ("beta", "acme")
        await client.config.switch_org(None)
        assert client.config.org_name is None


async def test_a_project_s_file_fixes_cluster_and_org(
    platform: LocalPlatform, factory: Factory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await login_to(platform, factory.path)
    project = tmp_path / "project"
    await asyncio.to_thread(project.mkdir)
    file = project / ".neuro.toml"
    text = '[job]\ncluster-name = "beta"\norg-name = "acme"\n'
    await asyncio.to_thread(file.write_text, text)
    monkeypatch.chdir(project)
    async with await factory.get() as client:
        assert (client.cluster_name, client.config.org_name) == ("beta", "acme")
        with pytest.raises(RuntimeError, match=r"neuro\.toml"):
            await client.config.switch_cluster("alpha")
        with pytest.raises(RuntimeError, match=r"neuro\.toml"):
            await client.config.switch_org(None)
        await asyncio.to_thread(file.write_text, text.replace("acme", "NO_ORG"))
        found = await client.config.get_user_config()
        assert found["job"]["org-name"] == "NO_ORG"
        assert client.config.org_name is None
    await asyncio.to_thread(file.write_text, "[typo]\n")
    with pytest.raises(ConfigError, match="typo"):
        await factory.load_user_config()
    with pytest.raises(ConfigError, match="typo"):
        await factory.get()


def _set(folder: Path, column: str, value: str) -> None:
    db = sqlite3.connect(folder / "db")
    db.execute(f"UPDATE main SET {column}=?", (value,))
    db.commit()
    db.close()


async def _by_browser(platform: LocalPlatform, factory: Factory) -> None:
    async def show(url: URL) -> None:
        await visit(url)

    await factory.login(show, url=platform.api_url)


async def test_another_version_asks_the_server_once(
    platform: LocalPlatform, factory: Factory
) -> None:
    await _by_browser(platform, factory)
    await asyncio.to_thread(_set, factory.path, "version", "20.1.1")
    with platform.intercept() as seen:
        async with await factory.get():
            pass
        assert [call.path for call in seen.calls] == ["/api/v1/config"]
    with platform.intercept() as seen:
        async with await factory.get():
            pass
        assert seen.calls == []


async def test_a_changed_platform_is_recovered_from(
    platform: LocalPlatform, factory: Factory
) -> None:
    await _by_browser(platform, factory)
    clusters = (await asyncio.to_thread(store.load, factory.path)).clusters
    await asyncio.to_thread(_set, factory.path, "version", "20.1.1")
    await asyncio.to_thread(_set, factory.path, "cluster_name", "beta")
    await asyncio.to_thread(_set, factory.path, "org_name", "acme")
    await asyncio.to_thread(_set, factory.path, "clusters", "[]")
    async with await factory.get() as client:
        assert client.config.clusters == clusters
        assert (client.cluster_name, client.config.org_name) == ("beta", "acme")


async def test_a_recovery_that_fails_tells_the_first_reason(
    platform: LocalPlatform, factory: Factory
) -> None:
    await login_to(platform, factory.path)  # without a refresh token
    await asyncio.to_thread(_set, factory.path, "version", "20.1.1")
    await asyncio.to_thread(_set, factory.path, "clusters", "[]")
    with pytest.raises(ConfigError, match="has changed since"):
        await factory.get()


async def test_a_token_that_expires_is_refreshed_and_stored(
    tmp_path: Path, factory: Factory
) -> None:
    async with LocalPlatform(data=tmp_path / "short", port=0, token_lifetime=1.0) as platform:
        await _by_browser(platform, factory)
        first = (await asyncio.to_thread(store.load, factory.path)).token
        await asyncio.sleep(1.1)
        async with await factory.get() as client:
            with platform.intercept() as seen:
                async with asyncio.TaskGroup() as group:
                    for number in range(20):
                        uri = URL(f"storage:{number}")
                        group.create_task(client.storage.create(uri, b"x"))
            paths = [call.path for call in seen.calls]
            assert paths.count("/auth/token") == 1
            assert sum("/storage/" in path for path in paths) == 20
        second = (await asyncio.to_thread(store.load, factory.path)).token
        assert second.access != first.access
        assert second.refresh == first.refresh


@pytest.mark.thorough
async def test_two_processes_refresh_at_once(tmp_path: Path, factory: Factory) -> None:
    code = (
        "import asyncio, sys, pathlib, yarl, neuro_client\n"
        "async def main():\n"
        "    async with neuro_client.get(path=pathlib.Path(sys.argv[1])) as client:\n"
        "        await client.storage.create(yarl.URL('storage:' + sys.argv[2]), b'x')\n"
        "asyncio.run(main())\n"
    )
    async with LocalPlatform(data=tmp_path / "short", port=0, token_lifetime=2.0) as platform:
        await _by_browser(platform, factory)
        await asyncio.sleep(1.6)
        processes = [
            await asyncio.create_subprocess_exec(
                sys.executable, "-c", code, str(factory.path), str(number)
            )
            for number in range(2)
        ]
        assert [await process.wait() for process in processes] == [0, 0]
    await asyncio.to_thread(store.load, factory.path)


async def test_anonymous_configuration(platform: LocalPlatform) -> None:
    async with Transport() as transport:
        server = await fetch_server_config(transport, platform.api_url, None)
        assert server.authorized is False
        assert server.clusters == {}


async def test_the_deferred_client_is_usable_once(
    platform: LocalPlatform, factory: Factory
) -> None:
    await login_to(platform, factory.path)
    opening = neuro_client.get(path=factory.path)
    async with opening as client:
        assert not client.closed
    with pytest.raises(RuntimeError, match="once"):
        await opening


async def test_services_of_a_platform_are_written_but_never_replaced(
    platform: LocalPlatform, factory: Factory
) -> None:
    ready = {**platform.ready, "artifacts": {"url": "http://a", "user_id": "u", "api_key": "k"}}
    await login_to(ready, factory.path)
    path = factory.path / "services.toml"
    assert (await asyncio.to_thread(path.stat)).st_mode & 0o777 == 0o600
    text = await asyncio.to_thread(path.read_text)
    assert 'user_id = "u"' in text
    with pytest.raises(ConfigError):
        await login_to(ready, factory.path)
