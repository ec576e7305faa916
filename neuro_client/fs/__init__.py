"""fsspec file systems: ``storage://cluster/user/path``, ``blob://cluster/user/bucket/key`` and
``ais://bucket/key``.

They need the extra ``fs`` and are found by fsspec through the ``fsspec.specs`` entry points.
"""

from .aistore import AIStoreFileSystem
from .base import StoreFileSystem
from .platform import BlobFileSystem, StorageFileSystem

__all__ = ["AIStoreFileSystem", "BlobFileSystem", "StorageFileSystem", "StoreFileSystem"]
