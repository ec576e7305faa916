"""Runs, experiments and artifacts as the local control plane keeps them; times in epoch seconds."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import attrs

PENDING, QUEUED, BUILDING = "PENDING", "QUEUED", "IMAGE_BUILDING"
RUNNING, PAUSED = "RUNNING", "PAUSED"
SUCCEEDED, FAILED, CANCELLED, DELETED = "SUCCEEDED", "FAILED", "CANCELLED", "DELETED"
FINISHED = frozenset({SUCCEEDED, FAILED, CANCELLED})
WAITING = frozenset({PENDING, QUEUED, BUILDING, PAUSED})
EXPERIMENT = "EXPERIMENT_STATE_"
RUN = "RUN_STATE_"
_RUN_WORDS = {CANCELLED: "CANCELED", BUILDING: "BUILDING"}
"""Where a run has another word for the same."""


@attrs.frozen(kw_only=True)
class Run:
    """One submission; its phase follows from its experiments."""

    id: str
    name: str
    description: str
    cluster: str
    user: str
    created_at: float
    spec: Mapping[str, Any]
    """As it is told: nothing of it is missing."""
    local_dir: bool
    source: str | None = None
    """MD5 of the uploaded source, None before that."""
    desired: str = SUCCEEDED
    message: str = ""


@attrs.frozen(kw_only=True)
class Experiment:
    """One execution of a script, and what became of it."""

    id: str
    run: str
    number: int
    name: str
    cluster: str
    user: str
    created_at: float
    command: tuple[str, ...]
    phase: str = PENDING
    phase_at: float
    message: str = ""
    desired: str = SUCCEEDED
    attempt: int = -1
    """Number of the latest start at the runner, -1 before the first."""
    materialized: bool = False
    """Whether processes of it may exist."""
    scripted: bool = False
    """Whether a test plays it; nothing is run."""
    started_at: float | None = None
    finished_at: float | None = None
    exit_code: int | None = None

    @property
    def finished(self) -> bool:
        """Tell whether it has come to its end."""
        return self.phase in FINISHED

    @property
    def gone(self) -> bool:
        """Tell whether it was deleted."""
        return self.phase == DELETED

    @property
    def run_id(self) -> str:
        """Give the name of its runs at the runner; a job's name never begins so."""
        return f"exp-{self.id}"

    @property
    def settled(self) -> bool:
        """Tell whether nothing will happen to it any more."""
        return not self.materialized and (self.finished or self.gone)


@attrs.frozen
class Artifact:
    """A captured file; ``file`` holds its bytes."""

    name: str
    size: int
    md5: str
    modified: float
    file: str
    stamp: str = ""
    """The state of the source it was read from."""


@attrs.frozen
class Event:
    """One step of an experiment."""

    id: int
    phase: str
    desired: str
    message: str
    time: float


def phase_of_run(phases: Iterable[str]) -> str:
    """Give the phase of a run, in its own words, from those of its experiments."""
    found = Counter(phases)
    del found[DELETED]
    if found[RUNNING]:
        return RUNNING
    if found[BUILDING]:
        return run_word(BUILDING)
    if any(found[phase] for phase in WAITING):
        return RUNNING if any(found[phase] for phase in FINISHED) else PENDING
    if found[FAILED]:
        return FAILED
    if found[CANCELLED]:
        return run_word(CANCELLED)
    # One whose experiments were all deleted has nothing more to say.
    return SUCCEEDED if found[SUCCEEDED] else run_word(CANCELLED)


def counts(phases: Iterable[str]) -> dict[str, int]:
    """Count the experiments of a run as it tells them."""
    found = Counter(phases)
    return {
        "pending": sum(found[phase] for phase in WAITING),
        "running": found[RUNNING],
        "succeeded": found[SUCCEEDED],
        "failed": found[FAILED],
        "cancelled": found[CANCELLED],
        "deleted": found[DELETED],
    }


def run_word(phase: str) -> str:
    """Give the word that runs have for a phase of experiments."""
    return _RUN_WORDS.get(phase, phase)


def dump(record: Run | Experiment) -> str:
    """Write a record as JSON for the database."""
    return json.dumps(attrs.asdict(record))


def load_run(text: str) -> Run:
    """Read what `dump` wrote."""
    return Run(**json.loads(text))


def load_experiment(text: str) -> Experiment:
    """Read what `dump` wrote."""
    value = json.loads(text)
    return Experiment(**{**value, "command": tuple(value["command"])})
