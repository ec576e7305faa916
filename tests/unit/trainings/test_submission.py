"""Submitting with answers that a test chooses, and pauses that nobody waits for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs
import pytest

from neuro_client.errors import (
    ConflictError,
    IllegalArgumentError,
    ProtocolError,
    RateLimitError,
    ServerError,
    ServerNotAvailable,
    TransportError,
)
from neuro_client.trainings import Training
from neuro_client.trainings.models import Id
from neuro_client.trainings.submission import (
    ANNOTATION,
    Submission,
    annotated,
    carries,
    check_submission_id,
)


def training(id: str = "a", spec: Any = None) -> Training:
    return Training(
        workload_id=Id(id), name="n", project_id=Id("7"), cluster_id=Id("c"), raw={"spec": spec}
    )


@attrs.define
class Server:
    """Answer posts and look-ups in their order; the last answer stays."""

    posts: list[Training | Exception]
    finds: list[Sequence[Training] | Exception] = attrs.field(factory=lambda: [[]])
    calls: list[str] = attrs.field(factory=list)
    pauses: list[float] = attrs.field(factory=list)

    async def post(self) -> Training:
        self.calls.append("post")
        found = self.posts.pop(0) if len(self.posts) > 1 else self.posts[0]
        if isinstance(found, Exception):
            raise found
        return found

    async def find(self) -> Sequence[Training]:
        self.calls.append("find")
        found = self.finds.pop(0) if len(self.finds) > 1 else self.finds[0]
        if isinstance(found, Exception):
            raise found
        return found

    async def sleep(self, pause: float) -> None:
        self.pauses.append(pause)

    async def submit(self, *, unique: bool = True, known: bool = False) -> Training:
        work = Submission(
            id="s", post=self.post, find=self.find, unique=unique, known=known, sleep=self.sleep
        )
        return await work.submit()


LOST = TransportError("lost")
TAKEN = ConflictError("taken", status=409)
BUSY = ServerNotAvailable("busy", status=503)
REFUSED = IllegalArgumentError("no", status=400)


@pytest.mark.parametrize(
    ("posts", "finds", "unique", "calls"),
    [
        ([training()], [[]], True, "post"),
        ([LOST], [[training()]], True, "post find"),
        ([ProtocolError("html")], [[training()]], True, "post find"),
        ([ServerError("500", status=500)], [[training()]], True, "post find"),
        ([LOST, training()], [[]], True, "post find post"),
        # The first request is slow: it takes the name after the look-up.
        ([LOST, TAKEN], [[], [training()]], True, "post find post find"),
        ([TAKEN], [[training()]], True, "post find"),
        ([RateLimitError("429", status=429), training()], [[]], True, "post post"),
        ([LOST], [[], [], [training()]], False, "post find find find"),
        ([LOST], [BUSY, [training()]], True, "post find find"),
    ],
)
async def test_one_training_comes_of_it(posts: Any, finds: Any, unique: bool, calls: str) -> None:
    server = Server(list(posts), list(finds))
    assert (await server.submit(unique=unique)).id == "a"
    assert server.calls == calls.split()


async def test_a_known_id_is_looked_up_first() -> None:
    server = Server([training("new")], [[training("old")]])
    assert (await server.submit(known=True)).id == "old"
    assert server.calls == ["find"]
    # A look-up that fails does not mean that a request was lost.
    server = Server([training("new")], [BUSY, []])
    assert (await server.submit(known=True, unique=False)).id == "new"
    assert server.calls == ["find", "find", "post"]


@pytest.mark.parametrize(
    ("error", "unique", "posts"),
    [(REFUSED, True, 1), (TAKEN, True, 1), (BUSY, True, 6), (BUSY, False, 1)],
)
async def test_what_cannot_be_had_is_raised(error: Exception, unique: bool, posts: int) -> None:
    server = Server([error])
    with pytest.raises(type(error)) as caught:
        await server.submit(unique=unique)
    assert server.calls.count("post") == posts
    assert len(server.pauses) == (5 if error is BUSY else 0)
    notes = getattr(caught.value, "__notes__", [])
    assert [("submission_id='s'" in note) for note in notes[:1]] == [True] * (error is BUSY)


async def test_too_many_requests_are_no_loss() -> None:
    server = Server([RateLimitError("429", status=429)])
    with pytest.raises(RateLimitError) as caught:
        await server.submit()
    assert server.calls == ["post"] * 6
    assert not hasattr(caught.value, "__notes__")


def test_the_annotation_is_added_once() -> None:
    body = {"name": "n", "spec": {"image": "i", "annotations": [{"name": "a", "value": "b"}]}}
    marked = annotated(annotated(body, "one"), "two")
    assert marked["spec"]["annotations"] == [
        {"name": "a", "value": "b"},
        {"name": ANNOTATION, "value": "two"},
    ]
    assert body["spec"] == {"image": "i", "annotations": [{"name": "a", "value": "b"}]}
    assert annotated({"spec": None}, "x")["spec"] == {
        "annotations": [{"name": ANNOTATION, "value": "x"}]
    }
    assert carries(training(spec=marked["spec"]), "two") is True
    assert carries(training(spec=marked["spec"]), "one") is False
    assert carries(training(spec=None), "two") is None
    assert carries(training(spec={"annotations": [{"name": "a", "value": "b"}]}), "two") is None


@pytest.mark.parametrize("id", ["", "two words", "x" * 201, "tab\t"])
def test_unusable_ids(id: str) -> None:
    with pytest.raises(ValueError, match="1 to 200"):
        check_submission_id(id)
