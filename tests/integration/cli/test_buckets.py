"""``bucket``: make, import, share and remove buckets, and the credentials for them."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from yarl import URL

from neuro_client.local import LocalPlatform
from neuro_client.testing.login import login

from .kit import Program

_SECRET = "a-secret-value-of-an-imported-bucket"


@pytest.fixture
def name(tmp_path: Path) -> str:
    """Give a bucket's name of the test's own."""
    return tmp_path.name.replace("_", "-").lower()[-40:].lstrip("-0123456789")


def _named(program: Program, *args: str) -> dict[str, dict[str, object]]:
    return {item["name"]: item for item in program.documents("bucket", "ls", *args)}


def test_a_bucket_from_its_making_to_its_end(program: Program, name: str) -> None:
    made = program.document("bucket", "create", name)
    assert (made["name"], made["provider"], made["public"]) == (name, "minio", False)
    assert made["uri"] == f"blob://default/user/{name}"
    assert program.document("bucket", "get", made["id"]) == made
    assert _named(program)[name] == made
    table = program.call("bucket", "ls").stdout.splitlines()
    assert table[0].split() == ["NAME", "PROVIDER", "OWNER", "ACCESS", "CREATED", "URI"]
    assert any(line.split()[0] == name and line.endswith(f"blob:{name}") for line in table)
    assert "URI       " + made["uri"] in program.call("bucket", "get", name).stdout

    assert program.document("bucket", "rm", name) == {"removed": [name]}
    assert name not in _named(program)
    program.call("bucket", "get", name, code=4)


def test_other_clusters_and_organisations(program: Program, name: str) -> None:
    program.call("bucket", "create", name, "--cluster", "other")
    assert name in _named(program, "--cluster", "other")
    assert name not in _named(program)
    program.call("blob", "ls", f"blob://other/user/{name}")
    program.call("bucket", "rm", name, "--cluster", "other")

    assert program.document("bucket", "create", name, "--org", "team")["org"] == "team"
    program.call("blob", "cp", __file__, f"blob://default/team/user/{name}/key")
    assert "Organisation  team" in program.call("bucket", "get", name).stdout
    program.call("bucket", "rm", "--content", name)


def test_a_full_bucket_goes_with_its_content_only(program: Program, name: str) -> None:
    program.call("bucket", "create", name)
    program.call("blob", "cp", __file__, f"blob:{name}/sub/sp ace")
    refused = program.call("bucket", "rm", name, code=1)
    assert "--content" in refused.stderr
    program.call("bucket", "rm", "--content", name)
    program.call("bucket", "get", name, code=4)


def test_what_stays_does_not_keep_the_rest(program: Program, name: str) -> None:
    for other in ("one", "two"):
        program.call("bucket", "create", f"{name}-{other}")
        program.call(
            "bucket", "credentials", "make", f"{name}-{other}", "--name", f"{name}-{other}"
        )
    program.call("blob", "cp", __file__, f"blob:{name}-one/key")
    both = (f"{name}-one", f"{name}-two")
    refused = program.call("bucket", "rm", *both, code=1)
    assert "--content" in refused.stderr
    program.call("bucket", "get", both[0])
    program.call("bucket", "get", both[1], code=4)
    refused = program.call("--json", "bucket", "rm", "--content", both[1], both[0], code=4)
    assert json.loads(refused.stdout) == {"removed": [both[0]]}
    # The credentials went with the only bucket that they opened.
    refused = program.call("bucket", "credentials", "rm", *both, code=4)
    assert refused.stderr.count("Error: ") == 2


def test_public_access(program: Program, name: str) -> None:
    program.call("bucket", "create", name)
    assert program.document("bucket", "public", "--on", name)["public"] is True
    assert "public" in program.call("bucket", "ls").stdout
    assert program.document("bucket", "public", "--off", name)["public"] is False
    program.call("bucket", "rm", name)


def test_credentials_stay_until_they_are_removed(program: Program, name: str) -> None:
    program.call("bucket", "create", name)
    made = program.document("bucket", "credentials", "make", name, "--name", name, "--read-only")
    (keys,) = made["credentials"]
    assert keys["secret_access_key"]
    listed = program.call("bucket", "credentials", "ls").stdout
    assert [name, "read"] == listed.splitlines()[-1].split()[1:3]
    (told,) = program.documents("bucket", "credentials", "ls")
    assert told == {
        "id": made["id"],
        "name": name,
        "read_only": True,
        "buckets": [keys["bucket_id"]],
    }
    assert keys["secret_access_key"] not in listed
    program.call("bucket", "credentials", "rm", name)
    assert program.documents("bucket", "credentials", "ls") == []

    shown = program.call("bucket", "credentials", "make", name).stdout
    assert "Credentials" in shown
    assert "secret_access_key" in shown
    assert "session_token" in program.call("bucket", "credentials", "temporary", name).stdout
    program.call("bucket", "rm", name)


def test_an_imported_bucket_is_only_a_record(program: Program, name: str, tmp_path: Path) -> None:
    real = program.document("bucket", "create")
    program.call("blob", "cp", __file__, f"blob:{real['id']}/key")
    (keys,) = program.document("bucket", "credentials", "make", real["id"])["credentials"]
    file = tmp_path / "keys.json"
    file.write_text(
        json.dumps(
            {
                key: keys[key]
                for key in ("access_key_id", "secret_access_key", "endpoint_url", "region_name")
            }
        )
    )
    words = ["bucket", "import", "minio", keys["bucket_name"], "--credentials", str(file)]
    assert program.document(*words, "--name", name)["imported"] is True
    assert "Imported  yes" in program.call("bucket", "get", name).stdout
    assert program.call("blob", "ls", f"blob:{name}").stdout == "key\n"
    program.call("bucket", "rm", name)
    assert program.call("blob", "ls", f"blob:{real['id']}").stdout == "key\n"


@pytest.mark.thorough
def test_secrets_are_never_in_an_error(program: Program, name: str) -> None:
    keys = {"access_key_id": "AKID", "secret_access_key": _SECRET, "endpoint_url": "http://[::1]:1"}
    words = ("bucket", "import", "aws", "real", "--name", name, "--credentials", "-")
    program.run(*words, stdin=json.dumps(keys))
    refused = program.run(*words, stdin=json.dumps(keys), code=5)
    unreachable = program.call("blob", "ls", f"blob:{name}", code=1)
    unreadable = program.run(*words, stdin=json.dumps([keys]), code=2)
    for ended in (refused, unreachable, unreadable):
        assert _SECRET not in ended.stdout + ended.stderr
    program.call("bucket", "rm", name)


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (["create", "No!"], 2, "3 to 40"),
        (["create", "new-one", "--org", "nope"], 5, "403"),
        (["create", "new-one", "--cluster", "nowhere"], 4, "no cluster 'nowhere'"),
        (["get", "missing"], 4, "not found"),
        (["get", "missing", "--owner", "stranger"], 4, "not found"),
        (["rm", "missing"], 4, "not found"),
        (["rm", "--content", "missing"], 4, "not found"),
        (["public", "missing", "--on"], 4, "not found"),
        (["public", "missing"], 2, "--on"),
        (["import", "nobody", "x", "--credentials", "x"], 2, "nobody"),
        (["import", "aws", "x", "--credentials", "/missing"], 4, "No such file"),
        (["import", "aws", "x"], 2, "--credentials"),
        (["credentials", "temporary", "missing"], 4, "not found"),
        (["credentials", "make", "missing"], 4, "not found"),
        (["credentials", "rm", "missing"], 4, "not found"),
        (["ls", "--cluster", "nowhere"], 4, "known: default, other"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_errors_have_codes_and_words(
    program: Program, args: list[str], code: int, words: str
) -> None:
    ended = program.call("bucket", *args, code=code)
    assert words.lower() in ended.stderr.lower()
    assert ended.stdout == ""


def test_a_name_is_taken_once(program: Program, name: str) -> None:
    program.call("bucket", "create", name)
    assert "409" in program.call("bucket", "create", name, code=5).stderr
    program.call("bucket", "rm", name)


async def test_somebody_elses_bucket_is_read_as_far_as_it_is_shared(
    local_platform: LocalPlatform, tmp_path: Path
) -> None:
    mine, theirs = (Program(tmp_path, tmp_path / name) for name in ("mine", "theirs"))
    await login(local_platform, mine.config)
    token = await local_platform.add_user("other")

    def act() -> None:
        theirs.run("login", "--token", "-", str(local_platform.ready["api_url"]), stdin=token)
        mine.call("bucket", "create", "shared")
        mine.call("blob", "cp", __file__, "blob:shared/key")
        unseen = theirs.call("blob", "ls", "blob:/user/shared", code=5)
        assert "read" in unseen.stderr

    await asyncio.to_thread(act)
    await local_platform.access.grant("other", URL("blob://default/user/shared"), "read")

    def read() -> None:
        assert theirs.call("blob", "ls", "blob:/user/shared").stdout == "key\n"
        assert theirs.call("bucket", "get", "shared", "--owner", "user").stdout
        theirs.call("blob", "cp", "blob:/user/shared/key", str(tmp_path / "got"))
        theirs.call("blob", "cp", __file__, "blob:/user/shared/new", code=5)
        theirs.call("bucket", "rm", "shared", "--owner", "user", code=5)

    await asyncio.to_thread(read)
    assert (tmp_path / "got").read_bytes() == await asyncio.to_thread(Path(__file__).read_bytes)
