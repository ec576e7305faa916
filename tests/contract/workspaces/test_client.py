"""Our client against golden answers: it sends exactly the golden request and reads the answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import attrs
import pytest

from neuro_client.errors import (
    AuthenticationError,
    AuthorizationError,
    ConflictError,
    IllegalArgumentError,
    RateLimitError,
    ResourceNotFound,
    ServerNotAvailable,
)
from neuro_client.retry import NEVER
from neuro_client.transport import Transport
from neuro_client.workspaces import (
    GpuModel,
    PlatformError,
    TaskProgress,
    TaskState,
    WorkerModel,
    Workspaces,
)
from neuro_client.workspaces.errors import map_error
from neuro_client.workspaces.logs import LogReader
from neuro_client.workspaces.options import TaskOptions
from neuro_client.workspaces.planning import task_request
from neuro_client.workspaces.service import PlatformService
from neuro_client.workspaces.tokens import SessionTokens

from ..golden import Sample, check_request, recording
from .samples import samples

pytestmark = pytest.mark.contract

SHARD = "jobs/my-run/shards/shard_0.zip"
VALUES = {
    "api_key": "rsk_dev_0123456789abcdef",
    "bucket": "ada-1",
    "task": "6f1d2c3b-4a59-4687-9786-a5b4c3d2e1f0",
    "upload": "0b7f1f9c6f3e4c0a",
    "etag": "900150983cd24fb0d6963f7d28e17f72",
    "email": "ada@example.org",
    "password": "open sesame",
    "session": "eyJhbGciOiJub25lIn0.e30.",
    "cookie": "refresh=abc",
}
TASK = VALUES["task"]


@attrs.frozen
class Side:
    """What a call is made with: everything that speaks to the recording server."""

    service: PlatformService
    workspaces: Workspaces
    transport: Transport
    bare: Transport


Call = Callable[[Side], Awaitable[None]]


def body(**options: Any) -> Mapping[str, Any]:
    """Return the request for a task with one shard."""
    has_model = options.pop("has_model", False)
    found = TaskOptions(**{"auto_select_workers": False, **options})
    return task_request("My Run", "my-run", shards=1, has_model=has_model, options=found)


async def create(side: Side) -> None:
    task = await side.service.create(body(estimated_memory_mb=8192))
    assert (task.id, task.name, task.state) == (TASK, "My Run", TaskState.PENDING)


async def create_pinned(side: Side) -> None:
    assert (await side.service.create(body(worker_ids=["worker-0"]))).id == TASK


async def create_auto(side: Side) -> None:
    request = body(
        has_model=True,
        auto_select_workers=True,
        gpu_models=["rtx-4090"],
        max_price_per_gpu_hour_cents=120,
        only_mine_workers=True,
    )
    assert (await side.service.create(request)).id == TASK


async def create_sparse(side: Side) -> None:
    task = await side.service.create(body())
    assert (task.state, task.state_text, task.created_at) == (TaskState.PENDING, "", None)


async def job(side: Side) -> None:
    task = await side.workspaces.get(TASK)
    assert (task.id, task.name, task.state) == (TASK, "My Run", TaskState.RUNNING)
    assert str(task.dashboard_url).endswith(f"/dashboard/jobs/{TASK}")


async def job_finished(side: Side) -> None:
    task = await side.workspaces.get(TASK)
    assert task.state is TaskState.FINISHED
    assert task.finished_at == datetime(2024, 5, 1, 10, 5, tzinfo=UTC)
    assert (task.path, task.slug, task.reason) == ("/jobs/my-run", "my-run", None)


async def job_failed(side: Side) -> None:
    task = await side.workspaces.get(TASK)
    assert (task.state, task.reason) == (TaskState.FAILED, "worker 0 raised ValueError: boom")


async def job_unknown_state(side: Side) -> None:
    task = await side.workspaces.get(TASK)
    assert (task.state, task.state_text) == (TaskState.UNKNOWN, "PROVISIONING")
    assert not task.state.is_finished


async def job_unknown(side: Side) -> None:
    with pytest.raises(ResourceNotFound, match="There is no job nothing") as caught:
        await side.service.job("nothing")
    assert caught.value.code == "not_found"


async def jobs(side: Side) -> None:
    assert [task.id for task in await side.service.jobs(0)] == [TASK]


async def task(side: Side) -> None:
    assert (await side.service.task(TASK)).state is TaskState.RUNNING


async def task_unknown(side: Side) -> None:
    with pytest.raises(ResourceNotFound):
        await side.service.task("nothing")


async def cancel(side: Side) -> None:
    await side.workspaces.cancel(TASK)


async def cancel_finished(side: Side) -> None:
    with pytest.raises(ConflictError, match="is over: FINISHED"):
        await side.workspaces.cancel(TASK)


async def logs(side: Side) -> None:
    async with LogReader(side.transport, side.service.logs_url(TASK)).until_now() as lines:
        assert [line async for line in lines] == ["2024-05-01 10:00:00,000 - INFO - round 1 of 1"]


async def stats_nvflare(side: Side) -> None:
    assert await side.workspaces.progress(TASK) == TaskProgress(1, 1)


async def stats_nvflare_unknown(side: Side) -> None:
    assert await side.workspaces.progress(TASK) == TaskProgress(None, None)


async def workers(side: Side) -> None:
    found = await side.workspaces.workers()
    assert (found.online_count, found.workers) == (1, (WorkerModel("cpu", 24000),))


async def gpus(side: Side) -> None:
    name = "Processor of the local platform"
    assert list(await side.workspaces.gpus()) == [GpuModel("cpu", name, 24000, 0)]


async def bucket(side: Side) -> None:
    assert await side.service.bucket() == VALUES["bucket"]


async def usage(side: Side) -> None:
    found = await side.workspaces.usage()
    assert (found.bucket, found.used_bytes, found.quota_bytes) == (VALUES["bucket"], 123, 2**30)
    assert (found.object_count, found.object_quota) == (7, None)


async def usage_other_names(side: Side) -> None:
    found = await side.workspaces.usage()
    assert (found.used_bytes, found.quota_bytes, found.object_quota) == (123, 2**30, 1000)
    assert found.raw["newer"] == {"x": 1}


async def usage_unlimited(side: Side) -> None:
    assert (await side.workspaces.usage()).quota_bytes is None


async def error_older(side: Side) -> None:
    with pytest.raises(AuthorizationError, match="role required") as caught:
        await side.workspaces.usage()
    assert isinstance(caught.value, PlatformError)
    assert (caught.value.code, caught.value.hint) == (None, None)


async def rate_limited(side: Side) -> None:
    with pytest.raises(RateLimitError, match="Slow down"):
        await side.workspaces.usage()


async def server_error_no_json(side: Side) -> None:
    with pytest.raises(ServerNotAvailable, match="bad gateway"):
        await side.workspaces.usage()


async def key_unknown(side: Side) -> None:
    transport = side.bare
    with pytest.raises(AuthenticationError, match="unknown or was revoked") as caught:
        await transport.send(
            "GET",
            side.service.url("api/users/storage", "bucket"),
            headers={"Authorization": "Bearer rsk_dev_0000"},
        )
    assert isinstance(caught.value, PlatformError)
    assert (caught.value.code, caught.value.hint) == ("invalid_api_key", "…")


async def rotate_key(side: Side) -> None:
    key = await side.workspaces.rotate_key()
    assert key.access_key_id == "GK31c2f218a2e44f485b94239e"
    assert key.secret_access_key not in repr(key)


async def upload_init(side: Side) -> None:
    id, urls = await side.service.begin_upload(SHARD, 52428801, "application/zip")
    assert (id, len(urls)) == (VALUES["upload"], 2)


async def upload_init_empty(side: Side) -> None:
    _, urls = await side.service.begin_upload(SHARD, 0, "application/zip")
    assert len(urls) == 1


async def upload_init_refused(side: Side) -> None:
    with pytest.raises(IllegalArgumentError, match="size must be a number of bytes"):
        await side.service.begin_upload(SHARD, -1, "application/zip")


async def upload_complete(side: Side) -> None:
    await side.service.complete_upload(SHARD, VALUES["upload"], [(1, VALUES["etag"])])


async def upload_complete_wrong_etag(side: Side) -> None:
    with pytest.raises(IllegalArgumentError) as caught:
        await side.service.complete_upload(SHARD, VALUES["upload"], [(1, "0" * 32)])
    assert caught.value.code == "invalid_part"


async def upload_abort(side: Side) -> None:
    await side.service.abort_upload(SHARD, VALUES["upload"])


async def login(side: Side) -> None:
    tokens = SessionTokens(VALUES["email"], VALUES["password"], side.bare)
    assert await tokens.authorization() == f"Bearer {VALUES['session']}"
    assert VALUES["session"] not in repr(tokens)


async def login_refused(side: Side) -> None:
    tokens = SessionTokens(VALUES["email"], "wrong", side.bare)
    with pytest.raises(AuthenticationError, match="check email and password") as caught:
        await tokens.authorization()
    assert caught.value.code == "invalid_credentials"


CALLS: Mapping[str, Call] = {
    call.__name__: call
    for call in (
        bucket,
        cancel,
        cancel_finished,
        create,
        create_auto,
        create_pinned,
        create_sparse,
        error_older,
        gpus,
        job,
        job_failed,
        job_finished,
        job_unknown,
        job_unknown_state,
        jobs,
        key_unknown,
        login,
        login_refused,
        logs,
        rate_limited,
        rotate_key,
        server_error_no_json,
        stats_nvflare,
        stats_nvflare_unknown,
        task,
        task_unknown,
        upload_abort,
        upload_complete,
        upload_complete_wrong_etag,
        upload_init,
        upload_init_empty,
        upload_init_refused,
        usage,
        usage_other_names,
        usage_unlimited,
        workers,
    )
}
LEFT_OUT = {
    "bearer_malformed": "the client has no way to send such a header",
    "bearer_missing": "the client has no way to send none",
    "create_bad_memory": "refused before it is sent, as tests/unit/workspaces shows",
    "create_bad_path": "the client makes the paths itself",
    "create_empty_folder": "the answer is that of any refusal, see create_sparse and job_unknown",
    "create_no_name": "refused before it is sent",
    "create_outside": "the client makes the paths itself",
    "create_worker_count": "refused before it is sent",
    "jobs_nvflare": "tells nothing that the dashboard does not",
    "refresh": "part of an exchange, see tests/integration/workspaces/test_login.py",
    "refresh_refused": "part of an exchange, see tests/integration/workspaces/test_login.py",
    "session": "part of an exchange, see tests/integration/workspaces/test_login.py",
}


def test_every_sample_has_its_call_or_a_reason() -> None:
    names = {sample.call for sample in samples()}
    assert names == CALLS.keys() | LEFT_OUT.keys()
    assert not CALLS.keys() & LEFT_OUT.keys()


async def test_the_client_speaks_as_the_facts_say() -> None:
    for sample in samples():
        if sample.call in LEFT_OUT:
            continue
        try:
            async with recording(sample) as (root, recorder):
                address = str(root).rstrip("/")
                recorder.values = {**VALUES, "workspaces": address, "s3": address}
                await made(sample, address)
                [request] = recorder.requests
                check_request(sample, request, recorder.values)
        except Exception as error:
            error.add_note(f"with the sample {sample.name}")
            raise


async def made(sample: Sample, address: str) -> None:
    """Make the call of a sample."""
    async with Workspaces.connect(address, api_key=VALUES["api_key"], retry=NEVER) as workspaces:
        connection = workspaces._connection
        service = connection.service
        session = connection.session
        bare = Transport(
            connection.url, map_error=map_error, retry=NEVER, session=session, trace=None
        )
        side = Side(service, workspaces, connection.transport, bare)
        await CALLS[sample.call](side)
