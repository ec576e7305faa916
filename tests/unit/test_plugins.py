"""Plugins and the user's files, config-and-auth.md §8 and §13."""

from __future__ import annotations

from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest

from neuro_client import plugins
from neuro_client.config.user_files import ConfigScope, find_project_root, load_user_config
from neuro_client.errors import ConfigError
from neuro_client.plugins import PluginManager, load_plugins, register_cli_keys


@pytest.fixture
def keys() -> Any:
    manager = PluginManager()
    register_cli_keys(manager)
    for kind in ("int", "float", "bool", "str"):
        getattr(manager.config, f"define_{kind}")("sect", kind)
        getattr(manager.config, f"define_{kind}_list")("sect", f"{kind}-list")
    return manager.config.keys


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project" / "deep" / "down"
    folder.mkdir(parents=True)
    return folder


def test_merged(tmp_path: Path, project: Path, keys: Any) -> None:
    (tmp_path / "user.toml").write_text(
        '[job]\nlife-span = "1d"\nps-format = "{id}"\n[alias.lsl]\ncmd = "ls -l"\n'
    )
    (tmp_path / "project" / ".neuro.toml").write_text(
        '[job]\nlife-span = "2h"\ncluster-name = "beta"\n[storage]\ncp-exclude = ["*.o"]\n'
    )
    assert load_user_config(tmp_path, keys, project) == {
        "job": {"life-span": "2h", "ps-format": "{id}", "cluster-name": "beta"},
        "alias": {"lsl": {"cmd": "ls -l"}},
        "storage": {"cp-exclude": ["*.o"]},
    }


def test_missing_files_are_empty(tmp_path: Path, project: Path, keys: Any) -> None:
    assert load_user_config(tmp_path, keys, project) == {}


@pytest.mark.parametrize(
    "text",
    [
        "[sect]\nint = 3\nfloat = 3\nbool = true\nstr = 'x'",
        "[sect]\nint = true\nfloat = 3.5",
        "[sect]\nint-list = [1, 2]\nstr-list = []\nfloat-list = [1, 2.5]\nbool-list = [true]",
    ],
)
def test_accepted(tmp_path: Path, project: Path, keys: Any, text: str) -> None:
    (tmp_path / "user.toml").write_text(text)
    assert "sect" in load_user_config(tmp_path, keys, project)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[nobody]\nx = 1", r"\[nobody\]"),
        ("job = 1", "must be a table"),
        ("alias = 1", "must be a table"),
        ("[job]\nnope = 1", "job.nope"),
        ("[sect]\nint = 1.5", "sect.int must be an integer"),
        ("[sect]\nint = 'x'", "sect.int must be an integer"),
        ("[sect]\nfloat = 'x'", "sect.float must be a number"),
        ("[sect]\nbool = 1", "sect.bool must be true or false"),
        ("[sect]\nstr = 1", "sect.str must be a text"),
        ("[sect]\nstr-list = 'x'", "sect.str-list must be a list"),
        ("[sect]\nstr-list = ['x', 1]", r"sect.str-list\[1\] must be a text"),
        ("[job]\ncluster-name = 'beta'", "belongs to a project"),
        ("[job]\norg-name = 'acme'", "belongs to a project"),
        ("[alias.'1x']\ncmd = 'ls'", "alias '1x'"),
        ("[alias]\nlsl = 'ls'", "alias.lsl must be a table"),
        ("[job", "not a TOML file"),
    ],
)
def test_refused(tmp_path: Path, project: Path, keys: Any, text: str, why: str) -> None:
    (tmp_path / "user.toml").write_text(text)
    with pytest.raises(ConfigError, match=why) as caught:
        load_user_config(tmp_path, keys, project)
    assert "user.toml" in str(caught.value)


def test_not_a_file(tmp_path: Path, project: Path, keys: Any) -> None:
    (tmp_path / "user.toml").mkdir()
    with pytest.raises(ConfigError, match="regular file"):
        load_user_config(tmp_path, keys, project)


def test_find_project_root(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match=r"\.neuro\.toml"):
        find_project_root(project)
    (project.parent / ".neuro.toml").touch()
    assert find_project_root(project) == project.parent
    monkeypatch.chdir(project)
    assert find_project_root() == project.parent


def test_define_twice() -> None:
    config = PluginManager().config
    config.define_int("sect", "name")
    with pytest.raises(ConfigError, match=r"sect\.name"):
        config.define_str("sect", "name", scope=ConfigScope.LOCAL)
    with pytest.raises(ConfigError, match="alias"):
        config.define_str("alias", "name")


def test_scopes() -> None:
    assert [scope.value for scope in ConfigScope] == [1, 2]
    assert ConfigScope.ALL.value == 3


def _text(old: str, new: str) -> str:
    return f"{old} -> {new}"


def test_exclusive_release() -> None:
    checker = PluginManager().version_checker
    checker.register("one", _text)
    checker.register("only", _text, exclusive=True, delay=5)
    checker.register("late", _text)
    assert set(checker.records) == {"only"}
    assert checker.records["only"].delay == 5
    with pytest.raises(ConfigError, match="exclusively"):
        checker.register("other", _text, exclusive=True)


def test_our_own_plugin_is_installed() -> None:
    assert ("job", "life-span") in load_plugins().config.keys


def test_ours_gives_way_to_the_stock_plugin() -> None:
    manager = PluginManager()
    manager.config.define_str("job", "ps-format")
    register_cli_keys(manager)
    assert set(manager.config.keys) == {("job", "ps-format")}


def test_a_broken_plugin_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = EntryPoint("broken", "no.such.module:register", plugins.GROUP)
    monkeypatch.setattr(plugins, "entry_points", lambda group: [broken])
    with pytest.raises(ConfigError, match="plugin broken"):
        load_plugins()
