"""Cancel transfers of a bucket at every await: nothing is left behind, and they work afterwards."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from .bench import Bench, open_store_bench
from .blob_cancellable import BLOB_CALLS
from .cancellable import Cancellable
from .luck import FULL
from .test_cancel import cancelled_anywhere

pytestmark = pytest.mark.thorough

SHARE = 2
"""At how many suspensions of each call the default run cancels it; some 20 MiB move each time."""


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with open_store_bench(tmp_path) as found:
        yield found


@pytest.mark.slow
@pytest.mark.timeout(900 if FULL else 60)
@pytest.mark.parametrize("kind", BLOB_CALLS, ids=lambda kind: kind.name)
async def test_cancelled_anywhere(
    bench: Bench, kind: type[Cancellable], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await cancelled_anywhere(bench, kind, tmp_path, monkeypatch, SHARE)
