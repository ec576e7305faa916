"""Objects that were read or written lately: to read them again takes no look at the database."""

from __future__ import annotations

from .models import Object

_MOST = 10_000
_FEW_PARTS = 100


class KnownObjects:
    """Remember objects as the database has them.

    Who changes it holds the lock of the database, so that it never tells of a replaced object once
    the replacing one is acknowledged. Anybody may read it.
    """

    def __init__(self) -> None:
        self._objects: dict[tuple[str, str], Object] = {}

    def get(self, bucket: str, key: str) -> Object | None:
        """Return an object; None if it is not known, whether there is one or not."""
        return self._objects.get((bucket, key))

    def note(self, bucket: str, found: Object) -> None:
        """Remember an object of few parts; all others are forgotten when there are too many."""
        if len(found.segments) > _FEW_PARTS:
            return
        if len(self._objects) >= _MOST:
            self._objects.clear()
        self._objects[bucket, found.key] = found

    def forget(self, bucket: str, key: str) -> None:
        """Forget an object that is about to change."""
        self._objects.pop((bucket, key), None)
