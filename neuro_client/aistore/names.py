"""Names of buckets and objects, and how they stand in paths and queries (aistore.md §1.4)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import quote, urlencode

import attrs

from .errors import InvalidBckProvider

AIS = "ais"
_ALIASES = {"s3": "aws", "gs": "gcp", "az": "azure", "oc": "oci"}
PROVIDERS = frozenset({"ais", "aws", "azure", "gcp", "oci", "hdfs", "ht"})
"""Every kind of backend that some server between 3.18 and 5.0 knows."""
_BUCKET = re.compile(r"[A-Za-z0-9_.-]+")
_MAX_BUCKET = 64


@attrs.frozen
class Namespace:
    """Name a space of buckets: of an attached cluster by its ``uuid``, or one of this cluster."""

    uuid: str = ""
    name: str = ""

    @property
    def path(self) -> str:
        """Return the form that paths and queries use; ``@#`` is the global one."""
        return f"@{self.uuid}#{self.name}"


GLOBAL = Namespace()


def provider_of(text: str) -> str:
    """Return a provider by its proper name; ``InvalidBckProvider`` if no server knows it."""
    name = text.lower()
    name = _ALIASES.get(name, name)
    if name not in PROVIDERS:
        raise InvalidBckProvider(text)
    return name


def check_bucket(name: str, provider: str = AIS) -> str:
    """Return the name of a bucket; ``ValueError`` if no server would take it."""
    if not _BUCKET.fullmatch(name) or ".." in name:
        raise ValueError(
            f"{name!r} is not the name of a bucket: ASCII letters, digits, '-', '_' and single dots"
        )
    if provider == AIS and len(name) > _MAX_BUCKET:
        raise ValueError(f"{name[:20]!r}… is too long for a bucket: at most {_MAX_BUCKET} letters")
    return name


def check_object(name: str) -> str:
    """Return the name of an object; ``ValueError`` if no server would take it."""
    reason = _refusal(name)
    if reason:
        raise ValueError(f"{name[:80]!r} is not the name of an object: it {reason}")
    return name


def _refusal(name: str) -> str:
    if not name:
        return "is empty"
    if name.endswith("/"):
        return "ends in a slash, which only folders do"
    if name.startswith(("/", "~/")):
        return "starts with '/' or '~/'"
    if "." in name and not {".", ".."}.isdisjoint(name.split("/")):
        return "has a part '.' or '..'"
    if "\0" in name:
        return "has a NUL"
    try:
        name.encode()
    except UnicodeEncodeError:
        return "is not valid Unicode"
    return ""


def query_string(params: Mapping[str, str]) -> str:
    """Encode a query; ``@`` and ``#`` of a namespace arrive as they are."""
    return urlencode(params, quote_via=quote)


def bucket_path(provider: str, namespace: Namespace | None, name: str) -> str:
    """Return what names a bucket inside a cluster, with a slash at its end."""
    return f"{provider}/{(namespace or GLOBAL).path}/{name}/"
