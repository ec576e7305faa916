"""The calls behind the samples of trainings, and what their answers must become.

What the client refuses before it sends anything is asked of the class that makes the requests.
"""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from yarl import URL

from neuro_client.client import Client
from neuro_client.errors import (
    AuthenticationError,
    AuthorizationError,
    ConflictError,
    IllegalArgumentError,
    ResourceNotFound,
    ServerNotAvailable,
)
from neuro_client.retry import NEVER
from neuro_client.streaming.lines import datetime_to_stamp
from neuro_client.trainings import (
    DesiredPhase,
    EventType,
    Filter,
    Metrics,
    MetricType,
    PolicyViolationError,
    TelemetryType,
    TokenEndpoint,
    Training,
    TrainingPhase,
    TrainingRequest,
    Trainings,
    TrainingSpec,
    Workload,
)
from neuro_client.trainings.errors import map_error
from neuro_client.trainings.logs import LogOptions, LogReader, log_url
from neuro_client.trainings.models import TrainingCluster
from neuro_client.trainings.service import ControlPlane
from neuro_client.trainings.submission import annotated
from neuro_client.trainings.tokens import application_grants, life_of_jwt, user_grants
from neuro_client.transport import FixedCredentials, Transport

from ..golden import TOKEN, Call

Values = Mapping[str, str]

MOMENT = datetime(2024, 5, 1, 10, tzinfo=UTC)
END = datetime(2024, 5, 1, 11, tzinfo=UTC)
STAMP = datetime_to_stamp(MOMENT)
UNKNOWN = "00000000-0000-4000-8000-000000000000"
SPEC: dict[str, Any] = {
    "image": "registry.example/trainer:1.4",
    "command": "python",
    "args": "train.py --epochs 3",
    "compute": {
        "gpuDevicesRequest": 1,
        "gpuRequestType": "portion",
        "gpuPortionRequest": 0.5,
        "cpuCoreRequest": 2,
        "cpuMemoryRequest": "8Gi",
    },
    "environmentVariables": [{"name": "SEED", "value": "1"}],
    "backoffLimit": 0,
}
METRICS = (MetricType.CPU_USAGE_CORES, MetricType.CPU_MEMORY_USAGE_BYTES)

# What the placeholders stand for at the recording server, beside its address.
FIXED = {
    "training": "6f1d2c3b-4a59-4687-9786-a5b4c3d2e1f0",
    "pod": "0c9b8a7d-6e5f-4d3c-8b2a-190f8e7d6c5b",
    "cluster": "6f6f0b1e-0f6e-4c39-9d3e-1f2d3c4b5a69",
    "project": "7",
    "client_id": "bot",
    "client_secret": "hush",
    "username": "ada@example",
    "password": "open sesame",
    "submission": "nightly-1",
    "bearer": TOKEN,
}

TrainingsCall = Callable[[Trainings, Values], Awaitable[None]]
ControlCall = Callable[[ControlPlane, Values], Awaitable[None]]
TransportCall = Callable[[Transport, Values], Awaitable[None]]


def with_trainings(call: TrainingsCall) -> Call:
    """Make a call with ``Trainings`` that have the golden token."""

    @functools.wraps(call)
    async def run(client: Client, values: Values) -> None:
        root = complete(client, values)
        async with Trainings.connect(root, token=TOKEN, cluster_url=root, retry=NEVER) as trainings:
            await call(trainings, values)

    return run


def with_control(call: ControlCall) -> Call:
    """Make a call with what is below ``Trainings``."""

    @functools.wraps(call)
    async def run(client: Client, values: Values) -> None:
        root = complete(client, values)
        async with transport_to(root, TOKEN) as transport:
            await call(ControlPlane(transport, URL(root)), values)

    return run


def without_login(call: TransportCall) -> Call:
    """Make a call that needs no token."""

    @functools.wraps(call)
    async def run(client: Client, values: Values) -> None:
        root = complete(client, values)
        async with transport_to(root, None) as transport:
            await call(transport, values)

    return run


def complete(client: Client, values: Values) -> str:
    """Add our placeholders to those that all services share, and return the server's address."""
    root = str(client.config.api_url.origin())
    assert isinstance(values, dict)
    values.update({"trainings": root, "cluster_url": root, **FIXED})
    return root


