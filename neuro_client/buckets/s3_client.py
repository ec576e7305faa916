"""An aiobotocore client that sends over our Transport, for the calls that are not about bytes.

Everything goes through the client's one pool of connections, with its time limits and TLS settings;
nothing is read from the user's AWS files or variables.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import cache
from typing import Any

from aiobotocore.awsrequest import AioAWSResponse
from aiobotocore.config import AioConfig
from aiobotocore.session import AioSession
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.session import Session
from yarl import URL

from ..errors import ProtocolError
from ..threads import run_blocking
from ..transport import Answer, Transport, redact
from .s3_errors import Refusal, refusal_error
from .s3_signing import Address

_OK = 200
_ANY_STATUS = range(100, 600)


@cache
def _session() -> AioSession:
    """Return a session with all its files read; blocks the first time."""
    variables = {
        "profile": (None, None, None, None),
        "config_file": (None, None, os.devnull, None),
        "credentials_file": (None, None, os.devnull, None),
    }
    # A client of botocore reads the same descriptions, which the loader then keeps for ours.
    reader = Session(session_vars=variables)
    reader.create_client(
        "s3",
        region_name="us-east-1",
        endpoint_url="http://localhost",
        aws_access_key_id="none",
        aws_secret_access_key="none",
        config=Config(signature_version="s3v4"),
    ).close()
    session = AioSession(session_vars=variables)
    session.register_component("data_loader", reader.get_component("data_loader"))
    _ = session.full_config
    return session


class _Raw:
    """Be an answer whose body can be read more than once."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._body: bytes | None = None
        self.status = answer.status
        self.headers = answer.headers
        self.url = answer.url

    async def read(self) -> bytes:
        """Return the whole body."""
        if self._body is None:
            self._body = await self._answer.read()
        return self._body


def _sender(transport: Transport) -> Callable[..., Any]:
    """Return what aiobotocore takes for its HTTP session class."""

    class Sender:
        def __init__(self, **_: Any) -> None:
            """Take no settings: they are those of the Transport."""

        async def __aenter__(self) -> Sender:
            return self

        async def __aexit__(self, *_: object) -> None:
            return

        async def close(self) -> None:
            return

        async def send(self, request: Any) -> AioAWSResponse:
            sent = await transport.send(
                request.method,
                URL(request.url, encoded=True),
                headers={str(name): _text(value) for name, value in request.headers.items()},
                body=request.body or None,
                ok=_ANY_STATUS,
                retry=None,
                redirects=False,
            )
            answer = _Raw(sent)
            await _check_document(request.method, answer)
            headers = {name.lower(): value for name, value in answer.headers.items()}
            return AioAWSResponse(request.url, answer.status, headers, answer)

    return Sender


async def _check_document(method: str, answer: _Raw) -> None:
    """Refuse an answer without a document: aiobotocore would read it as one with nothing in it."""
    if answer.status != _OK or method not in ("GET", "POST"):
        return
    body = await answer.read()
    if not body.lstrip().startswith(b"<?xml") and "xml" not in answer.headers.get(
        "Content-Type", ""
    ):
        raise ProtocolError(
            f"{method} {redact(answer.url)} was answered with something that is not S3; check the "
            "endpoint of the bucket"
        )
    if not body:
        raise ProtocolError(f"{method} {redact(answer.url)} was answered with nothing")


def _text(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


@asynccontextmanager
async def open_client(
    transport: Transport, address: Address, values: Mapping[str, str]
) -> AsyncIterator[Any]:
    """Open a client for one set of credentials."""
    session = await run_blocking(_session)
    config = AioConfig(
        signature_version="s3v4",
        s3={"addressing_style": "virtual" if address.virtual else "path"},
        retries={"total_max_attempts": 1, "mode": "standard"},
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        ignore_configured_endpoint_urls=True,
        http_session_cls=_sender(transport),
    )
    async with AsyncExitStack() as stack:
        yield await stack.enter_async_context(
            session.create_client(
                "s3",
                region_name=address.region,
                endpoint_url=address.endpoint,
                aws_access_key_id=values["access_key_id"],
                aws_secret_access_key=values["secret_access_key"],
                aws_session_token=values.get("session_token"),
                config=config,
                verify=False,  # the Transport has checked the certificate
            )
        )


def client_error(what: str, error: ClientError | BotoCoreError) -> Exception:
    """Return our exception for one that aiobotocore raised."""
    if not isinstance(error, ClientError):
        return ProtocolError(f"{what}: the answer is not that of an S3 service ({error})")
    facts = error.response.get("Error", {})
    meta = error.response.get("ResponseMetadata", {})
    return refusal_error(
        Refusal(
            what,
            meta.get("HTTPStatusCode", 500),
            facts.get("Code", ""),
            facts.get("Message", ""),
            facts.get("Region", ""),
            meta.get("HTTPHeaders", {}),
        )
    )
