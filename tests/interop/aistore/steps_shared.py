"""What the steps share; runs in the environment of the published SDK, not in ours."""

# mypy: ignore-errors

from __future__ import annotations

import contextlib
import itertools
from pathlib import Path
from typing import Any

import aistore
from aistore.sdk import Client

TODAY = int(aistore.__version__.partition(".")[0]) >= 2


class Given:
    """Hold the cluster and make names that nobody else has."""

    _numbers = itertools.count(1)

    def __init__(self, given: dict[str, Any]) -> None:
        self.url = given["url"]
        self.folder = Path(given["folder"])
        self.promote = Path(given["promote"])
        self.client = Client(self.url)

    def bucket(self, **options: Any) -> Any:
        """Make a bucket."""
        return self.unmade(**options).create()

    def unmade(self, **options: Any) -> Any:
        """Name a bucket that does not exist."""
        return self.client.bucket(f"bucket-{next(self._numbers)}", **options)

    def cloud(self) -> Any:
        """Return the bucket of a cloud."""
        return self.client.bucket("cloud", provider="aws")

    def put(self, bucket: Any, contents: dict[str, bytes]) -> None:
        """Write objects."""
        for name, content in contents.items():
            bucket.object(name).get_writer().put_content(content)

    def read(self, bucket: Any, name: str, **options: Any) -> bytes:
        """Read an object."""
        found = bucket.object(name).get_reader(**options).read_all()
        if isinstance(found, bytes):
            return found
        try:
            return found.tobytes()  # several workers share a buffer
        finally:
            found.close()

    def names(self, bucket: Any, **options: Any) -> list[str]:
        """List names."""
        return [entry.name for entry in bucket.list_all_objects(**options)]

    def done(self, job_id: str) -> None:
        """Wait until a job has succeeded."""
        result = self.client.job(job_id).wait(timeout=20, verbose=False)
        assert result.success, (job_id, result)

    def head(self, found: Any, props: str = "") -> Any:
        """Ask for the properties of an object, by the call that a version has."""
        return found.head(props) if TODAY else found.head_v2(props)


@contextlib.contextmanager
def expected(*kinds: type[BaseException]) -> Any:
    """Check that a call fails, and how."""
    try:
        yield
    except kinds:
        return
    raise AssertionError(f"no {' or '.join(kind.__name__ for kind in kinds)} was raised")
