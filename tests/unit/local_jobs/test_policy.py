"""What the scheduler decides."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from neuro_client.local.runners import Exit
from neuro_client.local.scheduler import Capacity, Job, JobSpec, StatusItem, Timing
from neuro_client.local.scheduler.models import dump, load
from neuro_client.local.scheduler.policy import Decision, backoff, decide, outcome

MACHINE = Capacity(4.0, 1000)


def job(name: str, cpu: float = 1.0, *, since: float = 0.0, **spec: Any) -> Job:
    """Give a pending job."""
    container = {"resources": {"cpu": cpu, "memory": 100}}
    return Job(
        id=name,
        owner="user",
        cluster="default",
        org=None,
        spec=JobSpec(container=container, **spec),
        statuses=(StatusItem("pending", since),),
    )


def test_first_come_first_served() -> None:
    waiting = [job("b", 2, since=2), job("a", 2, since=1), job("c", 2, since=3)]
    assert decide(waiting, {}, MACHINE, quantum=1) == Decision(("a", "b"))


def test_a_lower_priority_does_not_overtake() -> None:
    waiting = [job("big", 5), job("low", 1, priority="low"), job("small", 1, since=1)]
    assert decide(waiting, {}, MACHINE, quantum=1).start == ("small",)


def test_memory_counts_too() -> None:
    assert decide([job("a")], {}, Capacity(4.0, 99), quantum=1) == Decision()


def test_the_longest_running_makes_room() -> None:
    running = {name: (job(name, 2), seconds) for name, seconds in (("x", 5.0), ("y", 9.0))}
    assert decide([job("a", 2)], running, Capacity(0, 800), quantum=1).suspend == ("y",)
    assert decide([job("a", 4)], running, Capacity(0, 800), quantum=1).suspend == ("y", "x")
    assert decide([job("a", 5)], running, Capacity(0, 800), quantum=1).suspend == ()
    assert decide([job("a", 4)], running, Capacity(0, 800), quantum=6).suspend == ()


def test_nobody_makes_room_for_a_lower_priority() -> None:
    running = {"x": (job("x", 2), 9.0)}
    waiting = [job("a", 2, priority="low")]
    assert decide(waiting, running, Capacity(0, 800), quantum=1) == Decision()


def test_capacity_counts_whole_jobs() -> None:
    assert MACHINE.count(0.5, 100) == 8
    assert MACHINE.count(0.1, 400) == 2
    assert MACHINE.less(5.0, 0).count(0.5, 100) == 0
    assert Capacity(0.3, 1000).less(0.1, 0).less(0.1, 0).fits(0.1, 1)


def test_backoff_doubles_up_to_a_limit() -> None:
    timing = Timing(backoff=1, backoff_max=10)
    assert [backoff(timing, n) for n in (0, 1, 2, 3, 4, 500)] == [1, 2, 4, 8, 10, 10]


@pytest.mark.parametrize(
    ("policy", "result", "status", "reason"),
    [
        ("never", Exit(0), "succeeded", "Completed"),
        ("never", Exit(1), "failed", "Error"),
        ("never", Exit(137, oom=True), "failed", "OOMKilled"),
        ("never", Exit(127, failure="not found"), "failed", "ContainerCannotRun"),
        ("never", Exit(None, failure="gone"), "failed", "Error"),
        ("on-failure", Exit(0), "succeeded", "Completed"),
        ("on-failure", Exit(1), "pending", "Restarting"),
        ("on-failure", Exit(None, failure="gone"), "pending", "Restarting"),
        ("always", Exit(0), "pending", "Restarting"),
    ],
)
def test_the_end_of_a_run(policy: str, result: Exit, status: str, reason: str) -> None:
    ran = job("a", restart_policy=policy).moved(StatusItem("running", 5.0))
    item = outcome(ran, result, 9.0)
    assert (item.status, item.reason, item.time) == (status, reason, 9.0)


def test_what_never_started_is_not_tried_again() -> None:
    item = outcome(job("a", restart_policy="always"), Exit(None, failure="no command"), 1.0)
    assert (item.status, item.reason, item.description) == (
        "failed",
        "ContainerCannotRun",
        "no command",
    )


def test_an_end_is_never_before_the_start() -> None:
    ran = job("a").moved(StatusItem("running", 50.0))
    assert outcome(ran, Exit(0, finished_at=49.0), 60.0).time == 50.0


def test_run_time_and_price_add_up_the_running_intervals() -> None:
    steps = [("running", 10.0), ("suspended", 20.0), ("running", 100.0)]
    ran = job("a", price="3.6")
    for status, moment in steps:
        ran = ran.moved(StatusItem(status, moment))
    assert ran.run_time(110.0) == 20.0
    assert str(ran.price(110.0)) == "0.020000"
    assert ran.started_at == 10.0
    assert ran.finished_at is None


def test_a_record_survives_the_database() -> None:
    before = attrs.evolve(job("a", tags=("x", "y"), schedule_timeout=1.5), run=3)
    assert load(dump(before)) == before
