"""What is moved, how, and what is told about it."""

from __future__ import annotations

import enum
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

import attrs

from ..errors import ResourceNotFound
from ..retry import RetryPolicy

if TYPE_CHECKING:
    from yarl import URL

KiB = 1024
MiB = 1024 * KiB

SLICE = MiB
"""Bytes that travel between a disk and a socket in one step."""

MISSING: tuple[type[Exception], ...] = (FileNotFoundError, ResourceNotFound)
"""What the stores raise when there is nothing under a key."""

AsyncFilterFunc = Callable[[str], Awaitable[bool]]


class EntryKind(enum.Enum):
    """Tell what is found under a key."""

    FILE = "file"
    DIRECTORY = "directory"
    OTHER = "other"
    """Cannot be moved: a pipe, a device, a link that leads nowhere."""


@attrs.frozen
class Entry:
    """Describe what a store has under a key.

    ``mtime`` is in seconds since the epoch. ``version`` changes with the content; its form is
    the store's own. ``reason`` says why an entry of kind OTHER is of no use.
    """

    key: str
    kind: EntryKind
    size: int = 0
    mtime: float | None = None
    version: str | None = None
    reason: str = ""

    @property
    def name(self) -> str:
        """Return the last component of the key."""
        return self.key.rpartition("/")[2]

    @property
    def is_file(self) -> bool:
        """Tell whether the entry has content."""
        return self.kind is EntryKind.FILE

    @property
    def is_dir(self) -> bool:
        """Tell whether the entry has children."""
        return self.kind is EntryKind.DIRECTORY


@attrs.frozen
class Part:
    """Name a piece of an object; ``number`` counts from 1, ``tag`` is the store's receipt."""

    number: int
    offset: int
    size: int
    tag: str | None = None


@attrs.frozen
class Plan:
    """Hold the parts that a file is moved in; together they tile it from ``start`` to ``size``."""

    size: int
    part_size: int
    start: int = 0

    @property
    def count(self) -> int:
        """Return the number of parts."""
        return -(-(self.size - self.start) // self.part_size)

    def part(self, number: int) -> Part:
        """Return part *number*, counted from 1."""
        if not 1 <= number <= self.count:
            raise IndexError(f"part {number} of {self.count}")
        offset = self.start + (number - 1) * self.part_size
        return Part(number, offset, min(self.part_size, self.size - offset))


@attrs.frozen
class Upload:
    """Name an object that is being written; made of JSON values so that a journal can keep it.

    ``serial``: the parts must arrive in order. ``state`` belongs to the store.
    """

    key: str
    id: str
    size: int
    serial: bool = False
    state: Mapping[str, str | int] = attrs.field(factory=lambda: MappingProxyType({}))

    def to_json(self) -> dict[str, object]:
        """Return the record as a JSON object."""
        return {
            "key": self.key,
            "id": self.id,
            "size": self.size,
            "serial": self.serial,
            "state": dict(self.state),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, object]) -> Upload:
        """Read what `to_json` returned; raise `TypeError` or `KeyError` for something else."""
        key, id, size = data["key"], data["id"], data["size"]
        serial, state = data["serial"], data["state"]
        if not (isinstance(key, str) and isinstance(id, str) and isinstance(size, int)):
            raise TypeError("not an upload")
        if not (isinstance(serial, bool) and isinstance(state, Mapping)):
            raise TypeError("not an upload")
        return cls(key, id, size, serial, MappingProxyType(dict(state)))


