"""Take a request apart, find what answers it, and tell refusals in S3's own words."""

from __future__ import annotations

import logging
import random
from collections.abc import Awaitable, Callable
from urllib.parse import unquote

from aiohttp import web

from . import xml
from .access import Call, Caller, identify, lower_headers
from .buckets import Buckets, cors_headers
from .conditions import NotModified
from .control import REGION
from .errors import AWS, GARAGE, S3Error, not_implemented
from .files import Files
from .listing import list_objects, list_uploads
from .models import Bucket
from .objects import Objects
from .signing import Received
from .store import S3Store
from .uploads import Uploads
from .writing import Writer

logger = logging.getLogger(__name__)

Answer = Callable[[Call], Awaitable[web.StreamResponse]]

# Parts of S3 that are not there; they are told by a word in the query.
_MISSING = frozenset(
    {
        "accelerate",
        "acl",
        "analytics",
        "attributes",
        "encryption",
        "intelligent-tiering",
        "inventory",
        "legal-hold",
        "lifecycle",
        "logging",
        "metrics",
        "notification",
        "object-lock",
        "ownershipControls",
        "policy",
        "policyStatus",
        "publicAccessBlock",
        "replication",
        "requestPayment",
        "restore",
        "retention",
        "select",
        "tagging",
        "torrent",
        "versionId",
        "versions",
        "website",
    }
)


class Handlers:
    """Answer every request of the endpoint."""

    def __init__(self, store: S3Store, files: Files, writer: Writer) -> None:
        self._store = store
        self._objects = Objects(store, files, writer)
        self._uploads = Uploads(store, files, self._objects)
        self._buckets = Buckets(store, files, self._objects, REGION)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one request."""
        request_id = f"{random.getrandbits(64):016X}"
        path, _, query = request.raw_path.partition("?")
        headers = lower_headers(request)
        received = Received(request.method, path, query, headers)
        bucket: Bucket | None = None
        try:
            bucket_name, key = _split(path, query)
            if bucket_name:
                bucket = await self._bucket(bucket_name)
            response = await self._answer(request, received, bucket_name, key, bucket)
        except NotModified as known:
            response = web.Response(status=304, headers=known.headers)
        except web.RequestPayloadError:
            error = S3Error("IncompleteBody", "The body of the request cannot be read")
            response = self._refuse(error, request, bucket, request_id)
        except S3Error as error:
            response = self._refuse(error, request, bucket, request_id)
        except (ConnectionError, web.HTTPException):
            raise
        except Exception:
            logger.exception("%s %s failed", request.method, request.path)
            refusal = S3Error("InternalError", "We encountered an internal error.")
            response = self._refuse(refusal, request, bucket, request_id)
        if not response.prepared:
            response.headers["x-amz-request-id"] = request_id
            response.headers.update(cors_headers(bucket, headers, request.method))
        return response

    def _refuse(
        self, error: S3Error, request: web.Request, bucket: Bucket | None, request_id: str
    ) -> web.Response:
        flavour = AWS if bucket is None else bucket.flavour
        if request.method == "HEAD":
            return web.Response(status=error.told(flavour)[0])
        region = GARAGE if flavour == GARAGE else REGION
        response = xml.refusal(error, flavour, request.path, region, request_id)
        if not request.content.is_eof() and request.body_exists:
            response.force_close()  # what is left of the body is not worth waiting for
        return response

    async def _bucket(self, name: str) -> Bucket | None:
        try:
            return await self._store.bucket(name)
        except S3Error:
            return None

    async def _answer(
        self,
        request: web.Request,
        received: Received,
        bucket_name: str,
        key: str,
        bucket: Bucket | None,
    ) -> web.StreamResponse:
        flavour = AWS if bucket is None else bucket.flavour
        region = GARAGE if flavour == GARAGE else REGION
        preflight = request.method == "OPTIONS"
        caller = Caller()
        if not preflight:
            caller = await identify(self._store, received, flavour, region)
        parameters = dict(reversed(received.parameters))
        call = Call(request, received, bucket_name, key, bucket, caller, parameters)
        if preflight:
            return await self._buckets.preflight(call)
        if missing := _MISSING & parameters.keys():
            raise not_implemented(f"?{min(missing)}")
        return await self._find(call)(call)

    def _find(self, call: Call) -> Answer:
        if call.key:
            found = self._for_object(call)
        elif call.bucket_name:
            found = self._for_bucket(call)
        else:
            found = self._buckets.list if call.received.method == "GET" else None
        if found is None:
            raise S3Error(
                "MethodNotAllowed", "The specified method is not allowed against this resource."
            )
        return found

    def _for_object(self, call: Call) -> Answer | None:
        upload = "uploadId" in call.parameters
        match call.received.method:
            case "GET":
                return self._uploads.list_parts if upload else self._objects.get
            case "HEAD":
                return self._objects.head
            case "PUT":
                return self._uploads.put_part if upload else self._objects.put
            case "DELETE":
                return self._uploads.abort if upload else self._objects.delete
            case "POST" if upload:
                return self._uploads.complete
            case "POST" if "uploads" in call.parameters:
                return self._uploads.create
        return None

    def _for_bucket(self, call: Call) -> Answer | None:
        asked = call.parameters
        cors = "cors" in asked
        match call.received.method:
            case "GET" if cors:
                return self._buckets.get_cors
            case "GET" if "location" in asked:
                return self._buckets.location
            case "GET" if "versioning" in asked:
                return self._buckets.versioning
            case "GET" if "uploads" in asked:
                return self._list_uploads
            case "GET":
                return self._list_objects
            case "HEAD":
                return self._buckets.head
            case "PUT" if cors:
                return self._buckets.put_cors
            case "PUT" if "versioning" in asked:
                raise not_implemented("Versioning")
            case "PUT":
                return self._buckets.create
            case "DELETE":
                return self._buckets.delete_cors if cors else self._buckets.delete
            case "POST" if "delete" in asked:
                return self._objects.delete_several
            case "POST":
                raise not_implemented("An upload by a form")
        return None

    async def _list_uploads(self, call: Call) -> web.StreamResponse:
        return await list_uploads(call, self._store)

    async def _list_objects(self, call: Call) -> web.StreamResponse:
        return await list_objects(call, self._store)


def _split(path: str, query: str) -> tuple[str, str]:
    """Return bucket and key of a raw path; the key is all behind the bucket's slash."""
    bucket, _, key = path.removeprefix("/").partition("/")
    try:
        found = unquote(bucket, errors="strict"), unquote(key, errors="strict")
        "".join((*found, query)).encode()  # bytes that nobody has quoted
        return found
    except UnicodeError:
        raise S3Error("InvalidURI", "Couldn't parse the specified URI.") from None
