"""The same on a real Garage: objects in parts, quotas, keys, links, as it words its refusals."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from neuro_client.errors import AuthenticationError, QuotaExceededError
from neuro_client.transport import Transport
from neuro_client.workspaces import TaskState, Workspaces
from tests.integration.buckets.garage import ABSENT, Garage, find, garage_node
from tests.integration.local_workspaces.conftest import settings_of

from .test_weather import plant_large
from .world import MiB, World, opened, settings

pytestmark = [pytest.mark.slow, pytest.mark.thorough]


@pytest.fixture(scope="module")
def node() -> Iterator[Garage]:
    program = find()
    if program is None:
        pytest.skip(ABSENT)
    with garage_node(program) as found:
        yield found


async def test_on_a_real_garage(tmp_path: Path, node: Garage) -> None:
    async with opened(tmp_path, garage=settings_of(node)) as world:
        await plant_large(world.shards / "shard_1.zip", 60 * MiB)  # in two parts
        task = await world.submit()
        head = await world.workspaces.storage.head("jobs/my-run/shards/shard_1.zip")
        assert head is not None and str(head.etag).endswith('-2"')
        with world.platform.intercept() as seen:
            again = await world.submit()
        assert again.plan is not None and again.plan.uploads == ()
        assert not [call for call in seen.calls if call.method == "PUT"]
        signed = await world.submit("Signed", presigned=True)
        head = await world.workspaces.storage.head("jobs/signed/shards/shard_1.zip")
        assert head is not None and str(head.etag).endswith('-2"')
        assert await world.unfinished() == []

        objects = await world.workspaces.storage.objects()
        await objects.begin("jobs/left/x", 5)
        assert await world.unfinished() == ["jobs/left/x"]
        assert await world.workspaces.storage.abort_multipart_uploads("jobs/left/") == 1

        # They write to the same folders, and the last one to end has the last word.
        for one in (again, signed):
            await world.workspaces.wait(one.id, timeout=120)
        done = await world.workspaces.wait(task.id, timeout=120)
        assert done.state is TaskState.FINISHED
        results = world.workspaces.results(done)
        await results.download(tmp_path / "out")
        log = (tmp_path / "out/files_out/training_log.txt").read_bytes()
        assert log == await results.read("files_out/training_log.txt")
        async with Transport() as anybody:
            link = await results.link("files_out/training_log.txt")
            assert await (await anybody.send("GET", link)).read() == log
        await the_refusals(world)


async def the_refusals(world: World) -> None:
    usage = await world.workspaces.usage()
    used = usage.used_bytes or 0
    await world.platform.workspaces.set_quota("user", size=used + MiB)
    with pytest.raises(QuotaExceededError) as caught:
        await world.submit("Full")
    assert caught.value.status is None
    with pytest.raises(QuotaExceededError) as caught:
        await world.submit("Full", force=True)
    assert caught.value.status == 403
    assert caught.value.limit == used + MiB
    assert caught.value.needed is not None
    assert await world.unfinished() == []
    given = settings(world.ready)
    for message, wrong in (
        ("not known", {"access_key_id": "GK" + "0" * 24}),
        ("secret key does not fit", {"secret_access_key": "0" * 64}),
    ):
        async with Workspaces.connect(world.ready["url"], **{**given, **wrong}) as other:
            with pytest.raises(AuthenticationError, match=message):
                await other.storage.get_bytes("jobs/my-run/scripts/model_def.py")