def transport_to(root: str, token: str | None) -> Transport:
    credentials = None if token is None else FixedCredentials.bearer(token)
    return Transport(URL(root), credentials, map_error=map_error, retry=NEVER, trace=None)


# Tokens


@without_login
async def token(transport: Transport, values: Values) -> None:
    found = await application_grants("bot", "hush", TokenEndpoint.V1)[0].ask(transport)
    assert found.text.startswith("eyJ")
    assert found.text not in repr(found)
    assert found.life == 3600


@without_login
async def token_access_key(transport: Transport, values: Values) -> None:
    found = await application_grants("bot", "hush", TokenEndpoint.V1)[1].ask(transport)
    assert found.life == 3600


@without_login
async def token_password(transport: Transport, values: Values) -> None:
    [grant] = user_grants("ada@example", "open sesame", "cli", TokenEndpoint.V1)
    assert (await grant.ask(transport)).life == 3600
    assert "sesame" not in repr(grant)


@without_login
async def token_without_expiry(transport: Transport, values: Values) -> None:
    found = await application_grants("bot", "hush", TokenEndpoint.V1)[0].ask(transport)
    assert found.life is None
    assert (life_of_jwt(found.text) or 0) > 3600


@without_login
async def token_refused(transport: Transport, values: Values) -> None:
    with pytest.raises(AuthenticationError, match="invalid application credentials") as caught:
        await application_grants("bot", "wrong", TokenEndpoint.V1)[0].ask(transport)
    assert (caught.value.status, caught.value.code) == (401, "401")


@without_login
async def token_v2(transport: Transport, values: Values) -> None:
    [grant] = application_grants("bot", "hush", TokenEndpoint.V2)
    assert (await grant.ask(transport)).life == 3600
    assert "hush" not in repr(grant)


@without_login
async def token_v2_refused(transport: Transport, values: Values) -> None:
    [grant] = application_grants("bot", "wrong", TokenEndpoint.V2)
    with pytest.raises(AuthenticationError, match="wrong secret") as caught:
        await grant.ask(transport)
    assert caught.value.code == "invalid_client"


# Trainings


async def prepared(control: ControlPlane, values: Values, **facts: Any) -> dict[str, Any]:
    """Return the request that ``create`` would send."""
    trainings = Trainings(control.url(), token=TOKEN)
    wanted = TrainingRequest(
        name="mnist-0",
        project_id=values["project"],
        cluster_id=values["cluster"],
        spec=TrainingSpec.from_dict(SPEC),
        **facts,
    )
    found = await trainings.create(wanted, submission_id=values["submission"], dry_run=True)
    assert found.method == "POST"
    return found.json


def body(name: str = "mnist-0", project: str = "7", **spec: Any) -> dict[str, Any]:
    """Return a request that the client itself would refuse, or that only a server can."""
    wanted = {
        "name": name,
        "projectId": project,
        "clusterId": FIXED["cluster"],
        "spec": {**SPEC, **spec},
    }
    return annotated(wanted, FIXED["submission"])


def check(found: Training, values: Values, phase: TrainingPhase) -> None:
    assert (found.id, found.name, found.requested_name) == (
        values["training"],
        "mnist-0",
        "mnist-0",
    )
    assert (found.project_id, found.cluster_id) == ("7", values["cluster"])
    assert (found.desired_phase, found.phase) == (DesiredPhase.RUNNING, phase)
    assert found.created_at == MOMENT
    assert not found.is_deleted


@with_control
async def create(control: ControlPlane, values: Values) -> None:
    found = await control.submit(await prepared(control, values))
    check(found, values, TrainingPhase.CREATING)
    assert found.created_by == "bot@example"
    assert found.department_id == "2"
    assert found.spec is not None
    assert found.spec.args == "train.py --epochs 3"


@with_control
async def create_prefix(control: ControlPlane, values: Values) -> None:
    found = await control.submit(await prepared(control, values, use_given_name_as_prefix=True))
    assert (found.name, found.requested_name) == ("mnist-0-a1b2c", "mnist-0")


@with_control
async def create_latest(control: ControlPlane, values: Values) -> None:
    found = await control.submit(await prepared(control, values))
    check(found, values, TrainingPhase.CREATING)


