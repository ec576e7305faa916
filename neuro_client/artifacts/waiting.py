"""Wait for the end of runs and experiments, and say why one did not succeed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from ..errors import ExperimentFailed, NeuroError, ResourceNotFound
from ..run import RunStatus
from .lookup import Found
from .models import Experiment, GridRun
from .polling import Pauses

_log = logging.getLogger(__name__)

_GRACE = 2.0
_TAIL_TIME = 2.0


async def wait_for_end(name: str, find: Callable[[], Awaitable[Found]]) -> GridRun | Experiment:
    """Ask until what has a name has ended; one that was just made may still be unknown.

    Raises:
        ExperimentFailed: it was deleted meanwhile.
        ResourceNotFound: there never was one.
    """
    clock = asyncio.get_running_loop().time
    began = clock()
    pauses = Pauses()
    last: GridRun | Experiment | None = None
    while True:
        try:
            found = subject(await pauses.ask(find))
        except ResourceNotFound as error:
            if last is not None:
                raise ExperimentFailed(f"{name!r} was deleted", job=last) from error
            if clock() - began > _GRACE:
                raise
        else:
            if last is None or found.phase != last.phase:
                pauses.news()
            last = found
            if found.phase.is_finished:
                return found
        await pauses.wait()


def subject(found: Found) -> GridRun | Experiment:
    """Return the record that a name stands for itself."""
    return found.run if found.run is not None else found.experiments[0]


async def check_success(
    ended: GridRun | Experiment, tail: Callable[[], Awaitable[Sequence[str]]]
) -> None:
    """Raise `ExperimentFailed` if something ended without success, with its last lines."""
    if ended.phase.run_status is RunStatus.SUCCEEDED:
        return
    lines: Sequence[str] = ()
    try:
        async with asyncio.timeout(_TAIL_TIME):
            lines = await tail()
    except (NeuroError, OSError) as error:
        _log.debug("the log of %s could not be read: %r", ended.name, error)
    kind = "Run" if isinstance(ended, GridRun) else "Experiment"
    text = f"{kind} {ended.name} ended {ended.phase}"
    if ended.message:
        text += f": {ended.message}"
    if lines:
        text += f"\nLast line of its log: {lines[-1]}"
    raise ExperimentFailed(
        text,
        job=ended,
        reason=str(ended.phase),
        description=ended.message or None,
        log_tail=lines,
    )
