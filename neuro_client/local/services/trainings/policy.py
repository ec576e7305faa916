"""Which training runs next, and which makes room, as pure functions (runai-trainings.md §5.4)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import attrs

from .resources import UNLIMITED, Amount

OVER_QUOTA = "NonPreemptibleOverQuota"


@attrs.frozen(kw_only=True)
class Candidate:
    """A training as the scheduler sees it."""

    id: str
    project: int
    department: int
    need: Amount
    preemptible: bool
    priority: int
    since: float
    """When it began to wait, or to run."""


@attrs.frozen
class Decision:
    """What to start, what to preempt, and why the others wait: reason and text by id."""

    start: Sequence[str] = ()
    preempt: Sequence[str] = ()
    waits: Mapping[str, tuple[str | None, str]] = attrs.field(factory=dict)


@attrs.frozen
class Quotas:
    """What projects and departments deserve, by id; those not listed are not limited."""

    projects: Mapping[int, Amount]
    departments: Mapping[int, Amount]


class _Machine:
    """Keep account of what is free and of who uses what, while a decision is made."""

    def __init__(self, free: Amount, coming: Amount, quotas: Quotas) -> None:
        self.free = free
        self.total = free + coming
        self._quotas = quotas
        self._projects: dict[int, Amount] = {}
        self._departments: dict[int, Amount] = {}

    def use(self, one: Candidate, sign: int = 1) -> None:
        """Count what a training uses towards its project and department."""
        need = one.need.times(sign)
        self._projects[one.project] = self._projects.get(one.project, Amount()) + need
        self._departments[one.department] = self._departments.get(one.department, Amount()) + need

    def take(self, one: Candidate) -> None:
        """Set resources aside."""
        self.total -= one.need
        self.free = _least(self.free - one.need, self.total)

    def deserves(self, one: Candidate) -> bool:
        """Tell whether a training is within the quotas of its project and department."""
        project = self._projects.get(one.project, Amount()) + one.need
        department = self._departments.get(one.department, Amount()) + one.need
        return project.within(
            self._quotas.projects.get(one.project, UNLIMITED)
        ) and department.within(self._quotas.departments.get(one.department, UNLIMITED))

    def exceeds(self, one: Candidate) -> bool:
        """Tell whether the project of a running training uses more than its quota."""
        project = self._projects.get(one.project, Amount())
        return not project.within(self._quotas.projects.get(one.project, UNLIMITED))


def decide(
    waiting: Sequence[Candidate],
    running: Sequence[Candidate],
    free: Amount,
    quotas: Quotas,
    *,
    leaving: Iterable[Candidate] = (),
) -> Decision:
    """Choose what happens next.

    ``free`` is what nobody has; ``leaving`` are trainings that are being ended and hold resources
    still. Whoever is within quota comes first and may take what others have over theirs; the rest
    runs on what is left.
    """
    coming = sum((one.need for one in leaving), Amount())
    machine = _Machine(free, coming, quotas)
    for one in running:
        machine.use(one)
    start: list[str] = []
    preempt: list[Candidate] = []
    waits: dict[str, tuple[str | None, str]] = {}
    later: list[Candidate] = []
    for one in sorted(waiting, key=lambda one: (-one.priority, one.since)):
        if not machine.deserves(one):
            if one.preemptible:
                later.append(one)
            else:
                text = "A training that cannot be preempted must be within its project's quota"
                waits[one.id] = (OVER_QUOTA, text)
        elif one.need.within(machine.free):
            start.append(one.id)
            machine.use(one)
            machine.take(one)
        else:
            victims = _victims(one, running, preempt, machine)
            preempt += victims
            for victim in victims:
                machine.use(victim, -1)
                machine.total += victim.need
            if one.need.within(machine.total):
                waits[one.id] = (None, "Waiting for trainings over their quota to make room")
                machine.use(one)
                machine.take(one)
            else:
                waits[one.id] = (None, "Not enough resources are free")
    for one in later:
        if one.need.within(machine.free):
            start.append(one.id)
            machine.use(one)
            machine.take(one)
        else:
            waits[one.id] = (None, "The project is over its quota and no resources are free")
    return Decision(start, [one.id for one in preempt], waits)


def _victims(
    claimant: Candidate,
    running: Sequence[Candidate],
    taken: Sequence[Candidate],
    machine: _Machine,
) -> list[Candidate]:
    """Choose who makes room, the least important and youngest first; nobody if it is no use."""
    chosen: list[Candidate] = []
    room = machine.total
    for one in sorted(running, key=lambda one: (one.priority, -one.since)):
        if claimant.need.within(room):
            break
        mine = one.project == claimant.project or one in taken
        if one.preemptible and not mine and machine.exceeds(one):
            chosen.append(one)
            room += one.need
            machine.use(one, -1)
    enough = claimant.need.within(room)
    for one in chosen:
        machine.use(one)
    if not enough:
        return []
    for one in list(chosen):  # a large one chosen late may make an earlier one needless
        if claimant.need.within(room - one.need):
            chosen.remove(one)
            room -= one.need
    return chosen


def _least(one: Amount, other: Amount) -> Amount:
    return Amount(min(one.cpu, other.cpu), min(one.memory, other.memory), min(one.gpu, other.gpu))
