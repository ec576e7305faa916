"""What the headers of an answer say about an object (aistore.md §8.2, §9)."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import cast

from . import checksums

_SIZE_OF_RANGE = re.compile(r"bytes (?:(\d+)-(\d+)|\*)/(\d+)")
_CUSTOM = "Ais-Custom-Md"


class ObjectAttributes:
    """Read the headers of one answer; what the server did not say is empty or 0."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        self.headers = headers

    def __repr__(self) -> str:
        return (
            f"<ObjectAttributes size={self.size} checksum={self.checksum_type}:"
            f"{self.checksum_value} version={self.obj_version!r}>"
        )

    @property
    def size(self) -> int:
        """Return the length of this answer's content in bytes."""
        return self._number("Content-Length")

    @property
    def checksum_type(self) -> str:
        """Return the kind of the checksum."""
        return self.headers.get(checksums.TYPE, "")

    @property
    def checksum_value(self) -> str:
        """Return the checksum of the whole object, of a range too."""
        return self.headers.get(checksums.VALUE, "")

    @property
    def access_time(self) -> str:
        """Return when the object was last read, in nanoseconds since the epoch."""
        return self.headers.get("Ais-Atime", "")

    @property
    def obj_version(self) -> str:
        """Return the version, empty in a bucket without versions."""
        return self.headers.get("Ais-Version", "")

    @property
    def custom_metadata(self) -> dict[str, str]:
        """Return the metadata of users and backends, in the server's order."""
        found = {}
        for line in _all(self.headers, _CUSTOM):
            key, equals, value = line.partition("=")
            if equals:
                found[key.strip()] = value.strip()
        return found

    @property
    def etag(self) -> str:
        """Return the entity tag."""
        return self.headers.get("ETag", "")

    @property
    def last_modified(self) -> datetime | None:
        """Return when the object was written, None if the server does not say."""
        return moment(self.headers.get("Last-Modified", ""))

    @property
    def location(self) -> str:
        """Return the node and the disk that hold the object."""
        return self.headers.get("Ais-Location", "")

    @property
    def present(self) -> bool:
        """Tell whether the cluster holds the content itself."""
        return self.headers.get("Ais-Present", "").lower() in ("true", "1", "yes")

    @property
    def mirror_paths(self) -> Sequence[str]:
        """Return the disks that hold copies."""
        text = self.headers.get("Ais-Mirror-Paths", "").strip("[]")
        return tuple(text.replace(",", " ").split())

    @property
    def mirror_copies(self) -> int:
        """Return the number of copies."""
        return self._number("Ais-Mirror-Copies")

    @property
    def chunks_count(self) -> int:
        """Return the number of pieces that an object of several pieces has."""
        return self._number("Ais-Chunks-Count")

    @property
    def version_tag(self) -> str:
        """Return what changes with the content, of a part and of the whole the same."""
        part = self.range()
        return tag(self.size if part is None else part[1], self.obj_version, self.checksum_value)

    def range(self) -> tuple[int, int] | None:
        """Return where a part starts, and the size of the whole; None of a whole object."""
        match = _SIZE_OF_RANGE.match(self.headers.get("Content-Range", ""))
        return (int(match[1]), int(match[3])) if match and match[1] else None

    def _number(self, key: str) -> int:
        text = self.headers.get(key, "").strip()
        return int(text) if text.isdigit() else 0


def tag(size: int, version: str, checksum: str) -> str:
    """Join what identifies a content: listings and answers say the same of it."""
    return f"{size}:{version}:{checksum}"


def same_content(one: str, other: str) -> bool:
    """Tell whether two tags may be of one content; not every answer has a version or checksum."""
    pairs = list(zip(one.split(":"), other.split(":"), strict=False))
    return all(a == b or (place and not (a and b)) for place, (a, b) in enumerate(pairs))


async def is_of(
    found: ObjectAttributes, wanted: str, sums_of_parts: Callable[[], Awaitable[bool]]
) -> bool:
    """Tell whether an answer is of the content that a tag names.

    Some buckets give a part a checksum of its own (§8.2), which says nothing of the whole.
    """
    if same_content(found.version_tag, wanted):
        return True
    part = found.range()
    if part is None or not same_content(tag(part[1], found.obj_version, ""), wanted):
        return False
    return await sums_of_parts()


def moment(text: str) -> datetime | None:
    """Read a time as HTTP or ISO 8601 writes it, None for anything else."""
    for read in (parsedate_to_datetime, datetime.fromisoformat):
        try:
            found = read(text)
        except ValueError:
            continue
        return found if found.tzinfo is not None else found.replace(tzinfo=UTC)
    return None


def _all(headers: Mapping[str, str], key: str) -> Sequence[str]:
    getall = getattr(headers, "getall", None)
    if getall is not None:
        return cast("Sequence[str]", getall(key, ()))
    value = headers.get(key)
    return () if value is None else (value,)
