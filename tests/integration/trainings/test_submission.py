"""No second training, whatever becomes of the answers."""

from __future__ import annotations

import asyncio

import pytest

from neuro_client.errors import (
    AuthorizationError,
    ConflictError,
    TransportError,
)
from neuro_client.trainings import InvalidSpecError, Training, TrainingRequest, Trainings
from neuro_client.trainings.submission import ANNOTATION

from .server import CLUSTER, SPEC, ControlPlane, served


async def create(trainings: Trainings, submission_id: str | None = None) -> Training:
    return await trainings.create(
        SPEC, name="mnist", project_id=7, cluster_id=CLUSTER, submission_id=submission_id
    )


async def create_prefixed(trainings: Trainings) -> Training:
    request = TrainingRequest("mnist", 7, CLUSTER, SPEC, use_given_name_as_prefix=True)
    return await trainings.create(request)


@pytest.mark.parametrize("told", ["lost", "html"])
@pytest.mark.parametrize("hidden", [False, True], ids=["shown", "hidden"])
async def test_a_training_whose_answer_got_lost_is_adopted(told: str, hidden: bool) -> None:
    state = ControlPlane(posts=[told], hide_specs=hidden)
    async with served(state) as trainings:
        found = await create(trainings)
    assert list(state.trainings) == [found.id]
    assert state.requests["post"] == 1
    assert "name==mnist" in state.queries[0]["filterBy"]
    assert "projectId==7" in state.queries[0]["filterBy"]


@pytest.mark.parametrize("told", [429, 503])
async def test_what_was_not_carried_out_is_sent_again(told: int) -> None:
    state = ControlPlane(posts=[told])
    async with served(state) as trainings:
        found = await create(trainings)
    assert list(state.trainings) == [found.id]
    assert state.requests["post"] == 2
    assert state.requests["list"] == (told == 503)


async def test_a_prefixed_name_is_found_by_the_annotation() -> None:
    state = ControlPlane(posts=["lost"])
    other = state.add(name="mnist-12345", requestedName="mnist", spec={"annotations": None})
    async with served(state) as trainings:
        found = await create_prefixed(trainings)
    assert found.id != other
    assert found.requested_name == "mnist"
    assert (len(state.trainings), state.requests["post"]) == (2, 1)


async def test_a_name_taken_by_another_is_no_training_of_ours() -> None:
    state = ControlPlane()
    state.add(name="mnist", requestedName="mnist")
    async with served(state) as trainings:
        with pytest.raises(ConflictError, match="the name is taken"):
            await create(trainings)
    assert len(state.trainings) == 1


async def test_a_loss_that_cannot_be_looked_up_is_told() -> None:
    state = ControlPlane(posts=["lost"], lists=[403])
    async with served(state) as trainings:
        with pytest.raises(TransportError) as caught:
            await create(trainings)
    assert state.requests["post"] == 1
    assert isinstance(caught.value.__cause__, AuthorizationError)
    assert "may have been created" in caught.value.__notes__[0]


async def test_one_submission_id_is_one_training() -> None:
    state = ControlPlane()
    async with served(state) as trainings:
        first, second = await asyncio.gather(
            create(trainings, submission_id="nightly"), create(trainings, submission_id="nightly")
        )
    async with served(state) as trainings:
        third = await create(trainings, submission_id="nightly")
    assert first.id == second.id == third.id
    assert state.requests["post"] == 1
    [note] = [item for item in first.raw["spec"]["annotations"] if item["name"] == ANNOTATION]
    assert note["value"] == "nightly"


async def test_bad_input_sends_nothing() -> None:
    state = ControlPlane()
    wrong = TrainingRequest("Mnist_", 7, "no-uuid", SPEC)
    async with served(state) as trainings:
        with pytest.raises(InvalidSpecError) as caught:
            await trainings.create(wrong)
        assert {item.path for item in caught.value.violations} == {"name", "clusterId"}
        with pytest.raises(ValueError, match="submission_id"):
            await create(trainings, submission_id="two words")
        with pytest.raises(ValueError, match="project_id and cluster_id"):
            await trainings.create(SPEC, name="mnist")
        with pytest.raises(ValueError, match="has name already"):
            await trainings.create(wrong, name="mnist")
        prepared = await trainings.create(
            SPEC, name="mnist", project_id=7, cluster_id=CLUSTER, dry_run=True
        )
    assert prepared.url.path == "/api/v1/workloads/trainings"
    assert prepared.json["projectId"] == "7"
    assert state.requests.total() == 0
