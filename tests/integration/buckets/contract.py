"""What every bucket provider must do, whatever service it speaks to.

A provider's test opens a `Bench` on an empty bucket and runs the checks::

    @pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
    async def test_contract(check: Check) -> None:
        async with my_bench() as bench:
            await check(bench)
"""

from __future__ import annotations

from collections.abc import Sequence

from .bench import Bench, Check, Source, content, listing, read, send, unit
from .contract_objects import KEYS, OBJECTS
from .contract_trouble import TROUBLE
from .contract_uploads import UPLOADS

__all__ = [
    "CHECKS",
    "KEYS",
    "Bench",
    "Check",
    "Source",
    "content",
    "listing",
    "read",
    "send",
    "unit",
]

CHECKS: Sequence[Check] = (*OBJECTS, *UPLOADS, *TROUBLE)
