"""The engine that moves bytes between any two stores."""

from .engine import Side, copy_file, copy_tree, resync_between
from .filters import FileFilter
from .local import LocalStore
from .memory import MemoryStore
from .models import (
    MISSING,
    AbstractDeleteProgress,
    AbstractFileProgress,
    AbstractRecursiveFileProgress,
    AsyncFilterFunc,
    Entry,
    EntryKind,
    NullProgress,
    Part,
    Plan,
    StorageProgressComplete,
    StorageProgressDelete,
    StorageProgressEnterDir,
    StorageProgressFail,
    StorageProgressLeaveDir,
    StorageProgressStart,
    StorageProgressStep,
    TransferOptions,
    TransferResult,
    Upload,
)
from .places import local_side
from .plan import Resync, Skew
from .store import Body, Capabilities, Chunk, FoldsNames, ObjectStore

__all__ = [
    "MISSING",
    "AbstractDeleteProgress",
    "AbstractFileProgress",
    "AbstractRecursiveFileProgress",
    "AsyncFilterFunc",
    "Body",
    "Capabilities",
    "Chunk",
    "Entry",
    "EntryKind",
    "FileFilter",
    "FoldsNames",
    "LocalStore",
    "MemoryStore",
    "NullProgress",
    "ObjectStore",
    "Part",
    "Plan",
    "Resync",
    "Side",
    "Skew",
    "StorageProgressComplete",
    "StorageProgressDelete",
    "StorageProgressEnterDir",
    "StorageProgressFail",
    "StorageProgressLeaveDir",
    "StorageProgressStart",
    "StorageProgressStep",
    "TransferOptions",
    "TransferResult",
    "Upload",
    "copy_file",
    "copy_tree",
    "local_side",
    "resync_between",
]
