"""The lines of logs: what preparing an experiment said, and what its script writes (§8)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence

import attrs

from ...runners.records import RecordReader
from ...state import State
from .answers import timestamp
from .attending import BUILD
from .control import GridControl
from .ledger import WATCHED
from .models import BUILDING, Experiment

SCRIPT = "script"
"""The kind of the lines of an experiment that a test plays."""
_FIRST_PAUSE, _LAST_PAUSE = 0.02, 0.25


@attrs.frozen
class Line:
    """One line with its end, as clients print it."""

    message: str
    timestamp: str


class Logs:
    """Read the logs of experiments, also while they grow."""

    def __init__(self, state: State, control: GridControl) -> None:
        self._state = state
        self._control = control

    async def build(self, experiment: Experiment) -> list[Line]:
        """Return what preparing an experiment said."""
        _, lines = await self._stored(experiment.id, BUILD, 0)
        return lines

    async def script(self, experiment: Experiment) -> list[Line]:
        """Return what the script has written so far."""
        if experiment.scripted:
            _, lines = await self._stored(experiment.id, SCRIPT, 0)
            return lines
        found: list[Line] = []
        for attempt in range(experiment.attempt + 1):
            found += _lines(await asyncio.to_thread(self._all, experiment, attempt))
        return found

    def _all(self, experiment: Experiment, attempt: int) -> bytes:
        reader = self._reader(experiment, attempt)
        parts = []
        while (part := reader.read()) is not None:
            parts.append(part)
        return b"".join(parts)

    async def follow_build(self, experiment_id: str) -> AsyncGenerator[Sequence[Line], None]:
        """Yield the lines of preparing an experiment until that is over."""
        place = 0
        async with self._state.watch(WATCHED, experiment_id) as changes:
            while True:
                found = await self._control.ledger.get(experiment_id)
                waits = found is not None and not found.finished and found.started_at is None
                place, lines = await self._stored(experiment_id, BUILD, place)
                if lines:
                    yield lines
                if not waits:
                    return
                await anext(changes)

    async def follow(self, experiment_id: str) -> AsyncGenerator[Sequence[Line], None]:
        """Yield the lines of the script from the first one on until its end."""
        attempt, place = 0, 0
        async with self._state.watch(WATCHED, experiment_id) as changes:
            while (found := await self._control.ledger.get(experiment_id)) is not None:
                over = found.finished and not self._control.attendant.attends(experiment_id)
                if found.scripted:
                    place, lines = await self._stored(experiment_id, SCRIPT, place)
                    if lines:
                        yield lines
                elif attempt <= found.attempt:
                    async for some in self._attempt(found, attempt):
                        yield some
                    attempt += 1
                    continue
                if over:
                    return
                await anext(changes)

    async def _stored(self, experiment_id: str, kind: str, place: int) -> tuple[int, list[Line]]:
        """Read the stored lines behind a place; give the next place too."""
        rows = await self._control.store.lines(experiment_id, kind, place)
        lines = [_line(text, when) for _, when, text in rows]
        return (rows[-1][0] if rows else place), lines

    async def _attempt(
        self, experiment: Experiment, attempt: int
    ) -> AsyncGenerator[Sequence[Line], None]:
        """Yield the lines of one start of an experiment until it has ended and all is read."""
        reader = self._reader(experiment, attempt)
        held, pause = b"", _FIRST_PAUSE
        while True:
            ended = not self._writes(experiment.id, attempt)
            text = await asyncio.to_thread(reader.read)
            if text:
                whole, newline, held = (held + text).rpartition(b"\n")
                if newline:
                    yield _lines(whole)
                pause = _FIRST_PAUSE
            elif text is None:
                if ended:
                    break
                await asyncio.sleep(pause)
                pause = min(pause * 1.5, _LAST_PAUSE)
        if held:
            yield _lines(held)

    def _writes(self, experiment_id: str, attempt: int) -> bool:
        found = self._control.ledger.live.get(experiment_id)
        present = found is not None and found.attempt == attempt
        return present and self._control.attendant.attends(experiment_id)

    def _reader(self, experiment: Experiment, attempt: int) -> RecordReader:
        path = self._control.attendant.runner.log_path(experiment.run_id, attempt)
        return RecordReader(path, timestamps=True)


def _line(text: str, when: float) -> Line:
    return Line(f"{text}\n", timestamp(when) or "")


def status_word(experiment: Experiment) -> str:
    """Give the phase in the words of the older interface."""
    return "building" if experiment.phase == BUILDING else experiment.phase.lower()


def _lines(text: bytes) -> Sequence[Line]:
    """Read stamped lines."""
    found = []
    for raw in text.decode("utf-8", "replace").split("\n"):
        stamp, blank, message = raw.partition(" ")
        if blank:
            found.append(Line(f"{message}\n", stamp))
    return found
