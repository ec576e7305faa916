"""Every row of the status table, through the whole request path."""

from __future__ import annotations

import errno
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest
from aioresponses import aioresponses
from yarl import URL

from neuro_client import errors
from neuro_client.transport import Failure, Transport, map_error
from neuro_client.transport.mapping import map_client_error, redact, retry_after, status_class

URL_ = URL("http://platform.test/api/v1/thing")

STATUSES: list[tuple[int, type[Exception]]] = [
    (400, errors.IllegalArgumentError),
    (401, errors.AuthenticationError),
    (402, errors.IllegalArgumentError),
    (403, errors.AuthorizationError),
    (404, errors.ResourceNotFound),
    (405, errors.ClientError),
    (409, errors.ConflictError),
    (412, errors.PreconditionFailedError),
    (416, errors.IllegalArgumentError),
    (418, errors.IllegalArgumentError),
    (422, errors.IllegalArgumentError),
    (429, errors.RateLimitError),
    (500, errors.ServerError),
    (501, errors.ServerError),
    (502, errors.ServerNotAvailable),
    (503, errors.ServerNotAvailable),
    (504, errors.ServerNotAvailable),
    (507, errors.ServerError),
]


async def _error_of(status: int, **answer: Any) -> Exception:
    with aioresponses() as server:
        server.get(URL_, status=status, **answer)
        async with Transport() as transport:
            with pytest.raises(Exception) as caught:
                await transport.send("GET", URL_, retry=None)
    return caught.value


@pytest.mark.parametrize(("status", "expected"), STATUSES)
async def test_status_maps_to_exactly_one_class(status: int, expected: type[Exception]) -> None:
    error = await _error_of(status, payload={"error": "no such luck"})
    assert type(error) is expected
    assert isinstance(error, errors.ResponseError)
    assert error.status == status
    assert (error.method, error.url) == ("GET", str(URL_))
    assert "no such luck" in str(error)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("ENOENT", FileNotFoundError),
        ("EEXIST", FileExistsError),
        ("EISDIR", IsADirectoryError),
        ("ENOTDIR", NotADirectoryError),
        ("EACCES", PermissionError),
        ("ENOSPC", OSError),
    ],
)
async def test_errno_of_a_400_is_the_builtin(code: str, expected: type[OSError]) -> None:
    error = await _error_of(400, payload={"error": "told", "errno": code})
    assert type(error) is expected
    assert isinstance(error, OSError)
    assert error.errno == getattr(errno, code)
    assert error.strerror == "told"


async def test_unknown_errno_is_kept_as_it_is() -> None:
    error = await _error_of(400, payload={"error": "told", "errno": "EWEIRD"})
    assert type(error) is OSError
    assert error.args == ("EWEIRD", "told")


async def test_null_errno_is_an_illegal_argument() -> None:
    error = await _error_of(400, payload={"error": "told", "errno": None})
    assert type(error) is errors.IllegalArgumentError
    assert error.payload == {"error": "told", "errno": None}


async def test_errno_beside_a_404_stays_not_found() -> None:
    error = await _error_of(404, payload={"error": "told", "errno": "ENOENT"})
    assert type(error) is errors.ResourceNotFound


async def test_missing_rights_are_told() -> None:
    missing = {"missing": [{"uri": "job://alpha/ada", "action": "write"}]}
    error = await _error_of(403, payload=missing)
    assert type(error) is errors.AuthorizationError
    assert "job://alpha/ada" in str(error)


async def test_html_page_of_a_proxy_is_not_repeated() -> None:
    page = "<html><body>" + "Bad Gateway " * 1000 + "</body></html>"
    error = await _error_of(502, body=page, content_type="text/html")
    assert type(error) is errors.ServerNotAvailable
    assert "<html>" not in str(error)
    assert "HTML page" in str(error)
    assert error.body is not None and error.body.startswith("<html>")


async def test_empty_body_is_said() -> None:
    error = await _error_of(500, body=b"")
    assert type(error) is errors.ServerError
    assert "empty answer" in str(error)


@pytest.mark.parametrize("status", [429, 503])
async def test_retry_after_is_kept(status: int) -> None:
    error = await _error_of(status, headers={"Retry-After": "7"})
    assert isinstance(error, errors.RateLimitError | errors.ServerNotAvailable)
    assert error.retry_after == 7.0


@pytest.mark.parametrize(
    ("value", "expected"),
    [("", None), ("soon", None), ("12", 12.0), ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0)],
)
def test_retry_after(value: str, expected: float | None) -> None:
    assert retry_after({"Retry-After": value} if value else {}) == expected


def test_every_status_has_a_class_of_ours() -> None:
    for status in range(400, 600):
        error = map_error(Failure("GET", URL_, status, {}, b""))
        assert type(error) is status_class(status)
        assert isinstance(error, errors.NeuroError)


def _every_client_error() -> list[type[aiohttp.ClientError]]:
    found: list[type[aiohttp.ClientError]] = []
    pending: list[type[aiohttp.ClientError]] = [aiohttp.ClientError]
    while pending:
        cls = pending.pop()
        found.append(cls)
        pending.extend(cls.__subclasses__())
    return found


@pytest.mark.parametrize("cls", _every_client_error(), ids=lambda cls: cls.__name__)
def test_no_error_of_the_http_library_is_left_unmapped(cls: type[aiohttp.ClientError]) -> None:
    error = cls.__new__(cls)
    Exception.__init__(error, "why")
    facts = {
        "message": "why",
        "_os_error": OSError(1, "why"),
        "_certificate_error": OSError(1, "why"),
        "_conn_key": SimpleNamespace(host="platform.test", port=80, is_ssl=True, ssl=True),
    }
    for name, value in facts.items():
        try:
            setattr(error, name, value)
        except AttributeError:
            continue
    mapped = map_client_error(error, "GET", URL_)
    assert isinstance(mapped, errors.TransportError | errors.ProtocolError)
    assert "platform.test" in str(mapped)


def test_secrets_of_a_url_are_not_told() -> None:
    url = URL("http://ada:pass@host/p?neuro-auth-token=abc&X-Amz-Signature=def&op=LISTSTATUS")
    text = redact(url)
    assert "abc" not in text and "def" not in text and "pass" not in text
    assert "op=LISTSTATUS" in text


def test_certificate_error_is_a_transport_error() -> None:
    error = map_client_error(TimeoutError(), "PUT", URL_)
    assert isinstance(error, errors.TransportTimeoutError)
    assert isinstance(error, TimeoutError)
