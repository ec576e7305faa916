"""Settings of the foreign systems: argument before environment before file."""

from __future__ import annotations

from pathlib import Path

import pytest

from neuro_client.config.services import (
    AIStoreSettings,
    ArtifactsSettings,
    Services,
    TrainingsSettings,
    WorkspacesSettings,
    load_services,
    resolve,
)
from neuro_client.errors import ConfigError

FILE = """
[trainings]
url = "https://file.test"
client_id = "from-file"
client_secret = "hush"

[aistore]
url = "http://ais.test:8080"
skip_verify = true
"""


def _write(folder: Path, text: str, mode: int = 0o600) -> None:
    path = folder / "services.toml"
    path.write_text(text)
    path.chmod(mode)


def test_argument_wins_over_environment_over_file(tmp_path: Path) -> None:
    _write(tmp_path, FILE)
    settings = resolve(
        TrainingsSettings,
        load_services(tmp_path),
        folder=tmp_path,
        environ={"RUNAI_CLIENT_ID": "from-env", "RUNAI_URL": "https://env.test"},
        url="https://argument.test",
    )
    assert settings.url == "https://argument.test"
    assert settings.client_id == "from-env"
    assert settings.client_secret == "hush"
    assert settings.cluster_url is None
    assert "hush" not in repr(settings)


def test_without_a_file_the_environment_is_enough(tmp_path: Path) -> None:
    environ = {"GRID_URL": "http://g", "GRID_USER_ID": "u", "GRID_API_KEY": "k"}
    settings = resolve(ArtifactsSettings, load_services(tmp_path), folder=tmp_path, environ=environ)
    assert (settings.url, settings.user_id, settings.cluster_id) == ("http://g", "u", None)


@pytest.mark.parametrize(("value", "expected"), [("true", True), ("1", True), ("0", False)])
def test_switches_of_the_environment(tmp_path: Path, value: str, expected: bool) -> None:
    environ = {"AIS_ENDPOINT": "http://a", "AIS_SKIP_VERIFY_CRT": value}
    settings = resolve(AIStoreSettings, {}, folder=tmp_path, environ=environ)
    assert settings.skip_verify is expected


def test_what_is_missing_is_named_in_full(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        resolve(WorkspacesSettings, {}, folder=tmp_path, environ={})
    text = str(caught.value)
    assert "RESON_API_URL" in text
    assert "[workspaces]" in text
    assert str(tmp_path / "services.toml") in text


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[trainings", "not a TOML file"),
        ("[typo]\nurl='x'", "typo"),
        ("[trainings]\nurll='x'", "urll"),
        ("[trainings]\nurl=1", "must be a str"),
        ("[aistore]\nskip_verify='yes'", "must be a bool"),
        ("trainings = 1", "none of the tables"),
    ],
)
def test_a_bad_file_is_refused(tmp_path: Path, text: str, why: str) -> None:
    _write(tmp_path, text)
    with pytest.raises(ConfigError, match=why) as caught:
        load_services(tmp_path)
    assert "services.toml" in str(caught.value)


def test_a_file_others_can_read_is_refused(tmp_path: Path) -> None:
    _write(tmp_path, FILE, 0o644)
    with pytest.raises(ConfigError, match="chmod 600"):
        load_services(tmp_path)


def test_a_bad_file_hinders_only_those_who_need_it(tmp_path: Path) -> None:
    _write(tmp_path, "[trainings")
    services = Services.read(tmp_path)
    with pytest.raises(ConfigError, match="not a TOML file"):
        services.settings(TrainingsSettings)


def test_a_file_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AIS_ENDPOINT", raising=False)
    _write(tmp_path, FILE)
    services = Services.read(tmp_path)
    (tmp_path / "services.toml").unlink()
    assert services.settings(AIStoreSettings).url == "http://ais.test:8080"
    assert "hush" not in repr(services)
