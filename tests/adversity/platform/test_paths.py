"""Hostile paths: nothing outside of the caller's own storage is read, told or changed."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest

from .attack import attack, some
from .paths import ABSOLUTE, FAR_OUT, METHODS, ODD, OWN_NAMES, ROOT, UP, WAYS_OUT
from .target import OTHERS_SECRET, Target

pytestmark = pytest.mark.thorough

Make = Callable[[Target, str], bytes]


def _plain(method: str, query: str, *lines: str, body: bytes = b"") -> Make:
    def make(target: Target, path: str) -> bytes:
        given = (*lines, f"Content-Length: {len(body)}") if method != "GET" else lines
        path = f"{path}{'&' if '?' in path else '?'}{query}" if query else path
        return target.head(method, path, *given) + body

    return make


def _onto(target: Target, path: str) -> bytes:
    destination = path.removeprefix(ROOT).lstrip("/").replace("%", "%25")
    head = f"{ROOT}/plain?op=RENAME&destination={destination}"
    return target.head("POST", head, "Content-Length: 0")


def _onto_decoded(target: Target, path: str) -> bytes:
    destination = path.removeprefix(ROOT).lstrip("/")
    return target.head("POST", f"{ROOT}/gone?op=RENAME&destination={destination}")


SHARE = 25
"""How many ways of each operation are tried, unless all are."""
OPERATIONS: Mapping[str, Make] = {
    "open": _plain("GET", ""),
    "list": _plain("GET", "op=LISTSTATUS"),
    "list lines": _plain("GET", "op=LISTSTATUS", "Accept: application/x-ndjson"),
    "stat": _plain("GET", "op=GETFILESTATUS"),
    "usage": _plain("GET", "op=GETDISKUSAGE"),
    "head": _plain("HEAD", ""),
    "create": _plain("PUT", "op=CREATE", body=b"evil"),
    "write": _plain(
        "PATCH",
        "op=WRITE",
        "Content-Type: application/octet-stream",
        "Content-Range: bytes 0-3/*",
        body=b"evil",
    ),
    "make folders": _plain("PUT", "op=MKDIRS"),
    "rename": _plain("POST", "op=RENAME&destination=/user/stolen"),
    "rename onto": _onto,
    "rename onto, decoded": _onto_decoded,
    "delete": _plain("DELETE", "op=DELETE&recursive=true"),
}


@pytest.mark.parametrize("operation", OPERATIONS)
async def test_a_way_into_anothers_home(target: Target, operation: str) -> None:
    make = OPERATIONS[operation]
    ways = {name: make(target, f"{way}other/secret") for name, way in WAYS_OUT.items()}
    ways |= {f"{name} (folder)": make(target, f"{way}other") for name, way in WAYS_OUT.items()}
    await attack(target, some(f"home {operation}", ways, SHARE))


@pytest.mark.parametrize("operation", OPERATIONS)
async def test_a_way_out_of_the_storage(target: Target, operation: str) -> None:
    make = OPERATIONS[operation]
    places = {
        "beside": target.data.parent / "canary",
        "data": target.data / "canary",
        "system": "etc/passwd",
    }
    prefixes = FAR_OUT | ABSOLUTE
    if operation == "delete":
        # At the root of the storage these would remove the caller's own home, as they may.
        prefixes = {n: p for n, p in prefixes.items() if "user" in p}
    ways = {
        f"{name}: {place}": make(target, f"{prefix}{path}")
        for place, path in places.items()
        for name, prefix in prefixes.items()
    }
    await attack(target, some(f"out {operation}", ways, SHARE))


@pytest.mark.parametrize("operation", OPERATIONS)
async def test_paths_that_mean_nothing(target: Target, operation: str) -> None:
    make = OPERATIONS[operation]
    await attack(target, {name: make(target, path) for name, path in ODD.items()})


@pytest.mark.parametrize("where", ["query", "header"])
async def test_paths_without_operation(target: Target, where: str) -> None:
    token = f"neuro-auth-token={target.tokens['user']}"
    requests = {}
    for name, path in ODD.items():
        if where == "header":
            requests[name] = target.head("GET", path)
        else:
            path += f"{'&' if '?' in path else '?'}{token}"
            requests[name] = target.head("GET", path, user=None)
    await attack(target, requests)


async def test_anothers_home_is_hidden_also_by_its_own_name(target: Target) -> None:
    for query in ("", "?op=LISTSTATUS", "?op=GETFILESTATUS", "?op=GETDISKUSAGE"):
        for name in ("other/secret", "other", "OTHER/secret", "acme/other", "other/nothing"):
            answer = await target.call("GET", f"/api/v1/storage/default/{name}{query}")
            assert answer.status == 404, (name, query, answer.raw)
            assert OTHERS_SECRET not in answer.raw
    answer = await target.call("GET", "/api/v1/storage/default/other/secret", user="other")
    assert answer.body == OTHERS_SECRET


@pytest.mark.parametrize("name", OWN_NAMES)
async def test_a_name_like_the_platforms_own_is_just_a_name(target: Target, name: str) -> None:
    quoted = "".join(f"%{ord(c):02x}" if c not in "/" else c for c in name)
    made = await target.call("PUT", f"{ROOT}/names/{quoted}", body=name.encode())
    assert made.status == 201, made.raw
    got = await target.call("GET", f"{ROOT}/names/{quoted}")
    assert (got.status, got.body) == (200, name.encode())
    assert (target.home("user") / "names" / name).read_bytes() == name.encode()
    above = await target.call("GET", f"/api/v1/storage/default/{quoted}")
    assert above.status == 404
    gone = await target.call("DELETE", f"{ROOT}/names/{quoted}")
    assert gone.status == 204


async def test_names_that_differ_in_case_are_two(target: Target) -> None:
    for name in ("Case", "CASE", "case", "ca%CC%81se", "c%C3%A1se"):
        made = await target.call("PUT", f"{ROOT}/names/{name}", body=name.encode())
        assert made.status == 201, made.raw
    for name in ("Case", "CASE", "case", "ca%CC%81se", "c%C3%A1se"):
        assert (await target.call("GET", f"{ROOT}/names/{name}")).body == name.encode()


async def test_many_steps_up_end_at_the_root_of_the_storage(target: Target) -> None:
    answer = await target.call("GET", f"{ROOT}{'/..' * UP}/user/plain")
    assert (answer.status, answer.body) == (200, b"plain text")


async def test_an_address_that_cannot_even_be_split(target: Target) -> None:
    """The HTTP library hangs up on it; that is all."""
    await attack(target, {"brackets": target.head("GET", "http://[::1/ping")}, silent=True)


async def test_unusual_methods(target: Target) -> None:
    requests = {}
    for method in METHODS:
        for path in (f"{ROOT}/plain", "/api/v1/jobs", "/api/v1/config", "*", "x:80", "/nothing"):
            requests[f"{method!r} {path}"] = target.head(method, path)
    await attack(target, requests)
