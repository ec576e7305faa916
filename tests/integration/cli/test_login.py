"""``login``, ``logout``, ``config`` and ``local``, as processes."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import attrs
import pytest

from .browser import allow
from .kit import Program

pytestmark = pytest.mark.thorough


@pytest.fixture
def api_url(program: Program) -> str:
    """Return the address of the running platform."""
    return str(json.loads((program.home / "data" / "ready.json").read_text())["api_url"])


@pytest.fixture
def token(program: Program) -> str:
    """Return the token of the running platform's first user."""
    return str(json.loads((program.home / "data" / "ready.json").read_text())["token"])


@pytest.fixture
def stranger(program: Program, tmp_path: Path) -> Program:
    """Give the program without a login."""
    return attrs.evolve(program, config=tmp_path / "config")


def test_a_login_is_never_replaced(program: Program, api_url: str) -> None:
    data = str(program.home / "data")
    ended = program.call("login", "--local", "--data", data, code=1)
    assert "already" in ended.stderr
    program.call("login", "--token", "x", api_url, code=1)
    assert program.document("config", "show")["username"] == "user"


def test_a_token_comes_from_stdin_and_is_never_printed(
    stranger: Program, api_url: str, token: str
) -> None:
    done = stranger.run("--json", "login", "--token", "-", api_url, stdin=f"{token}\n")
    assert json.loads(done.stdout)["username"] == "user"
    assert f"Logged in to {api_url} as user" in done.stderr
    shown = stranger.run("config", "show", "--json")
    assert token not in done.stdout + done.stderr + shown.stdout

    assert stranger.document("logout")["removed"] is True
    assert stranger.document("logout")["removed"] is False
    stranger.call("config", "show", code=3)


def test_a_token_that_is_not_accepted(stranger: Program, api_url: str) -> None:
    ended = stranger.call("login", "--token", "forged", api_url, code=3)
    assert "forged" not in ended.stderr
    assert not stranger.config.exists()


def test_a_wrong_address(stranger: Program) -> None:
    ended = stranger.call("login", "--token", "t", "http://127.0.0.1:9/api/v1", code=1)
    assert "127.0.0.1:9" in ended.stderr


def test_login_through_the_browser(stranger: Program, api_url: str) -> None:
    browser = Path(__file__).with_name("browser.py")
    environment = {**stranger.environment, "BROWSER": f"{sys.executable} {browser} %s"}

    @attrs.frozen
    class WithBrowser(Program):
        @property
        def environment(self) -> dict[str, str]:
            return environment

    there = WithBrowser(stranger.home, stranger.config)
    done = there.run("login", api_url)
    assert "Opening your browser" in done.stderr
    assert "as user, cluster default" in done.stderr


def test_login_without_a_browser(stranger: Program, api_url: str) -> None:
    with stranger.terminal("login", "--headless", api_url) as terminal:
        terminal.wait_for("Code: ")
        address = re.search(r"http://\S+", terminal.shown)
        assert address is not None
        code = re.search(r'<code id="code">([^<]+)', allow(address[0]))
        assert code is not None
        terminal.type(f"{code[1]}\n")
        assert terminal.end() == 0
    assert stranger.document("config", "show")["cluster"] == "default"


def test_ctrl_c_at_the_question_for_the_code(stranger: Program, api_url: str) -> None:
    with stranger.terminal("login", "--headless", api_url) as terminal:
        terminal.wait_for("Code: ")
        terminal.type("\x03")
        assert terminal.end() == 130
    assert "Traceback" not in terminal.shown
    assert not stranger.config.exists()


def test_local_login_needs_a_running_platform(stranger: Program, tmp_path: Path) -> None:
    data = str(tmp_path / "no where")
    ended = stranger.call("login", "--local", "--data", data, code=3)
    assert f"local up --detach --data '{data}'" in ended.stderr


def test_settings_of_other_services_are_kept_and_told_of(
    stranger: Program, program: Program
) -> None:
    login = ["login", "--local", "--data", str(program.home / "data")]
    assert "services.toml" not in stranger.run(*login).stderr
    stranger.run("logout")
    services = stranger.config / "services.toml"
    services.write_text("[aistore]\nurl = 'http://other'\n")
    assert f"{services} was there already" in stranger.run(*login).stderr
    assert "other" in services.read_text()


@pytest.mark.thorough
def test_the_platform_is_found_and_kept_from_starting_twice(
    program: Program, tmp_path: Path, token: str
) -> None:
    data = str(program.home / "data")
    told = program.document("local", "status", "--data", data)
    assert told["running"] is True
    assert token not in json.dumps(told)
    again = program.run("local", "up", "--detach", "--data", data, code=1)
    assert "served already" in again.stderr

    nowhere = str(tmp_path / "nothing")
    assert program.document("local", "status", "--data", nowhere, code=4) == {"running": False}
    assert program.document("local", "down", "--data", nowhere, code=4) == {"stopped": False}
    refused = program.call("local", "up", "--host", "0.0.0.0", "--data", nowhere, code=2)
    assert "--allow-remote" in refused.stderr


def test_the_platform_in_the_foreground_ends_with_ctrl_c(program: Program, tmp_path: Path) -> None:
    data, ready = str(tmp_path / "data"), tmp_path / "ready.json"
    words = ["local", "up", "--port", "0", "--data", data, "--ready-file", str(ready)]
    with program.terminal(*words) as terminal:
        terminal.wait_for("Log in with: neuro-client login --local --data")
        assert json.loads(ready.read_text())["cluster"] == "default"
        terminal.type("\x03")
        assert terminal.end() == 0
    assert "Traceback" not in terminal.shown
    program.document("local", "status", "--data", data, code=4)


def test_cluster_and_organisation_are_switched(
    stranger: Program, program: Program, api_url: str, token: str
) -> None:
    stranger.call("login", "--token", token, api_url)
    assert stranger.document("config", "switch-cluster", "other")["cluster"] == "other"
    assert stranger.document("config", "switch-org", "team")["org"] == "team"
    assert stranger.document("config", "switch-org", "--none")["org"] is None
    assert set(stranger.document("config", "fetch")["clusters"]) == {"default", "other"}
    stranger.call("config", "switch-cluster", "nowhere", code=4)
    stranger.call("config", "switch-org", "nobody", code=1)
    shown = stranger.call("config", "show").stdout
    assert re.search(r"Cluster +other", shown)
    assert "cpu-small" in shown
    assert program.document("config", "show")["cluster"] == "default"
