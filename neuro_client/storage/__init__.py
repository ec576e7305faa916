"""Files on a platform's storage."""

from .api import Storage
from .models import DiskUsageInfo, FileStatus, FileStatusType
from .service import StorageService
from .store import StorageStore

__all__ = [
    "DiskUsageInfo",
    "FileStatus",
    "FileStatusType",
    "Storage",
    "StorageService",
    "StorageStore",
]
