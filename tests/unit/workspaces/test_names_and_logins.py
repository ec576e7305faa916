"""Slugs, keys and addresses; what is refused before a connection is opened."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
from multidict import CIMultiDict
from yarl import URL

from neuro_client import Workspaces
from neuro_client.config.services import WorkspacesSettings
from neuro_client.errors import (
    AuthenticationError,
    AuthorizationError,
    ConfigError,
    IllegalArgumentError,
    QuotaExceededError,
)
from neuro_client.transport import Failure
from neuro_client.workspaces import (
    PlatformError,
    SlugStyle,
    StorageKey,
    Task,
    TaskState,
    slug_of,
)
from neuro_client.workspaces.connection import Connection, Login, StoreSettings
from neuro_client.workspaces.errors import map_error, refine
from neuro_client.workspaces.naming import check_file_name, check_slug, content_type_of
from neuro_client.workspaces.wire import decode_task, decode_tasks, decode_usage

KEY = "rsk_dev_0123"
WRONG: tuple[Any, ...] = (None, [], {"name": "x"}, {"id": True})
API = "https://api.reson.tech"


@pytest.mark.parametrize(
    ("name", "dash", "strip"),
    [
        ("My Run", "my-run", "myrun"),
        ("my-run", "my-run", "my-run"),
        ("  A/B  test_1! ", "ab--test_1", "abtest_1"),
        ("../../etc", "etc", "etc"),
        ("50% & more", "50--more", "50more"),
        ("été\t日", "été日", "été日"),
        ("***", "job", None),
    ],
)
def test_slugs(name: str, dash: str, strip: str | None) -> None:
    assert slug_of(name) == dash
    assert check_slug(dash) == dash
    if strip is not None:
        assert slug_of(name, SlugStyle.STRIP) == strip
    else:
        with pytest.raises(ValueError, match="give slug="):
            slug_of(name, "strip")


@pytest.mark.parametrize("slug", ["", "a/b", "..", "A b", "%41", "x" * 300])
def test_what_cannot_be_a_slug(slug: str) -> None:
    with pytest.raises(ValueError, match="cannot be a slug"):
        check_slug(slug)


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a\\b", "a\0", "a\nb", "a\udc80"])
def test_what_cannot_be_a_file_name(name: str) -> None:
    with pytest.raises(ValueError, match="cannot be the name of a file"):
        check_file_name(name)


@pytest.mark.parametrize(
    ("key", "kind"),
    [
        ("jobs/a/scripts/x.py", "text/x-python"),
        ("jobs/a/shards/S.ZIP", "application/zip"),
        ("jobs/a/model/start.json", "application/octet-stream"),
        ("jobs/a/other", "application/octet-stream"),
    ],
)
def test_content_types(key: str, kind: str) -> None:
    assert content_type_of(key) == kind


@pytest.mark.parametrize(
    ("message", "options"),
    [
        ("sign in with", {}),
        ("sign in with", {"api_key": KEY, "email": "a@b"}),
        ("sign in with", {"email": "a@b"}),
        ("rsk_live_", {"api_key": "0123"}),
        ("rsk_live_", {"api_key": "rsk_dev_1\r\nX: y"}),
        ("go together", {"api_key": KEY, "access_key_id": "GK1"}),
        ("without TLS", {"api_key": KEY, "s3_url": "http://s3.example"}),
        ("not the address", {"api_key": KEY, "s3_url": "s3.example"}),
    ],
)
def test_what_one_cannot_sign_in_with(message: str, options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        Workspaces(API, **options)
    assert "0123" not in str(caught.value)


async def test_a_key_that_is_rotated_while_the_bucket_is_looked_up() -> None:
    class Rotated(Connection):
        async def bucket(self) -> str:
            self.use_key(StorageKey("GK2", "s2"))
            return "mine"

    settings = StoreSettings(URL("https://s3.example"), "garage", StorageKey("GK1", "s1"), None)
    connection = Rotated(URL(API), Login(KEY, None, None), settings, None)
    objects = await connection.objects()
    link = await objects.presign_get("x", 60)
    assert link.path == "/mine/x" and link.query["X-Amz-Credential"].startswith("GK2/")
    await connection.close()


def test_plain_http_needs_leave(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="without TLS"):
        Workspaces("http://api.example", api_key=KEY)
    Workspaces("http://api.example", api_key=KEY, allow_http=True)
    Workspaces("http://127.0.0.1:1", api_key=KEY)
    Workspaces("http://localhost:1", api_key=KEY)
    monkeypatch.setenv("RESON_ALLOW_HTTP", "1")
    Workspaces("http://api.example", api_key=KEY)
    with pytest.raises(ConfigError, match="cannot be used"):
        Workspaces.from_settings(WorkspacesSettings(api_url=API, api_key="x"))


@pytest.mark.parametrize(
    ("api", "ui", "page"),
    [
        (API, None, "https://reson.tech/dashboard/jobs/a%2Fb"),
        ("https://platform.example", None, None),
        (
            "https://platform.example",
            "https://ui.example/x",
            "https://ui.example/x/dashboard/jobs/a%2Fb",
        ),
        ("http://127.0.0.1:81", None, "http://127.0.0.1:81/dashboard/jobs/a%2Fb"),
    ],
)
def test_the_page_of_a_task(api: str, ui: str | None, page: str | None) -> None:
    assert Workspaces(api, api_key=KEY, ui_url=ui).dashboard_url("a/b") == page


def failure(status: int, body: str, method: str = "PUT") -> Failure:
    url = URL("https://s3.example/bucket/key")
    return Failure(method, url, status, CIMultiDict(), body.encode())


def denied(message: str, status: int = 403) -> Exception:
    """Return what the store's refusal is before it is looked at closely."""
    kind = AuthorizationError if status == 403 else IllegalArgumentError
    body = f"<Error><Code>AccessDenied</Code><Message>{message}</Message></Error>"
    return kind("cannot write 'x'; these credentials", status=status, body=body)


