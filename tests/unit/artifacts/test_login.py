"""The login of the published client counts where nothing else is said (grid-artifacts.md §3.1)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from neuro_client.artifacts import Artifacts
from neuro_client.config.grid_files import grid_settings
from neuro_client.config.services import ArtifactsSettings, Services
from neuro_client.errors import ConfigError


def write(home: Path, credentials: object, settings: object = None) -> None:
    (home / ".grid").mkdir(exist_ok=True)
    (home / ".grid/credentials.json").write_text(json.dumps(credentials))
    if settings is not None:
        (home / ".grid/settings.json").write_text(json.dumps(settings))


def test_the_files_are_read(tmp_path: Path) -> None:
    write(tmp_path, {"UserID": "u", "APIKey": "hush"})
    plain = {"url": "https://platform.grid.ai", "user_id": "u", "api_key": "hush"}
    assert grid_settings(tmp_path) == plain
    write(
        tmp_path, {"UserID": "u", "APIKey": "hush"}, {"context": "prod-2", "grid_url": "http://g"}
    )
    assert grid_settings(tmp_path) == {**plain, "url": "http://g", "cluster_id": "prod-2"}


@pytest.mark.parametrize("credentials", [{"UserID": "u"}, {"UserID": 1, "APIKey": "k"}, [], None])
def test_what_is_no_login_counts_as_absent(tmp_path: Path, credentials: object) -> None:
    write(tmp_path, credentials)
    assert grid_settings(tmp_path) == {}
    (tmp_path / ".grid/credentials.json").write_text("{")
    assert grid_settings(tmp_path) == {}


def test_arguments_environment_and_file_come_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "home", {"UserID": "u", "APIKey": "hush"}, {"context": "home-cluster"})
    found = Services.read(tmp_path).settings(ArtifactsSettings)
    assert (found.user_id, found.cluster_id) == ("u", "home-cluster")
    monkeypatch.setenv("GRID_CLUSTER_ID", "env-cluster")
    found = Services.read(tmp_path).settings(ArtifactsSettings, user_id="mine")
    assert (found.user_id, found.cluster_id) == ("mine", "env-cluster")
    monkeypatch.delenv("GRID_CLUSTER_ID")
    # The login is a whole: a table for another server gets no part of it.
    file = tmp_path / "services.toml"
    file.write_text('[artifacts]\nurl = "http://local"\nuser_id = "file"\n')
    file.chmod(0o600)
    with pytest.raises(ConfigError, match="GRID_API_KEY"):
        Services.read(tmp_path).settings(ArtifactsSettings)


@pytest.mark.parametrize(
    ("url", "user"), [("ftp://h", "u"), ("grid", "u"), ("http://user:word@h", "")]
)
def test_what_cannot_be_an_account_is_refused(url: str, user: str) -> None:
    with pytest.raises(ValueError, match=r"address|user_id") as caught:
        Artifacts(url, user_id=user, api_key="hush")
    assert "word" not in str(caught.value)
    with pytest.raises(ConfigError, match="artifacts cannot be used"):
        Artifacts.from_settings(ArtifactsSettings(url=url, user_id=user, api_key="hush"))
