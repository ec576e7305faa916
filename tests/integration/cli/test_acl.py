"""``acl``: share what is yours, see what is shared, manage roles."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from neuro_client.local import LocalPlatform
from neuro_client.testing.login import login

from .kit import Program


async def test_what_is_shared_with_another_user(
    local_platform: LocalPlatform, tmp_path: Path
) -> None:
    mine, theirs = (Program(tmp_path, tmp_path / name) for name in ("mine", "theirs"))
    await login(local_platform, mine.config)
    token = await local_platform.add_user("other")

    def act() -> None:
        theirs.run("login", "--token", "-", str(local_platform.ready["api_url"]), stdin=token)
        (tmp_path / "note").write_text("mine")
        mine.call("storage", "mkdir", "storage:shared")
        mine.call("storage", "cp", str(tmp_path / "note"), "storage:shared/note")
        uri, full = "storage:shared", "storage://default/user/shared"
        theirs.call("storage", "ls", "storage:/user/shared", code=4)
        given = mine.document("acl", "grant", uri, "other", "read")
        assert given == {"user": "other", "uri": full, "action": "read"}
        assert theirs.call("storage", "ls", "storage:/user/shared").stdout == "note\n"
        shared = mine.call("acl", "ls", "--shared").stdout.splitlines()
        assert [line.split() for line in shared] == [
            ["URI", "ACTION", "USER"],
            [full, "read", "other"],
        ]
        assert mine.documents("acl", "ls", "--shared", "storage:") == [given]
        assert mine.documents("acl", "ls", "--shared", "blob:") == []
        assert mine.documents("acl", "ls", "--shared", uri) == [given]
        own = {"uri": full, "action": "read"}
        assert theirs.documents("acl", "ls", "storage:/user/shared") == [own]
        assert own in theirs.documents("acl", "ls", "storage:")
        assert "may read" in mine.call("acl", "grant", uri, "other", "read").stderr
        theirs.call("acl", "grant", "storage:/user/shared", "other", "manage", code=5)
        assert mine.document("acl", "revoke", uri, "other") == {"user": "other", "uri": full}
        theirs.call("storage", "ls", "storage:/user/shared", code=4)
        assert mine.documents("acl", "ls", "--shared") == []

    await asyncio.to_thread(act)


@pytest.mark.thorough
def test_roles(program: Program) -> None:
    assert program.document("acl", "add-role", "user/readers") == {"added": "user/readers"}
    program.call("acl", "grant", "blob:data", "user/readers", "write")
    assert program.call("acl", "list-roles").stdout == "user/readers\n"
    assert program.documents("acl", "list-roles", "-u", "user") == [{"role": "user/readers"}]
    assert program.documents("acl", "ls", "-u", "user/readers", "blob:data") == [
        {"uri": "blob://default/user/data", "action": "write"}
    ]
    assert program.document("acl", "remove-role", "user/readers") == {"removed": "user/readers"}
    assert program.call("acl", "list-roles").stdout == ""


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (["grant", "storage:x", "nobody", "read"], 4, "no user 'nobody'"),
        (["grant", "storage:x", "a:b", "read"], 2, "colon"),
        (["grant", "storage:x", "user", "own"], 2, "own"),
        (["grant", "file:x", "user", "read"], 2, "scheme"),
        (["grant", "plain", "user", "read"], 2, "scheme"),
        (["revoke", "storage:x", "user"], 5, "Nothing was shared"),
        (["ls", "-u", "nobody"], 4, "no user 'nobody'"),
        (["list-roles", "-u", "nobody"], 4, "no user 'nobody'"),
        (["add-role", "stranger/role"], 5, "manage"),
        (["remove-role", "user/none"], 4, "no user 'user/none'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_errors_have_codes_and_words(
    program: Program, args: list[str], code: int, words: str
) -> None:
    ended = program.call("acl", *args, code=code)
    assert words.lower() in ended.stderr.lower()
    assert ended.stdout == ""