def test_what_one_code_means() -> None:
    full = (
        "Forbidden: Bucket size quota is reached, maximum total size of objects for this bucket: "
        "1000. The bucket is already 900 bytes, and this object would add 200 bytes."
    )
    error = refine(denied(full))
    assert isinstance(error, QuotaExceededError)
    assert (error.limit, error.used, error.needed) == (1000, 900, 200)
    many = refine(denied("Forbidden: Object quota is reached, maximum objects for this bucket: 5"))
    assert isinstance(many, QuotaExceededError) and many.limit == 5
    for message in ("Forbidden: No such key: GK1", "Forbidden: Invalid signature"):
        assert type(refine(denied(message))) is AuthenticationError
    assert type(refine(denied("Forbidden: Operation is not allowed"))) is AuthorizationError
    clock = refine(denied("Bad request: Date is too old", 400))
    assert type(clock) is AuthenticationError and "clock" in str(clock)
    other = denied("Bad request: something else", 400)
    assert refine(other) is other
    assert type(refine(AuthorizationError("HEAD", status=403))) is AuthorizationError


def test_refusals_of_the_platform_keep_code_and_hint() -> None:
    body = '{"code": "role_required", "message": "No", "hint": "Ask the owner"}'
    error = map_error(failure(403, body))
    assert isinstance(error, PlatformError) and isinstance(error, AuthorizationError)
    assert (error.code, error.hint, error.status) == ("role_required", "Ask the owner", 403)
    assert "Ask the owner" in str(error)
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), copy.hint, copy.args) == (type(error), error.hint, error.args)
    for text in ("<html>", "", "[1]", '{"message": ["a", "b"]}'):
        assert isinstance(map_error(failure(400, text)), IllegalArgumentError)


def test_a_quota_that_the_platform_tells_is_no_missing_right() -> None:
    told = "Forbidden: Bucket size quota is reached, maximum 10. Already 9 bytes, this adds 2."
    for body in (f'{{"message": "{told}"}}', '{"code": "quota_exceeded", "message": "Full"}'):
        error = map_error(failure(403, body))
        assert isinstance(error, PlatformError) and isinstance(error, QuotaExceededError)
        assert (error.limit, error.used, error.needed) in ((10, 9, 2), (None, None, None))
        assert "remove something" in str(error) and "owner" not in str(error)
        assert pickle.loads(pickle.dumps(error)).limit == error.limit


def test_states_and_records_are_read_tolerantly() -> None:
    assert [TaskState.of(text) for text in ("", "queued", "FINISHED", "NEW")] == [
        TaskState.PENDING,
        TaskState.PENDING,
        TaskState.FINISHED,
        TaskState.UNKNOWN,
    ]
    found = decode_task({"id": 7, "status": None, "createdAt": "soon", "x": [1]})
    assert (found.id, found.name, found.created_at) == ("7", "", None)
    assert decode_tasks({"jobs": [{"jobId": "a"}]})[0].id == "a"
    for wrong in WRONG:
        with pytest.raises(ValueError, match="not a task"):
            decode_task(wrong)
    with pytest.raises(ValueError, match="not a list"):
        decode_tasks({"x": 1})
    usage = decode_usage({"used": "many", "quota": -1, "objects": True, "bytes": 3.0})
    assert (usage.used_bytes, usage.quota_bytes, usage.object_count) == (3, None, None)
    assert Task("a", "My Run", TaskState.PENDING).slug == "my-run"
    assert Task("a", "My Run", TaskState.PENDING, path="/jobs/other").slug == "other"
