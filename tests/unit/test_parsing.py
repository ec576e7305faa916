"""Volumes and environments, public-api.md §14.5."""

from __future__ import annotations

from pathlib import Path

import pytest
from yarl import URL

from neuro_client.models import DiskVolume, SecretFile, TagOption, Volume
from neuro_client.parsing import Parser
from tests.unit.test_image_names import REGISTRIES


class FakeCluster:
    def __init__(self, registry_url: URL) -> None:
        self.registry_url = registry_url


class FakeConfig:
    cluster_name = "alpha"
    username = "ada"

    def __init__(self, org_name: str | None = None) -> None:
        self.clusters = {name: FakeCluster(url) for name, url in REGISTRIES.items()}
        self.org_name = org_name


PARSE = Parser(FakeConfig())
PARSE_ACME = Parser(FakeConfig("acme"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("storage:d:/mnt", Volume(URL("storage://alpha/ada/d"), "/mnt", False)),
        ("storage:d:/mnt:ro", Volume(URL("storage://alpha/ada/d"), "/mnt", True)),
        ("storage:d:/mnt:rw", Volume(URL("storage://alpha/ada/d"), "/mnt", False)),
        ("storage::/mnt", Volume(URL("storage://alpha/ada"), "/mnt", False)),
        ("storage:/bob/d:/mnt", Volume(URL("storage://alpha/bob/d"), "/mnt", False)),
        ("storage://beta/bob/d:/mnt:ro", Volume(URL("storage://beta/bob/d"), "/mnt", True)),
        ("storage:d:mnt", Volume(URL("storage://alpha/ada/d"), "mnt", False)),
    ],
)
def test_volume(text: str, expected: Volume) -> None:
    assert PARSE.volume(text) == expected


@pytest.mark.parametrize(
    "text",
    ["storage:d:/mnt:xx", "storage:d", "d:/mnt", "storage:a:b:c:ro", "secret:s:/mnt", "blob:b:/m"],
)
def test_not_a_volume(text: str) -> None:
    with pytest.raises(ValueError):
        PARSE.volume(text)


def test_volume_elsewhere() -> None:
    assert PARSE_ACME.volume("storage:d:/m").storage_uri == URL("storage://alpha/acme/ada/d")
    assert PARSE_ACME.volume("storage:d:/m", "beta", "zed").storage_uri == URL(
        "storage://beta/zed/ada/d"
    )
    assert PARSE_ACME.volume("storage:d:/m", org_name=None).storage_uri == URL(
        "storage://alpha/ada/d"
    )


def test_volumes_are_sorted_by_kind() -> None:
    found = PARSE.volumes(
        ["storage:b:/b:ro", "secret:s:/s", "disk:d:/d", "disk:e:/e:ro", "storage:a:/a"]
    )
    assert [v.container_path for v in found.volumes] == ["/b", "/a"]
    assert found.secret_files == [SecretFile(URL("secret://alpha/ada/s"), "/s")]
    assert found.disk_volumes == [
        DiskVolume(URL("disk://alpha/ada/d"), "/d", False),
        DiskVolume(URL("disk://alpha/ada/e"), "/e", True),
    ]


@pytest.mark.parametrize("text", ["HOME", "ALL", "secret:s:/s:ro", "disk:d", "disk:d:/d:no"])
def test_refused_among_volumes(text: str) -> None:
    with pytest.raises(ValueError):
        PARSE.volumes([text])


def test_envs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FROM_HERE", "here")
    monkeypatch.delenv("NOWHERE", raising=False)
    first = tmp_path / "first"
    first.write_bytes(
        "\ufeff# comment\r\n\r\n  A=x=y\nB=trailing \nFROM_HERE\nNOWHERE\n C =c\nU=ü\n".encode()
    )
    second = tmp_path / "second"
    second.write_text("A=later\nS=secret:tok\n")
    found = PARSE.envs(["B=last", "T=secret:/bob/t"], [str(first), str(second)])
    assert found.env == {
        "A": "later",
        "B": "last",
        "FROM_HERE": "here",
        "NOWHERE": "",
        "C ": "c",
        "U": "ü",
    }
    assert found.secret_env == {
        "S": URL("secret://alpha/ada/tok"),
        "T": URL("secret://alpha/bob/t"),
    }


def test_a_later_plain_value_replaces_a_secret() -> None:
    found = PARSE.envs(["A=secret:x", "A=plain", "B=plain", "B=secret:x"])
    assert (found.env, set(found.secret_env)) == ({"A": "plain"}, {"B"})


def test_envs_in_blanks() -> None:
    assert PARSE.envs(["A=  two  "]).env == {"A": "  two  "}


def test_bad_envs(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="#"):
        PARSE.envs(["A=secret:x#y"])
    with pytest.raises(FileNotFoundError):
        PARSE.envs([], [str(tmp_path / "nowhere")])


def test_both_names_of_the_argument() -> None:
    expected = URL("storage://alpha/ada/x")
    assert PARSE.str_to_uri("storage:x") == expected
    assert PARSE.str_to_uri(id_or_name_or_uri="storage:x") == expected
    assert PARSE.str_to_uri(uri="storage:x") == expected
    with pytest.raises(TypeError):
        PARSE.str_to_uri()


def test_arguments_of_scope() -> None:
    uri = PARSE_ACME.str_to_uri
    assert str(uri("storage:q", cluster_name="beta")) == "storage://beta/acme/ada/q"
    assert str(uri("storage:q", cluster_name="beta", org_name="zed")) == "storage://beta/zed/ada/q"
    assert str(uri("storage:q", org_name=None)) == "storage://alpha/ada/q"
    assert str(PARSE_ACME.normalize_uri(URL("storage:q"), short=True)) == "storage:q"
    assert uri("storage:q", allowed_schemes=iter(["storage"])).host == "alpha"


def test_paths() -> None:
    assert PARSE.uri_to_path(URL("file:///etc/h")) == Path("/etc/h")
    assert PARSE.uri_to_path(URL("file:///etc/h"), cluster_name="beta") == Path("/etc/h")
    assert str(PARSE.path_to_uri(Path("/abs#1"))) == "file:///abs%231"
    assert PARSE.path_to_uri(Path("rel x")) == URL((Path.cwd() / "rel x").as_uri())
    assert PARSE.uri_to_str(URL("storage:a%20b")) == "storage:a%20b"


def test_images() -> None:
    assert PARSE.local_image("ubuntu").tag == "latest"
    image = PARSE_ACME.remote_image("image:img", cluster_name="beta", tag_option=TagOption.ALLOW)
    assert str(image) == "image://beta/acme/ada/img"


def test_there_is_no_public_constructor() -> None:
    with pytest.raises(TypeError):
        Parser()  # type: ignore[call-arg]