@with_control
async def create_taken(control: ControlPlane, values: Values) -> None:
    with pytest.raises(ConflictError, match="already exists"):
        await control.submit(body("taken"))


@with_control
async def create_invalid(control: ControlPlane, values: Values) -> None:
    with pytest.raises(IllegalArgumentError, match=r"invalid submission: spec\.parallelism"):
        await control.submit(body(parallelism=3, completions=1))


@with_control
async def create_unknown_project(control: ControlPlane, values: Values) -> None:
    with pytest.raises(IllegalArgumentError, match="unknown project"):
        await control.submit(body(project="999"))


@with_control
async def create_no_image(control: ControlPlane, values: Values) -> None:
    wanted = {**body(), "spec": {"command": "python"}}
    with pytest.raises(IllegalArgumentError, match="no image"):
        await control.submit(annotated(wanted, values["submission"]))


@with_control
async def create_policy(control: ControlPlane, values: Values) -> None:
    with pytest.raises(PolicyViolationError, match=r"spec\.compute\.gpuDevicesRequest") as caught:
        await control.submit(body())
    first, second = caught.value.issues
    assert (first.field, first.rule) == ("compute.gpuDevicesRequest", "max")
    assert second.rule is None
    assert caught.value.status == 400


@with_trainings
async def get(trainings: Trainings, values: Values) -> None:
    check(await trainings.get(values["training"]), values, TrainingPhase.RUNNING)


@with_trainings
async def get_sparse(trainings: Trainings, values: Values) -> None:
    found = await trainings.get(values["training"])
    check(found, values, TrainingPhase.CREATING)
    assert found.spec is None
    assert found.raw["novelty"] == {"a": 1}


@with_trainings
async def get_unknown(trainings: Trainings, values: Values) -> None:
    with pytest.raises(ResourceNotFound, match="workload not found"):
        await trainings.get(UNKNOWN)


@with_trainings
async def get_malformed(trainings: Trainings, values: Values) -> None:
    with pytest.raises(IllegalArgumentError, match="UUID"):
        await trainings.get("no-uuid")


@with_trainings
async def get_unauthorized(trainings: Trainings, values: Values) -> None:
    with pytest.raises(AuthenticationError, match="missing or expired"):
        await trainings.get(values["training"])


@with_trainings
async def get_html(trainings: Trainings, values: Values) -> None:
    with pytest.raises(ServerNotAvailable, match="an HTML page"):
        await trainings.get(values["training"])


@with_trainings
async def delete(trainings: Trainings, values: Values) -> None:
    await trainings.delete(values["training"])


@with_trainings
async def delete_unknown(trainings: Trainings, values: Values) -> None:
    with pytest.raises(ResourceNotFound):
        await trainings.delete(UNKNOWN)


@with_trainings
async def suspend(trainings: Trainings, values: Values) -> None:
    await trainings.suspend(values["training"])


@with_trainings
async def suspend_finished(trainings: Trainings, values: Values) -> None:
    with pytest.raises(ConflictError, match="has ended"):
        await trainings.suspend(values["training"])


@with_trainings
async def resume(trainings: Trainings, values: Values) -> None:
    await trainings.resume(values["training"])


@with_trainings
async def resume_finished(trainings: Trainings, values: Values) -> None:
    with pytest.raises(ConflictError, match="has ended"):
        await trainings.resume(values["training"])


# Workloads of all kinds


def check_workload(found: Workload, values: Values) -> None:
    assert (found.id, found.name, found.type) == (values["training"], "mnist-0", "training")
    assert (found.project_id, found.project_name) == ("7", "default")
    assert (found.phase, found.running_pods, found.created_at) == (TrainingPhase.RUNNING, 1, MOMENT)
    [condition] = found.conditions
    assert (condition.type, condition.status, condition.reason) == ("Ready", "True", "Running")
    assert condition.last_transition_time == MOMENT


@with_trainings
async def list_(trainings: Trainings, values: Values) -> None:
    async with trainings.list() as listing:
        found, completed = [item async for item in listing]
    check_workload(found, values)
    assert (completed.phase, completed.completed_at) == (TrainingPhase.COMPLETED, MOMENT)
    assert found.phase_message == "3 of 3 epochs"
    assert found.images == ("registry.example/trainer:1.4",)
    assert found.requested_pods is not None
    assert found.requested_pods.completions == 1
    assert found.allocated_resources is not None
    assert found.allocated_resources.gpu == 0.5
    assert found.total_running_time_seconds == 12
    assert found.raw["novelty"] == 1


