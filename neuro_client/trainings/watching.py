"""Wait for phases, and tell their changes; both look at the one poll loop of ``polling``."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable

from ..concurrency import scoped_iterator
from .models import PhaseChange, TrainingPhase
from .polling import PhasePoller, Sighting

Until = Callable[[TrainingPhase], bool]


def phase_predicate(until: Until | Iterable[TrainingPhase] | None) -> Until:
    """Return what tells the phases to wait for; None are the phases of an end.

    Raises:
        ValueError: there is no phase among them.
    """
    if until is None:
        return lambda phase: phase.is_finished
    if callable(until):
        return until
    phases = frozenset(TrainingPhase(phase) for phase in until)
    if not phases - {TrainingPhase.UNKNOWN}:
        raise ValueError("name at least one phase to wait for, other than UNKNOWN")
    return phases.__contains__


async def wait_for(poller: PhasePoller, id: str, reached: Until, seen: list[Sighting]) -> Sighting:
    """Wait until a training has *reached* a phase, has ended or is deleted.

    *seen* gets the last sighting, for whoever interrupts the wait.
    """
    with poller.watching([id]) as view:
        while True:
            sighting = view.sighting(id)
            if sighting is not None:
                seen[:] = [sighting]
                if sighting.is_final or reached(sighting.phase):
                    return sighting
            await view.round()


@scoped_iterator
async def watch(poller: PhasePoller, ids: Iterable[str]) -> AsyncIterator[PhaseChange]:
    """Yield the phase in which each training is found, then every change, until all have ended.

    Phases that a training passes through between two rounds are not seen; see its history.
    """
    with poller.watching(ids) as view:
        last: dict[str, Sighting] = {}
        while view.open:
            for id in list(view.open):
                sighting = view.sighting(id)
                previous = last.get(id)
                if sighting is None or _same(sighting, previous):
                    continue
                last[id] = sighting
                if sighting.is_final:
                    view.drop(id)
                    del last[id]
                yield PhaseChange(
                    id=id,
                    phase=sighting.phase,
                    previous=None if previous is None else previous.phase,
                    deleted=sighting.deleted,
                    message=sighting.message,
                    phase_text=sighting.text,
                )
            if view.open:
                await view.round()


def _same(sighting: Sighting, previous: Sighting | None) -> bool:
    """Tell whether nothing has changed but the message, which only listings have."""
    if previous is None:
        return False
    return (sighting.text, sighting.deleted) == (previous.text, previous.deleted)
