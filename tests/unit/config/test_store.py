"""The login on disk: the published format, private and atomic, never overwritten by accident."""

from __future__ import annotations

import sqlite3
import stat
import threading
import time
from decimal import Decimal
from pathlib import Path

import attrs
import pytest
from yarl import URL

from neuro_client.config import AuthConfig, Cluster, Login, Preset, Token, cookies, store
from neuro_client.errors import ConfigError

LOGIN = Login(
    auth=AuthConfig(
        auth_url=URL("http://api.test/authorize"),
        token_url=URL("http://api.test/oauth/token"),
        logout_url=URL("http://api.test/v2/logout"),
        client_id="cli",
        audience="http://api.test",
        headless_callback_url=URL("http://api.test/show-code"),
    ),
    token=Token("access", 2e9, "refresh"),
    url=URL("http://api.test/api/v1"),
    admin_url=None,
    version=store.FORMAT_VERSION,
    cluster_name="alpha",
    org_name=None,
    clusters={
        "alpha": Cluster(
            name="alpha",
            orgs=[None, "acme"],
            registry_url=URL("http://api.test/registry"),
            storage_url=URL("http://api.test/storage"),
            users_url=URL("http://api.test/users"),
            monitoring_url=URL("http://api.test/jobs"),
            secrets_url=URL("http://api.test/secrets"),
            disks_url=URL("http://api.test/disks"),
            buckets_url=URL("http://api.test/buckets"),
            presets={
                "small": Preset(Decimal("1.5"), 0.5, 2**30),
                "tpu": Preset(Decimal(10), 4.0, 2**33, True, False, 1, "model-x", "v2-8", "1.14"),
            },
        )
    },
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "config"


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_what_is_created_is_loaded(folder: Path) -> None:
    store.create(folder, LOGIN)
    assert store.load(folder) == LOGIN
    assert sorted(p.name for p in folder.iterdir()) == ["db"]


def test_files_are_private(folder: Path) -> None:
    store.create(folder, LOGIN)
    assert _mode(folder) == 0o700
    assert _mode(folder / "db") == 0o600


def test_the_table_is_the_published_one(folder: Path) -> None:
    store.create(folder, LOGIN)
    db = sqlite3.connect(folder / "db")
    try:
        assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        columns = [tuple(row[1:3]) for row in db.execute("PRAGMA table_info(main)")]
        (text,) = db.execute("SELECT sql FROM sqlite_master WHERE name='main'").fetchone()
    finally:
        db.close()
    assert columns == [
        ("auth_config", "TEXT"),
        ("token", "TEXT"),
        ("expiration_time", "REAL"),
        ("refresh_token", "TEXT"),
        ("url", "TEXT"),
        ("admin_url", "TEXT"),
        ("version", "TEXT"),
        ("cluster_name", "TEXT"),
        ("org_name", "TEXT"),
        ("clusters", "TEXT"),
        ("timestamp", "REAL"),
    ]
    assert text.startswith("CREATE TABLE main (auth_config TEXT, token TEXT,")


def test_a_second_login_changes_nothing(folder: Path) -> None:
    store.create(folder, LOGIN)
    with pytest.raises(ConfigError, match="logout"):
        store.create(folder, attrs.evolve(LOGIN, cluster_name="beta"))
    assert store.load(folder) == LOGIN
    assert sorted(p.name for p in folder.iterdir()) == ["db"]


def test_of_two_logins_at_once_one_wins(folder: Path) -> None:
    outcomes: list[str] = []
    start = threading.Barrier(8)

    def attempt(name: str) -> None:
        start.wait()
        try:
            store.create(folder, attrs.evolve(LOGIN, cluster_name=name))
        except ConfigError:
            outcomes.append("refused")
        else:
            outcomes.append(name)

    threads = [threading.Thread(target=attempt, args=(str(n),)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    winners = [outcome for outcome in outcomes if outcome != "refused"]
    assert len(winners) == 1
    assert store.load(folder).cluster_name == winners[0]


def test_writers_at_once_leave_one_whole_row(folder: Path) -> None:
    store.create(folder, LOGIN)

    def write(number: int) -> None:
        for _ in range(10):
            store.save(folder, attrs.evolve(LOGIN, cluster_name=f"c{number}"))
            store.save_token(folder, Token(f"t{number}", 2e9, "refresh"))

    threads = [threading.Thread(target=write, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = store.load(folder)
    assert found.cluster_name in {"c0", "c1", "c2", "c3"}
    db = sqlite3.connect(folder / "db")
    try:
        assert db.execute("SELECT count(*) FROM main").fetchone() == (1,)
    finally:
        db.close()


def test_no_login(folder: Path) -> None:
    with pytest.raises(ConfigError, match="neuro-client login"):
        store.load(folder)
    assert not folder.exists()


@pytest.mark.parametrize(
    "damage",
    [
        b"",
        b"not a database at all, but long enough to look at" * 10,
        b"SQLite format 3\x00" + b"\xff" * 4096,
    ],
)
def test_a_damaged_file_is_reported_and_left(folder: Path, damage: bytes) -> None:
    folder.mkdir(mode=0o700)
    path = folder / "db"
    path.write_bytes(damage)
    path.chmod(0o600)
    with pytest.raises(ConfigError, match="logout"):
        store.load(folder)
    assert path.read_bytes() == damage


def test_a_foreign_table_is_reported_and_left(folder: Path) -> None:
    store.create(folder, LOGIN)
    db = sqlite3.connect(folder / "db")
    db.execute("ALTER TABLE main ADD COLUMN project_name TEXT")
    db.commit()
    db.close()
    with pytest.raises(ConfigError, match="another version"):
        store.load(folder)


@pytest.mark.parametrize(
    "column", ["auth_config", "clusters", "expiration_time"], ids=lambda column: str(column)
)
def test_a_damaged_column_is_reported(folder: Path, column: str) -> None:
    store.create(folder, LOGIN)
    db = sqlite3.connect(folder / "db")
    db.execute(f"UPDATE main SET {column}='[{{'")
    db.commit()
    db.close()
    with pytest.raises(ConfigError, match="cannot be used"):
        store.load(folder)


@pytest.mark.parametrize(("target", "mode"), [("", 0o755), ("db", 0o644)])
def test_open_permissions_are_refused(folder: Path, target: str, mode: int) -> None:
    store.create(folder, LOGIN)
    (folder / target).chmod(mode)
    with pytest.raises(ConfigError, match="chmod"):
        store.load(folder)


def test_a_file_in_the_place_of_the_folder(folder: Path) -> None:
    folder.write_text("the layout of 2019")
    with pytest.raises(ConfigError, match="file, not a folder"):
        store.load(folder)
    store.remove(folder)
    assert not folder.exists()


def test_logout_keeps_other_files(folder: Path) -> None:
    store.create(folder, LOGIN)
    (folder / "user.toml").write_text("")
    store.remove(folder)
    assert [p.name for p in folder.iterdir()] == ["user.toml"]
    store.remove(folder)


def test_a_failed_write_is_logged_only(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    store.create(folder, LOGIN)
    (folder / "db").unlink()
    store.save_token(folder, Token("x", 1.0))
    assert "Cannot write" in caplog.text
    assert not (folder / "db").exists()


def test_secrets_are_not_in_a_repr() -> None:
    assert "access" not in repr(LOGIN.token)
    assert "refresh" not in repr(LOGIN)


def test_cookies_are_kept_for_five_minutes(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store.create(folder, LOGIN)
    assert cookies.load(folder) == []
    cookie = cookies.SessionCookie("NEURO_STORAGEAPI_SESSION", "api.test", "/", "sticky")
    cookies.save(folder, [cookie])
    assert cookies.load(folder) == [cookie]
    later = time.time() + cookies.LIFETIME + 1
    monkeypatch.setattr(time, "time", lambda: later)
    assert cookies.load(folder) == []