@with_trainings
async def list_filtered(trainings: Trainings, values: Values) -> None:
    filters = (
        "name=@mnist",
        Filter("phase", "==", TrainingPhase.RUNNING),
        Filter("projectId", "==", values["project"]),
        Filter("createdAt", ">=", datetime(2024, 1, 1, tzinfo=UTC)),
    )
    async with trainings.list(
        filters=filters, search="mnist", sort_by="createdAt", descending=True, page_size=20
    ) as listing:
        assert len([item async for item in listing]) == 1


@with_trainings
async def list_deleted(trainings: Trainings, values: Values) -> None:
    async with trainings.list(deleted=True) as listing:
        [found] = [item async for item in listing]
    assert (found.phase, found.deleted_at) == (TrainingPhase.DELETING, MOMENT)


@with_trainings
async def list_pages(trainings: Trainings, values: Values) -> None:
    async with trainings.list(page_size=1) as listing:
        assert len([item async for item in listing]) == 1


@with_trainings
async def list_unauthorized(trainings: Trainings, values: Values) -> None:
    with pytest.raises(AuthorizationError, match="not allowed"):
        async with trainings.list() as listing:
            await anext(listing)


@with_trainings
async def count(trainings: Trainings, values: Values) -> None:
    assert await trainings.count(filters=["phase==Running"]) == 3


@with_trainings
async def workload(trainings: Trainings, values: Values) -> None:
    found = await trainings.get_workload(values["training"])
    check_workload(found, values)
    [message] = found.pending_scheduling_messages
    assert (message.node_pool, message.org_type, message.user_message) == (
        "default",
        "PROJECT",
        "no room",
    )


@with_trainings
async def events(trainings: Trainings, values: Values) -> None:
    async with trainings.events(values["training"]) as listing:
        first, second = [item async for item in listing]
    assert (first.type, first.reason, first.created_at) == (EventType.NORMAL, "Started", MOMENT)
    assert first.involved_object is not None
    assert first.involved_object.kind == "Pod"
    assert (second.type, second.message, second.id) == (EventType.WARNING, "back-off", None)


@with_trainings
async def history(trainings: Trainings, values: Values) -> None:
    async with trainings.history(values["training"]) as listing:
        running, pending, event = [item async for item in listing]
    assert (running.phase, running.phase_message) == (
        TrainingPhase.RUNNING,
        "all pods are running",
    )
    assert (pending.phase, pending.phase_message) == (TrainingPhase.PENDING, None)
    assert event.event is not None
    assert (event.event.message, event.phase, event.created_at) == ("pod started", None, MOMENT)


@with_trainings
async def pods(trainings: Trainings, values: Values) -> None:
    async with trainings.pods(values["training"]) as listing:
        [pod] = [item async for item in listing]
    assert (pod.id, pod.name, pod.k8s_phase) == (values["pod"], "mnist-0-0", "Running")
    assert (pod.node_name, pod.completed_at) == ("node-1", None)
    assert (pod.containers[0].name, pod.containers[0].started_at) == ("mnist-0", MOMENT)


def check_metrics(found: Metrics, *, partial: bool = False) -> None:
    assert found.partial is partial
    [sample] = found.of(MetricType.CPU_USAGE_CORES)
    assert (sample.value, sample.timestamp) == (Decimal("0.75"), MOMENT)
    assert found.of(MetricType.CPU_MEMORY_USAGE_BYTES) == ()
    [sample] = found.of(MetricType.CPU_MEMORY_USAGE_BYTES, gpu="0")
    assert sample.value == 100 * 2**20


@with_trainings
async def metrics(trainings: Trainings, values: Values) -> None:
    check_metrics(await trainings.metrics(values["training"], METRICS, start=MOMENT, end=END))


@with_trainings
async def metrics_partial(trainings: Trainings, values: Values) -> None:
    found = await trainings.metrics(values["training"], METRICS, start=MOMENT, end=END)
    check_metrics(found, partial=True)


@with_trainings
async def metrics_unknown_type(trainings: Trainings, values: Values) -> None:
    with pytest.raises(IllegalArgumentError, match="NO_SUCH"):
        await trainings.metrics(values["training"], ["NO_SUCH"], start=MOMENT, end=END)


