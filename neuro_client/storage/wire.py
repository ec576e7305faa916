"""Read what the storage service writes (storage.md §5-6)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from yarl import URL

from ..errors import ProtocolError
from ..models import Action
from ..transfer import StorageProgressDelete
from .models import DiskUsageInfo, FileStatus, FileStatusType

T = TypeVar("T")


def _field(data: Any, path: str, key: str, read: Callable[[Any], T]) -> T:
    """Return *key* of an object as *read* takes it; the error names the JSON path."""
    if not isinstance(data, Mapping) or key not in data:
        raise ProtocolError(f"the answer of the storage has no {path}.{key}")
    try:
        return read(data[key])
    except (TypeError, ValueError) as error:
        raise ProtocolError(f"the answer of the storage has a bad {path}.{key}: {error}") from None


def decode_status(record: Any, locate: Callable[[str], URL]) -> FileStatus:
    """Read a FILESTATUS object in its wrapper; *locate* makes the URI of its path."""
    path = "FileStatus"
    data = _field(record, "$", path, dict)
    name = _field(data, path, "path", str)
    target = data.get("target")
    # A permission that is not known is a plain ValueError, as in the seed.
    permission = Action(_field(data, path, "permission", str))
    return FileStatus(
        path=name,
        size=_field(data, path, "length", int),
        type=FileStatusType(_field(data, path, "type", str)),
        modification_time=_field(data, path, "modificationTime", int),
        permission=permission,
        uri=locate(name),
        target=None if target is None else str(target),
    )


def decode_brief(record: Any) -> tuple[str, str, int, int]:
    """Read name, type, size and time of a FILESTATUS object: what a transfer looks at."""
    try:
        data = record["FileStatus"]
        return (
            str(data["path"]),
            data["type"],
            int(data["length"]),
            int(data["modificationTime"]),
        )
    except (KeyError, TypeError, ValueError):
        status = decode_status(record, URL)  # tells what is wrong, and where
        return status.path, status.type.value, status.size, status.modification_time


def unwrap_listing(document: Any) -> Sequence[Any]:
    """Return the records of a listing that came as one document, each in its wrapper."""
    statuses = _field(document, "$", "FileStatuses", dict)
    records = _field(statuses, "FileStatuses", "FileStatus", list)
    return [{"FileStatus": record} for record in records]


def decode_deleted(record: Any, locate: Callable[[str], URL]) -> StorageProgressDelete:
    """Read a line of a deletion; *locate* makes the URI of its path."""
    path = _field(record, "$", "path", str)
    return StorageProgressDelete(locate(path), _field(record, "$", "is_dir", bool))


def decode_usage(
    data: Any, cluster_name: str, org_name: str | None, uri: URL | None
) -> DiskUsageInfo:
    """Read a GETDISKUSAGE answer; the record carries what was asked for."""
    return DiskUsageInfo(
        cluster_name=cluster_name,
        total=_field(data, "$", "total", int),
        used=_field(data, "$", "used", int),
        free=_field(data, "$", "free", int),
        org_name=org_name,
        uri=uri,
    )
