"""What the storage service tells about files (public-api.md §7)."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from yarl import URL

    from ..models import Action


class FileStatusType(str, enum.Enum):
    """Name what is under a path; a value unknown here is UNKNOWN."""

    DIRECTORY = "DIRECTORY"
    FILE = "FILE"
    SYMLINK = "SYMLINK"
    UNKNOWN = "UNKNOWN"

    @classmethod
    def _missing_(cls, value: object) -> FileStatusType:
        return cls.UNKNOWN


@attrs.frozen
class FileStatus:
    """Describe a file or directory of the storage.

    ``size`` is in bytes, ``modification_time`` in seconds since the epoch. ``path`` is the bare
    name in a listing and the whole path of the server in ``stat``. ``target`` is set for links.
    """

    path: str
    size: int
    type: FileStatusType
    modification_time: int
    permission: Action
    uri: URL
    target: str | None = None

    def is_file(self) -> bool:
        """Tell whether it is a regular file."""
        return self.type is FileStatusType.FILE

    def is_dir(self) -> bool:
        """Tell whether it is a directory."""
        return self.type is FileStatusType.DIRECTORY

    def is_symlink(self) -> bool:
        """Tell whether it is a link; the service does not follow links."""
        return self.type is FileStatusType.SYMLINK

    @property
    def name(self) -> str:
        """Return the last component of the path."""
        return self.path.rstrip("/").rpartition("/")[2]


@attrs.frozen
class DiskUsageInfo:
    """Tell the bytes of the file system that holds a path, and what was asked for."""

    cluster_name: str
    total: int
    used: int
    free: int
    org_name: str | None = None
    uri: URL | None = None