@attrs.frozen
class TransferOptions:
    """Set the limits of one transfer; sizes are in bytes.

    ``part_size`` grows with the object where a store bounds the number of parts. ``budget`` bounds
    the bytes buffered at a time, ``files`` the files and ``parts`` the parts of one file that are
    on their way. With ``on_error="continue"`` a failed file does not end the transfer; all
    failures are then reported in one `TransferError`. ``update`` and ``continue_`` are the rules
    of storage.md §12. With ``resume`` a journal of the large files is kept, so that the same
    transfer goes on after a kill or a long outage; a cancelled one removes what it has begun.
    """

    part_size: int = attrs.field(default=8 * MiB, validator=attrs.validators.ge(1))
    files: int = attrs.field(default=32, validator=attrs.validators.ge(1))
    parts: int = attrs.field(default=8, validator=attrs.validators.ge(1))
    budget: int = attrs.field(default=64 * MiB, validator=attrs.validators.ge(1))
    on_error: Literal["raise", "continue"] = attrs.field(
        default="raise", validator=attrs.validators.in_(("raise", "continue"))
    )
    update: bool = False
    continue_: bool = False
    retry: RetryPolicy = attrs.field(factory=lambda: RetryPolicy(attempts=10, base=0.2, cap=2.0))
    resume: bool = True


@attrs.frozen
class TransferResult:
    """Count what a transfer did; ``bytes`` are those moved, ``seconds`` the time it took."""

    files: int = 0
    bytes: int = 0
    skipped: int = 0
    failed: int = 0
    seconds: float = 0.0


@attrs.frozen
class StorageProgressStart:
    """Tell that a file begins to move."""

    src: URL
    dst: URL
    size: int


@attrs.frozen
class StorageProgressStep:
    """Tell that ``current`` bytes of a file have been moved, a resumed part included."""

    src: URL
    dst: URL
    current: int
    size: int


@attrs.frozen
class StorageProgressComplete:
    """Tell that a file has been moved."""

    src: URL
    dst: URL
    size: int


@attrs.frozen
class StorageProgressEnterDir:
    """Tell that a directory begins to move."""

    src: URL
    dst: URL


@attrs.frozen
class StorageProgressLeaveDir:
    """Tell that a directory and all below it has been moved."""

    src: URL
    dst: URL


@attrs.frozen
class StorageProgressFail:
    """Tell that an entry cannot be moved and is passed over."""

    src: URL
    dst: URL
    message: str


@attrs.frozen
class StorageProgressDelete:
    """Tell that a file or an emptied directory was removed."""

    uri: URL
    is_dir: bool


class AbstractFileProgress(ABC):
    """Be told about one file; methods run in the task that awaits the transfer."""

    @abstractmethod
    def start(self, data: StorageProgressStart) -> None:
        """Take note of the begin of a file."""

    @abstractmethod
    def complete(self, data: StorageProgressComplete) -> None:
        """Take note of the end of a file."""

    @abstractmethod
    def step(self, data: StorageProgressStep) -> None:
        """Take note of the bytes moved so far."""


class AbstractRecursiveFileProgress(AbstractFileProgress):
    """Be told about a directory and all below it."""

    @abstractmethod
    def enter(self, data: StorageProgressEnterDir) -> None:
        """Take note of the begin of a directory."""

    @abstractmethod
    def leave(self, data: StorageProgressLeaveDir) -> None:
        """Take note of the end of a directory."""

    @abstractmethod
    def fail(self, data: StorageProgressFail) -> None:
        """Take note of an entry that is passed over."""


class AbstractDeleteProgress(ABC):
    """Be told about each item that is removed."""

    @abstractmethod
    def delete(self, data: StorageProgressDelete) -> None:
        """Take note of a removed item; a directory comes after its content."""


class NullProgress(AbstractRecursiveFileProgress, AbstractDeleteProgress):
    """Ignore everything; a base for observers that want only some of the events."""

    def start(self, data: StorageProgressStart) -> None:
        """Ignore the event."""

    def complete(self, data: StorageProgressComplete) -> None:
        """Ignore the event."""

    def step(self, data: StorageProgressStep) -> None:
        """Ignore the event."""

    def enter(self, data: StorageProgressEnterDir) -> None:
        """Ignore the event."""

    def leave(self, data: StorageProgressLeaveDir) -> None:
        """Ignore the event."""

    def fail(self, data: StorageProgressFail) -> None:
        """Ignore the event."""

    def delete(self, data: StorageProgressDelete) -> None:
        """Ignore the event."""
