"""See one experiment through: prepare, run, capture, sync (grid-artifacts.md §2, §7).

What it wrote is captured while it runs and at its end; only then it is over.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import shutil
import time

import attrs

from ....artifacts.capture import Capture, CaptureReport, take_inventory
from ...runners import Exit, Runner, RunnerError
from ..s3.files import Files
from .keeping import Shelf
from .launch import Launcher
from .ledger import Ledger
from .models import BUILDING, CANCELLED, FAILED, QUEUED, RUNNING, SUCCEEDED, Run

BUILD = "build"
"""The kind of the lines that preparing an experiment leaves."""
SYNCING = "Syncing artifacts"
_STOPPED = "The local platform was stopped"
_MOST_NOTES = 5

_log = logging.getLogger(__name__)


@attrs.define
class Timing:
    """Durations in seconds; tests shorten them."""

    interval: float = 2.0
    """Between two looks at what an experiment has written."""
    grace: float = 10.0
    """Between SIGTERM and SIGKILL."""
    shutdown: float = 5.0
    """How long experiments get to end when the platform stops."""


class Attendant:
    """Look after the experiments that are prepared, run or synced."""

    def __init__(self, ledger: Ledger, launcher: Launcher, runner: Runner, files: Files) -> None:
        self.timing = Timing()
        self.runner = runner
        self.attended: set[str] = set()
        self._ledger = ledger
        self._launcher = launcher
        self._files = files
        self._closing = False
        self._idle = asyncio.Event()

    def attends(self, experiment_id: str) -> bool:
        """Tell whether an experiment is on its way; its log may still grow."""
        return experiment_id in self.attended

    def begin(
        self, group: asyncio.TaskGroup, experiment_id: str, run: Run | None, *, adopt: bool
    ) -> None:
        """See an experiment through in a task; ``adopt`` one that an earlier platform started."""
        self.attended.add(experiment_id)
        group.create_task(self._attend(experiment_id, run, adopt=adopt))

    async def end(self, experiment_id: str, *, kill: bool = False) -> None:
        """End the processes of an experiment, if there are any."""
        found = self._ledger.live.get(experiment_id)
        if found is not None and found.materialized:
            if kill:
                await self.runner.kill(found.run_id, found.attempt)
            else:
                await self.runner.stop(found.run_id, found.attempt)

    async def clear(self, experiment_id: str) -> None:
        """Remove what lies around of a deleted experiment."""
        await self._launcher.release(experiment_id)
        log = self.runner.log_path(f"exp-{experiment_id}", 0)
        await asyncio.to_thread(shutil.rmtree, log.parent.parent, ignore_errors=True)

    async def shut_down(self) -> None:
        """End what runs and sync it; those that take too long are killed."""
        self._closing = True
        for experiment_id in list(self.attended):
            await self.end(experiment_id)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.timing.shutdown):
                while self.attended:
                    self._idle.clear()
                    await self._idle.wait()
        for experiment_id in list(self.attended):
            await self.end(experiment_id, kill=True)

    async def _attend(self, experiment_id: str, run: Run | None, *, adopt: bool) -> None:
        phase, message, code = FAILED, "", None
        try:
            if run is None:  # its run was deleted: there is nothing to sync for
                found = self._ledger.live[experiment_id]
                await self.runner.kill(found.run_id, found.attempt)
                await self.runner.wait(found.run_id, found.attempt)
            elif adopt or await self._prepare(experiment_id, run):
                phase, message, code = await self._run(experiment_id, run, adopt=adopt)
            else:
                phase = QUEUED  # it was stopped before it began, or the platform stops
        except (RunnerError, OSError) as error:
            message = f"It could not be run: {error}"
        except Exception as error:
            _log.exception("experiment %s could not be looked after", experiment_id)
            message = f"Unexpected exception: {error}"
        await self._over(experiment_id, phase, message, code)

    async def _prepare(self, experiment_id: str, run: Run) -> bool:
        """Make everything ready for the start; False if it was ended meanwhile."""
        if self._must_end(experiment_id):
            return False
        found = self._ledger.move(experiment_id, BUILDING)
        await self._ledger.commit()
        said = await self._launcher.prepare(run, found)
        now = time.time()
        await self._ledger.store.add_lines(experiment_id, BUILD, [(now, line) for line in said])
        if self._must_end(experiment_id):
            return False
        if found.attempt < 0:
            roots = self._launcher.places.roots(experiment_id)
            await self._launcher.keep_inventory(experiment_id, await take_inventory(roots))
        self._ledger.change(experiment_id, attempt=found.attempt + 1, materialized=True)
        await self._ledger.commit()  # the run must be known before it exists
        return True

    async def _run(
        self, experiment_id: str, run: Run, *, adopt: bool
    ) -> tuple[str, str, int | None]:
        """Run and capture; give the last phase, why, and the exit code."""
        capture = Capture(
            self._launcher.places.roots(experiment_id),
            Shelf(self._ledger.store, self._files, experiment_id),
            interval=self.timing.interval,
            inventory=await self._launcher.inventory(experiment_id),
            known=await self._ledger.store.stamps(experiment_id),
        )
        async with capture:
            began = await (self._find(experiment_id) if adopt else self._start(experiment_id, run))
            found = self._ledger.live[experiment_id]
            result = await self.runner.wait(found.run_id, found.attempt) if began else Exit(None)
            found = self._ledger.live[experiment_id]
            if found.gone:  # nothing of it is kept
                await self._launcher.release(experiment_id)
            elif began:
                self._ledger.move(experiment_id, RUNNING, SYNCING)
                await self._ledger.commit()
            report = await capture.finish()
        if not began:
            return QUEUED, "", None
        phase, message = self._ending(experiment_id, run, result)
        return phase, " ".join(filter(None, [message, _told(report)])), result.code

    async def _start(self, experiment_id: str, run: Run) -> bool:
        """Start an experiment; False if it was ended before that."""
        found = self._ledger.live[experiment_id]
        if self._must_end(experiment_id):
            return False
        spec = await self._launcher.spec(run, found, self.timing.grace)
        began = await self.runner.start(spec)
        self._note_start(experiment_id, began)
        await self._ledger.commit()
        if self._must_end(experiment_id):
            await self.runner.stop(found.run_id, found.attempt)
        return True

    async def _find(self, experiment_id: str) -> bool:
        """Take over what an earlier platform started; False if it had not come to that."""
        found = self._ledger.live[experiment_id]
        if found.phase != RUNNING:
            began = await self.runner.find(found.run_id, found.attempt)
            if began is None:
                return False
            if not found.gone:
                self._note_start(experiment_id, began)
                await self._ledger.commit()
        if found.gone:
            await self.runner.kill(found.run_id, found.attempt)
        elif self._must_end(experiment_id):
            await self.runner.stop(found.run_id, found.attempt)
        return True

    def _note_start(self, experiment_id: str, began: float) -> None:
        found = self._ledger.live[experiment_id]
        if not found.gone:
            self._ledger.move(experiment_id, RUNNING, started_at=found.started_at or began)

    def _must_end(self, experiment_id: str) -> bool:
        found = self._ledger.live[experiment_id]
        return self._closing or found.gone or found.desired == CANCELLED

    def _ending(self, experiment_id: str, run: Run, result: Exit) -> tuple[str, str]:
        if self._ledger.live[experiment_id].desired == CANCELLED:
            return CANCELLED, "It was stopped"
        if self._closing and (result.code != 0 or run.spec["autoResume"]):
            return (QUEUED if run.spec["autoResume"] else FAILED), _STOPPED
        if result.oom:
            return FAILED, "It used more memory than there is"
        if result.failure:
            return FAILED, result.failure
        if result.code != 0:
            return FAILED, f"The script ended with exit code {result.code}"
        return SUCCEEDED, ""

    async def _over(self, experiment_id: str, phase: str, message: str, code: int | None) -> None:
        await self.runner.forget(self._ledger.live[experiment_id].run_id)
        if phase == QUEUED and self._ledger.live[experiment_id].desired == CANCELLED:
            phase, message = CANCELLED, "It was stopped before it began"
        if phase != QUEUED:
            await self._launcher.release(experiment_id)
        # From here on whoever deletes it clears up himself.
        self.attended.discard(experiment_id)
        gone = self._ledger.live[experiment_id].gone
        if gone:
            self._ledger.change(experiment_id, materialized=False)
        else:
            self._ledger.move(experiment_id, phase, message, materialized=False, exit_code=code)
        self._idle.set()
        await self._ledger.commit()
        if gone:
            await self.clear(experiment_id)


def _told(report: CaptureReport) -> str:
    """Put what the capture has to say of some files into words."""
    parts = []
    for title, notes in (("Not stored", report.failed), ("Note", report.warnings)):
        if notes:
            said = "; ".join(f"{note.name!r}: {note.reason}" for note in notes[:_MOST_NOTES])
            more = len(notes) - _MOST_NOTES
            parts.append(f"{title}: {said}{f'; and {more} more' if more > 0 else ''}.")
    return " ".join(parts)
