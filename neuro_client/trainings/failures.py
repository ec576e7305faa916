"""Say why a training did not succeed, with all that the control plane knows of it (§8.4)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import TypeVar

import attrs

from ..errors import NeuroError
from .errors import TrainingFailure
from .models import Event, EventType, Pod, Training, Workload

T = TypeVar("T")

_log = logging.getLogger(__name__)

_TIME = 2.0
_EVENTS = 10
TAIL = 20
"""Lines of the log that an error carries."""
_PODS = 20

Listing = Callable[[], AbstractAsyncContextManager[AsyncIterator[T]]]


@attrs.define
class Facts:
    """Hold what could be found out in a short time."""

    workload: Workload | None = None
    warnings: Sequence[Event] = ()
    pods: Sequence[Pod] = ()
    log_tail: Sequence[str] = ()


async def find_facts(
    workload: Callable[[], Awaitable[Workload]],
    events: Listing[Event],
    pods: Listing[Pod],
    lines: Listing[str] | None,
) -> Facts:
    """Ask for everything at once, best effort within two seconds."""
    facts = Facts()

    async def read_workload() -> None:
        facts.workload = await workload()

    async def read_events() -> None:
        facts.warnings = await _first(
            events, _EVENTS, lambda event: event.type is EventType.WARNING
        )

    async def read_pods() -> None:
        facts.pods = await _first(pods, _PODS)

    async def read_lines() -> None:
        if lines is not None:
            async with lines() as found:
                facts.log_tail = [line async for line in found][-TAIL:]

    async with asyncio.TaskGroup() as group:
        for read in (read_workload, read_events, read_pods, read_lines):
            group.create_task(_try(read))
    return facts


async def _try(read: Callable[[], Awaitable[None]]) -> None:
    try:
        async with asyncio.timeout(_TIME):
            await read()
    except (NeuroError, OSError, ValueError) as error:
        _log.debug("%s of a failed training could not be read: %r", read.__name__, error)


async def _first(
    listing: Listing[T], count: int, wanted: Callable[[T], bool] = lambda _: True
) -> list[T]:
    kept: list[T] = []
    async with listing() as items:
        async for item in items:
            if wanted(item):
                kept.append(item)
            if len(kept) == count:
                break
    return kept


def failure(training: Training, facts: Facts, *, deleted: bool) -> TrainingFailure:
    """Build the error of a training that ended otherwise than was waited for."""
    ended = "was deleted" if deleted else f"ended {training.phase_text}"
    text = f"Training {training.id} ({training.name}) {ended}"
    found = facts.workload
    message = None if found is None else found.phase_message
    reason = None if found is None else found.phase_reason
    told = [fact for fact in (reason, message) if fact]
    if not told and facts.warnings:
        told = [facts.warnings[0].message]
    if told:
        text += f": {': '.join(told)}"
    phases = sorted({f"{pod.name} {pod.k8s_phase}" for pod in facts.pods})
    if phases:
        text += f"\nPods: {', '.join(phases)}"
    if facts.log_tail:
        text += f"\nLast line of its log: {facts.log_tail[-1]}"
    if not deleted:
        text += f"\nRead more with client.trainings.events({training.id!r})"
    return TrainingFailure(
        text,
        job=training,
        reason=reason,
        description=message,
        log_tail=facts.log_tail,
        conditions=() if found is None else found.conditions,
        events=facts.warnings,
        pods=facts.pods,
    )
