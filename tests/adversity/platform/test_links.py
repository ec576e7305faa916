"""Links that another process put into the storage: shown, never a way to anywhere else."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from .attack import attack, judge
from .paths import ROOT
from .target import OTHERS_SECRET, OUTSIDE_SECRET, Target

pytestmark = pytest.mark.thorough

LINKS: Mapping[str, str] = {
    "data": "../../..",
    "state": "../../../state.db",
    "key": "../../../signing.key",
    "ready": "../../../ready.json",
    "beside": "../../../../canary",
    "root": "/",
    "passwd": "/etc/passwd",
    "process": "/proc/self",
    "cluster": "..",
    "other": "../other",
    "others secret": "../other/secret",
    "second cluster": "../../second/other",
    "drafts": "../../.incoming",
    "itself": "itself",
    "ring a": "ring b",
    "ring b": "ring a",
    "missing outside": "../../../../made",
    "missing in other": "../other/made",
    "through a link": "cluster/other/secret",
    "absolute other": "{home}/../other",
}
BEHIND = ("", "/secret", "/canary", "/other/secret", "/etc/passwd", "/made/deep", "/environ")


@pytest.fixture
async def links(target: Target) -> Target:
    """Put all the links into the user's home, as a job may."""

    def lay() -> None:
        home = target.home("user")
        for name, leads in LINKS.items():
            if not os.path.lexists(home / name):
                (home / name).symlink_to(leads.format(home=home))

    await asyncio.to_thread(lay)
    return target


def _requests(target: Target, name: str, behind: str) -> Mapping[str, bytes]:
    path = f"{ROOT}/{name}{behind}".replace(" ", "%20")
    here = path.removeprefix("/api/v1/storage/default")
    content = ("Content-Type: application/octet-stream", "Content-Length: 4")
    return {
        f"{query} {path}": target.head(method, f"{address}?{query}", *lines) + body
        for method, address, query, lines, body in (
            ("GET", path, "OPEN", (), b""),
            ("GET", path, "op=OPEN&x=range", ("Range: bytes=0-",), b""),
            ("GET", path, "LISTSTATUS", (), b""),
            ("GET", path, "GETFILESTATUS", (), b""),
            ("GET", path, "GETDISKUSAGE", (), b""),
            ("PATCH", path, "WRITE", ("Content-Range: bytes 0-3/*", *content), b"evil"),
            ("PUT", f"{path}/evil", "CREATE", content, b"evil"),
            ("PUT", f"{path}/evil/deep", "MKDIRS", (), b""),
            ("POST", path, "op=RENAME&destination=/user/stolen/here", (), b""),
            ("POST", f"{ROOT}/plain", f"op=RENAME&destination={here}/evil", (), b""),
            *((("DELETE", path, "DELETE", (), b""),) if behind else ()),
        )
    }


@pytest.mark.parametrize("behind", BEHIND)
async def test_no_link_leads_anywhere_else(links: Target, behind: str) -> None:
    requests: dict[str, bytes] = {}
    for name in LINKS:
        requests |= _requests(links, name, behind)
    for name, answers in (await attack(links, requests)).items():
        for answer in answers:
            assert b"signing.key" not in answer.body or b"SYMLINK" in answer.body, name


async def test_links_are_shown_and_removed_as_links(links: Target) -> None:
    shown = await links.call("GET", f"{ROOT}/?op=LISTSTATUS")
    kinds = {e["path"]: e["type"] for e in shown.json["FileStatuses"]["FileStatus"]}
    assert {kinds[name] for name in LINKS} == {"SYMLINK"}
    for name in LINKS:
        path = f"{ROOT}/{name}".replace(" ", "%20")
        answer = await links.call("DELETE", f"{path}?op=DELETE&recursive=true")
        assert answer.status == 204, (name, answer.raw)


async def test_a_removal_does_not_follow(links: Target) -> None:
    def lay() -> None:
        top = links.home("user") / "top"
        top.mkdir()
        (top / "other").symlink_to("../../other")
        (top / "outside").symlink_to("../../../../..")

    await asyncio.to_thread(lay)
    answer = await links.call("DELETE", f"{ROOT}/top?op=DELETE&recursive=true")
    assert answer.status == 204, answer.raw
    assert "top" not in await asyncio.to_thread(os.listdir, links.home("user"))


async def test_a_link_within_what_the_caller_has_is_followed(target: Target) -> None:
    def lay() -> Path:
        folder = target.home("user") / "real"
        folder.mkdir()
        (folder / "file").write_bytes(b"mine")
        (target.home("user") / "way").symlink_to("real")
        return folder

    folder = await asyncio.to_thread(lay)
    got = await target.call("GET", f"{ROOT}/way/file")
    assert (got.status, got.body) == (200, b"mine")
    assert (await target.call("PUT", f"{ROOT}/way/new", body=b"new")).status == 201
    assert await asyncio.to_thread((folder / "new").read_bytes) == b"new"


async def test_what_is_shared_may_be_reached_through_a_link(target: Target) -> None:
    """A right to read makes a link to it readable, and no more."""

    def lay() -> None:
        (target.home("user") / "shared way").symlink_to("../other")

    await asyncio.to_thread(lay)
    path = f"{ROOT}/shared%20way/secret"
    share = "/api/v1/users/user/permissions"
    right = json.dumps([{"uri": "storage://default/other", "action": "read"}]).encode()
    assert (await target.call("GET", path)).status == 404
    given = await target.call("POST", share, user="other", body=right)
    assert given.status == 201, given.raw
    try:
        got = await target.call("GET", path)
        assert (got.status, got.body) == (200, OTHERS_SECRET)
        evil = await target.call("PUT", path, body=b"evil")
        assert evil.status == 404, evil.raw
    finally:
        query = "?uri=storage://default/other"
        taken = await target.call("DELETE", f"{share}{query}", user="other")
        assert taken.status == 204
    refused = await target.call("GET", path)
    assert refused.status == 404
    judge(path, refused)


async def test_the_canaries_are_where_links_lead(links: Target) -> None:
    """Otherwise all of the above would prove nothing."""
    home = links.home("user")
    assert (home / "beside").read_bytes() == OUTSIDE_SECRET
    assert (home / "data" / "canary").read_bytes() == OUTSIDE_SECRET
    assert (home / "other" / "secret").read_bytes() == OTHERS_SECRET
    assert (home / "through a link").read_bytes() == OTHERS_SECRET