@with_trainings
async def pod_metrics(trainings: Trainings, values: Values) -> None:
    check_metrics(
        await trainings.pod_metrics(
            values["training"], values["pod"], METRICS, start=MOMENT, end=END
        )
    )


@with_trainings
async def telemetry(trainings: Trainings, values: Values) -> None:
    found = await trainings.telemetry(
        TelemetryType.WORKLOADS_COUNT, group_by=("Phase", "ProjectId")
    )
    [value] = found.values
    assert value.value == 3
    assert [(group.key, group.value) for group in value.groups] == [
        ("Phase", "Running"),
        ("ProjectId", values["project"]),
    ]


@with_trainings
async def batch(trainings: Trainings, values: Values) -> None:
    found = await trainings.batch([values["training"], UNKNOWN], "suspend")
    assert found.succeeded == (values["training"],)
    [failed] = found.failed
    assert (failed.id, failed.code, failed.message) == (UNKNOWN, 404, "workload not found")
    assert len(found.request_ids) == 1


@with_trainings
async def projects(trainings: Trainings, values: Values) -> None:
    [project] = await trainings.projects()
    assert (project.id, project.name, project.cluster_id) == ("7", "default", values["cluster"])


@with_trainings
async def clusters(trainings: Trainings, values: Values) -> None:
    assert await trainings.clusters() == (TrainingCluster(id=values["cluster"], name="default"),)


# Logs


def log_reader(transport: Transport, values: Values, options: LogOptions) -> LogReader:
    async def started() -> bool:
        return False

    async def finished() -> bool:
        raise AssertionError("one connection is all that is looked at")

    return LogReader(
        transport,
        log_url(values["cluster_url"], "default", "mnist-0"),
        options,
        started=started,
        finished=finished,
        retry=NEVER,
    )


async def log(client: Client, values: Values) -> None:
    root = complete(client, values)
    async with transport_to(root, TOKEN) as transport:
        reader = log_reader(transport, values, LogOptions())
        async with reader.until_end() as lines:
            found = [await anext(lines), await anext(lines)]
    assert [line.text for line in found] == ["one", "two"]
    assert [line.key for line in found] == [STAMP + 1, STAMP + 2]


async def log_download(client: Client, values: Values) -> None:
    root = complete(client, values)
    async with transport_to(root, TOKEN) as transport:
        reader = log_reader(transport, values, LogOptions(pod="mnist-0-0", since=MOMENT))
        reader.without_websocket()
        async with reader.until_now() as lines:
            assert [line.text async for line in lines] == ["one", "two"]


CALLS: Mapping[str, Call] = {
    "token": token,
    "token_access_key": token_access_key,
    "token_password": token_password,
    "token_without_expiry": token_without_expiry,
    "token_refused": token_refused,
    "token_v2": token_v2,
    "token_v2_refused": token_v2_refused,
    "create": create,
    "create_prefix": create_prefix,
    "create_latest": create_latest,
    "create_taken": create_taken,
    "create_invalid": create_invalid,
    "create_unknown_project": create_unknown_project,
    "create_no_image": create_no_image,
    "create_policy": create_policy,
    "get": get,
    "get_sparse": get_sparse,
    "get_unknown": get_unknown,
    "get_malformed": get_malformed,
    "get_unauthorized": get_unauthorized,
    "get_html": get_html,
    "delete": delete,
    "delete_latest": delete,
    "delete_unknown": delete_unknown,
    "suspend": suspend,
    "suspend_finished": suspend_finished,
    "resume": resume,
    "resume_finished": resume_finished,
    "list": list_,
    "list_filtered": list_filtered,
    "list_deleted": list_deleted,
    "list_pages": list_pages,
    "list_unauthorized": list_unauthorized,
    "count": count,
    "workload": workload,
    "events": events,
    "history": history,
    "pods": pods,
    "metrics": metrics,
    "metrics_partial": metrics_partial,
    "metrics_unknown_type": metrics_unknown_type,
    "pod_metrics": pod_metrics,
    "telemetry": telemetry,
    "batch": batch,
    "projects": projects,
    "clusters": clusters,
    "logs": log,
    "logs_download": log_download,
}
