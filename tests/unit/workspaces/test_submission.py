"""One task for one request, whatever becomes of the answers; no server is needed to see it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import attrs
import pytest

from neuro_client.errors import (
    AuthorizationError,
    ConflictError,
    ProtocolError,
    RateLimitError,
    ServerNotAvailable,
    TransportError,
)
from neuro_client.retry import RetryPolicy
from neuro_client.threads import run_blocking
from neuro_client.workspaces.models import Task, TaskState
from neuro_client.workspaces.records import Asked, Record, locked
from neuro_client.workspaces.submission import TaskRequest, fresh, is_ambiguous

# Later than any request of these tests, however long after the import they run.
NOW = datetime.now(UTC) + timedelta(hours=1)
POLICY = RetryPolicy(attempts=4, base=1.0, random=lambda: 1.0)


def task(id: str, created: datetime | None = NOW) -> Task:
    return Task(id, "run", TaskState.PENDING, created_at=created)


@attrs.define
class Platform:
    """Answer each request as planned; a task may come into being although the answer is lost."""

    posts: list[Exception | Task] = attrs.field(factory=list)
    finds: list[list[Task] | Exception] = attrs.field(factory=list)
    sent: int = 0
    pauses: list[float] = attrs.field(factory=list)

    async def post(self, body: Mapping[str, Any]) -> Task:
        self.sent += 1
        found: Task = raised_or(self.posts.pop(0))
        return found

    async def find(self) -> list[Task]:
        found: list[Task] = raised_or(self.finds.pop(0) if self.finds else [])
        return found

    async def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)

    def request(self, record: Record, **facts: Any) -> TaskRequest:
        given = {"known": ("old",), "retry": POLICY, "sleep": self.sleep, **facts}
        return TaskRequest({"name": "run"}, self.post, self.find, record, "digest", **given)


def raised_or(answer: Any) -> Any:
    if isinstance(answer, Exception):
        raise answer
    return answer


async def outcome(platform: Platform, **facts: Any) -> tuple[Task, bool]:
    async with locked("here", "the workspace") as record:
        return await platform.request(record, **facts).run()


async def left() -> Asked | None:
    async with locked("here", "the workspace") as record:
        return await run_blocking(record.read)


async def test_a_good_answer_is_the_end() -> None:
    platform = Platform([task("new")])
    assert await outcome(platform) == (task("new"), False)
    assert await left() is None


@pytest.mark.parametrize(
    "lost", [TransportError("cut"), ServerNotAvailable("busy", status=503), ProtocolError("html")]
)
async def test_a_lost_answer_is_looked_up_and_never_asked_for_again(lost: Exception) -> None:
    platform = Platform([lost], [[task("old")], TransportError("cut"), [task("old"), task("new")]])
    assert await outcome(platform) == (task("new"), True)
    assert platform.sent == 1
    assert await left() is None


async def test_what_is_not_found_is_left_to_the_next_call() -> None:
    platform = Platform([TransportError("cut")])
    with pytest.raises(TransportError) as caught:
        await outcome(platform)
    assert "same call again" in "".join(caught.value.__notes__)
    assert (platform.sent, len(platform.pauses)) == (1, 3)
    asked = await left()
    assert asked is not None and asked.known == ("old",)

    # The same call finds it, another one does not look for it.
    again = Platform([task("other")], [[task("old")], [task("late")]])
    assert await outcome(again) == (task("late"), True)
    assert again.sent == 0


async def test_an_earlier_request_of_other_content_is_no_reason_to_wait() -> None:
    async with locked("here", "the workspace") as record:
        await run_blocking(record.write, Asked("another digest", NOW, ()))
    platform = Platform([task("new")], [[task("found")]])
    assert await outcome(platform) == (task("new"), False)


async def test_long_after_a_kill_there_is_no_waiting() -> None:
    async with locked("here", "the workspace") as record:
        await run_blocking(record.write, Asked("digest", NOW - timedelta(hours=3), ("old",)))
    platform = Platform([task("new")], [[task("old")]])
    assert await outcome(platform) == (task("new"), False)
    assert platform.pauses == []


async def test_what_was_not_taken_is_sent_again() -> None:
    busy = RateLimitError("slow down", status=429, retry_after=2.0)
    platform = Platform([busy, task("new")])
    assert await outcome(platform) == (task("new"), False)
    assert platform.pauses == [2.0]


@pytest.mark.parametrize(
    "refusal", [ConflictError("no", status=409), AuthorizationError("no", status=403)]
)
async def test_a_refusal_is_final(refusal: Exception) -> None:
    platform = Platform([refusal])
    with pytest.raises(type(refusal)):
        await outcome(platform)
    assert (platform.sent, platform.pauses) == (1, [])
    assert await left() is None


def test_which_task_is_the_one() -> None:
    asked = Asked("digest", NOW, ("old",))
    early, late = task("b", NOW + timedelta(1)), task("a", NOW + timedelta(2))
    assert fresh([late, early, task("old")], asked) == early
    assert fresh([task("x", NOW - timedelta(hours=1))], asked) is None
    assert fresh([task("x", None)], asked) == task("x", None)
    assert not is_ambiguous(ConflictError("no", status=409))


async def test_a_record_that_is_torn_is_none(tmp_path: Path) -> None:
    async with locked("here", "the workspace") as record:
        await run_blocking(record.write, Asked("digest", NOW, ()))
    [path] = (tmp_path / "home/.local/state/neuro-client/workspaces").iterdir()
    assert path.stat().st_mode & 0o077 == 0
    path.write_bytes(path.read_bytes()[:20])
    assert await left() is None
    async with locked("here", "one"):
        with pytest.raises(ConflictError, match="two is under way"):
            async with locked("here", "two"):
                raise AssertionError
    assert not path.exists()
