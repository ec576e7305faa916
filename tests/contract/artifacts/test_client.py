"""Our client against golden answers: it sends exactly the golden request and reads the answer."""

from __future__ import annotations

import base64
import re
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from yarl import URL

from neuro_client.artifacts import (
    Artifact,
    DatastoreMount,
    ExperimentPhase,
    LinkExpiredError,
    RunPhase,
    RunRequest,
)
from neuro_client.artifacts.connection import Connection
from neuro_client.artifacts.datastore_store import DatastoreStore
from neuro_client.artifacts.datastores import Datastores
from neuro_client.artifacts.download import Downloader
from neuro_client.artifacts.logs import LogReader
from neuro_client.artifacts.lookup import Lookup
from neuro_client.artifacts.service import GridService
from neuro_client.artifacts.store import ArtifactStore
from neuro_client.errors import (
    AuthenticationError,
    ConflictError,
    IllegalArgumentError,
    ResourceNotFound,
    SourceChangedError,
)
from neuro_client.retry import NEVER
from neuro_client.transfer import Part, Upload

from ..golden import Sample, check_request, recording
from .exchanges import API_KEY, FIXED, USER, samples

pytestmark = pytest.mark.contract

UNKNOWN = "01hf8a4m1x0000000000000000"
HELLO = "5d41402abc4b2a76b9719d911017c592"
END = datetime(2024, 5, 1, 10, 5, tzinfo=UTC)

NOT_OURS = {
    "login": "the key signs in to every request",
    "login_refused": "the key signs in to every request",
    "user": "nothing here asks who is signed in",
    "sessions": "sessions are no part of this client",
    "graphql_experiment_id": "experiments are looked up by the newer interface",
    "graphql_experiment_status": "phases are read by the newer interface",
    "datastore_delete": "datastores are not removed by this client",
    "datastore_completed": "the end of an upload, tried with the whole of it",
    "datastore_create": "the begin of an upload, tried with the whole of it",
    "graphql_live_logs": "the client speaks first, tried with the local platform",
}


class Grid:
    """Hold the parts of the client at the recording server."""

    def __init__(self, connection: Connection, values: Mapping[str, str], page: int) -> None:
        self.connection = connection
        self.values = values
        self.service = GridService(
            connection.transport, connection.url, values["cluster"], artifacts_per_page=page
        )
        self.lookup = Lookup(self.service, USER)

    async def artifacts(self, id: str) -> list[Artifact]:
        """List as the client does."""
        downloader = Downloader(self.service, lambda: self.connection.links, "")
        return await downloader.listed(id, "mnist-exp0")

    def store(self, link: str, size: int = 5) -> ArtifactStore:
        """Return a store that has one artifact behind a link."""

        async def refresh(_: str) -> list[Artifact]:
            raise AssertionError("no call renews a link")

        store = ArtifactStore(self.connection.links, refresh)
        store.add("a", "exp", Artifact(URL(self.values[link]), "a", "mnist-exp0", "mnist", size))
        return store

    def uploading(self) -> DatastoreStore:
        """Return a datastore that is being filled."""

        async def done(_: str) -> None:
            raise AssertionError("no call completes a file")

        return DatastoreStore(
            self.service, self.connection.links, self.values["datastore"], 5, done
        )


Call = Callable[[Grid], Awaitable[None]]


def failing(work: Callable[[Grid], Awaitable[object]], error: type[Exception], text: str) -> Call:
    async def call(grid: Grid) -> None:
        with pytest.raises(error, match=text) as caught:
            await work(grid)
        assert API_KEY not in str(caught.value)

    return call


async def user_refused(grid: Grid) -> None:
    service = GridService(grid.connection.transport, grid.connection.url, "default")
    with pytest.raises(AuthenticationError, match="wrong") as caught:
        await service._asked("GET", URL(f"{grid.values['grid']}/v1/auth/user"))
    assert caught.value.code == "16"


async def clusters(grid: Grid) -> None:
    service = GridService(grid.connection.transport, grid.connection.url, None)
    assert await service.cluster_id() == "default"


async def cluster(grid: Grid) -> None:
    found = await grid.service.cluster()
    assert (found.id, found.is_own, found.bucket) == ("default", True, "grid-default")


async def cluster_unknown(grid: Grid) -> None:
    service = GridService(grid.connection.transport, grid.connection.url, "nowhere")
    with pytest.raises(ResourceNotFound, match="no cluster nowhere"):
        await service.cluster()


def request(name: str, **more: Any) -> dict[str, Any]:
    return RunRequest(name=name, script="train.py", args=("--factor", "[2,4]"), **more).body(
        "default"
    )


async def run_create(grid: Grid) -> None:
    found = await grid.service.submit(request("fresh"))
    assert (found.name, found.phase) == ("fresh", RunPhase.PENDING)
    assert found.started_at is None
    assert (found.cost, found.hourly_cost) == (0.25, 0.5)


async def upload(grid: Grid) -> None:
    [sample] = [sample for sample in samples() if sample.call == "upload"]
    body = base64.b64decode(sample.document["request"]["base64"])
    answer = await grid.connection.links.send("PUT", URL(grid.values["upload"]), body=body)
    assert answer.headers["ETag"]


async def runs(grid: Grid) -> None:
    found = await grid.lookup.run("mnist")
    assert (found.id, found.phase) == (grid.values["run"], RunPhase.SUCCEEDED)
    assert (found.counts.succeeded, found.counts.total) == (2, 2)
    assert found.experiment_ids == (grid.values["experiment"], grid.values["experiment1"])
    assert found.finished_at == END


async def run(grid: Grid) -> None:
    found = await grid.service.run(grid.values["run"])
    assert found.command == "train.py --factor '[2,4]'"
    assert found.raw["spec"]["sweepType"] == "grid_search"


async def stop(grid: Grid, kind: str, id: str, state: str) -> None:
    """Send the second of the two requests of a stop: the golden server answers one."""
    [sample] = [sample for sample in samples() if sample.call == f"{kind.removesuffix('s')}_stop"]
    golden = sample.request(grid.values)["json"]
    found = {**golden, "spec": {**golden["spec"], "desiredState": "before"}}
    await grid.service.put_state(kind, id, found, state)


async def run_stop(grid: Grid) -> None:
    await stop(grid, "runs", grid.values["running_run"], RunPhase.CANCELLED.wire)


async def experiment_stop(grid: Grid) -> None:
    id = grid.values["running_experiment"]
    await stop(grid, "experiments", id, ExperimentPhase.CANCELLED.wire)


async def experiments(grid: Grid) -> None:
    async with grid.lookup.experiments(names=["mnist-exp0"], without=()) as listing:
        [found] = [item async for item in listing]
    assert found.command == ("python", "train.py", "--factor", "2")
    assert (found.run_id, found.phase) == (grid.values["run"], ExperimentPhase.SUCCEEDED)


async def experiments_of_run(grid: Grid) -> None:
    async with grid.lookup.experiments(run_ids=[grid.values["run"]]) as listing:
        assert [item.name async for item in listing] == ["mnist-exp0", "mnist-exp1"]


async def experiment(grid: Grid) -> None:
    found = await grid.lookup.experiment(grid.values["experiment"])
    assert (found.name, found.cluster_id) == ("mnist-exp0", "default")


async def events(grid: Grid) -> None:
    found = await grid.service.events(grid.values["experiment"])
    assert [event.phase for event in found] == [
        ExperimentPhase.PENDING,
        ExperimentPhase.SUCCEEDED,
    ]


async def artifacts(grid: Grid) -> None:
    first, second = await grid.artifacts(grid.values["experiment"])
    assert (first.filename, first.run_name) == ("logs/events.txt", "mnist")
    assert (second.filename, second.size, second.md5) == ("model.ckpt", 5, HELLO)
    assert second.last_modified == END
    assert str(second.url) == grid.values["link"]
    assert grid.values["link"] not in repr(second)


async def first_page(grid: Grid) -> None:
    async with grid.service.artifacts(grid.values["experiment"]) as pages:
        async for page in pages:
            assert [item["filename"] for item in page] == ["logs/events.txt"]
            break


async def next_page(grid: Grid) -> None:
    query = [("pageSize", "1"), ("pageToken", "page-2")]
    async with grid.service.listed(
        "artifacts", "experiments", grid.values["experiment"], "artifacts", query=query
    ) as pages:
        assert [[item["filename"] for item in page] async for page in pages] == [["model.ckpt"]]


async def bad_token(grid: Grid) -> None:
    query = [("pageSize", "25"), ("pageToken", "nonsense")]
    with pytest.raises(IllegalArgumentError, match="page token"):
        async with grid.service.listed(
            "artifacts", "experiments", grid.values["experiment"], "artifacts", query=query
        ) as pages:
            async for _ in pages:
                pass


async def link(grid: Grid) -> None:
    assert await grid.store("link").read("a", 5) == b"hello"


async def read_range(store: ArtifactStore) -> bytes:
    async with store.get("a", start=2, end=4) as chunks:
        return b"".join([bytes(chunk) async for chunk in chunks])


async def link_range(grid: Grid) -> None:
    store = grid.store("link")
    store._items["a"].etag = f'"{HELLO}"'
    assert await read_range(store) == b"ll"


async def link_range_changed(grid: Grid) -> None:
    store = grid.store("link")
    store._items["a"].etag = '"00000000000000000000000000000000"'
    with pytest.raises(SourceChangedError):
        await read_range(store)


async def link_expired(grid: Grid) -> None:
    with pytest.raises(LinkExpiredError, match="Request has expired") as caught:
        async with grid.connection.links.request("GET", URL(grid.values["expired_link"])):
            pass
    assert (caught.value.status, caught.value.code) == (403, "AccessDenied")


async def link_gone(grid: Grid) -> None:
    with pytest.raises(ResourceNotFound, match="specified key"):
        await grid.store("gone_link").read("a", 5)


async def experiment_logs(grid: Grid) -> None:
    [line] = await LogReader(grid.connection, grid.values["experiment"]).now()
    assert (line.text, line.prefix) == ("factor 2", "2024-05-01T10:00:02.000000Z ")


async def build_logs(grid: Grid) -> None:
    [line] = await LogReader(grid.connection, grid.values["experiment"]).build()
    assert line.text == "The image is ready"


async def datastores(grid: Grid) -> None:
    listing = Datastores(grid.service, lambda: grid.connection.links, grid.connection.url)
    async with listing.each() as found:
        assert [(item.name, item.version) async for item in found] == [("cifar", 0)]


async def datastore(grid: Grid) -> None:
    found = await grid.service.json("GET", "datastores", grid.values["datastore"])
    assert found["name"] == "cifar"


async def datastore_urls(grid: Grid) -> None:
    async with grid.uploading().open() as store:
        upload = Upload("sub/b.txt", "up-1", 10, state={"parts": 2})
        known = [Part(1, 0, 5, "tag"), Part(2, 5, 5, None)]
        assert await store.parts(upload, known) == known[:1]


async def datastore_part(grid: Grid) -> None:
    answer = await grid.connection.links.send("PUT", URL(grid.values["part"]), body=b"hello")
    assert answer.headers["ETag"] == f'"{HELLO}"'


async def datastore_urls_completed(grid: Grid) -> None:
    told: list[str] = []
    store = DatastoreStore(
        grid.service,
        grid.connection.links,
        grid.values["datastore"],
        5,
        lambda key: _note(told, key),
    )
    async with store.open():
        await store.complete(Upload("a.txt", "up-1", 5), [Part(1, 0, 5, HELLO)])
    assert told == ["a.txt"]


async def _note(told: list[str], key: str) -> None:
    told.append(key)


CALLS: Mapping[str, Call] = {
    "artifacts": artifacts,
    "artifacts_bad_token": bad_token,
    "artifacts_first_page": first_page,
    "artifacts_next_page": next_page,
    "artifacts_unknown": failing(lambda g: g.artifacts(UNKNOWN), ResourceNotFound, "no experiment"),
    "cluster": cluster,
    "cluster_unknown": cluster_unknown,
    "clusters": clusters,
    "datastore": datastore,
    "datastore_part": datastore_part,
    "datastore_urls": datastore_urls,
    "datastore_urls_completed": datastore_urls_completed,
    "datastores": datastores,
    "events": events,
    "experiment": experiment,
    "experiment_delete": lambda g: g.service.delete("experiments", g.values["running_experiment"]),
    "experiment_stop": experiment_stop,
    "experiment_unknown": failing(
        lambda g: g.service.experiment(UNKNOWN), ResourceNotFound, "no experiment"
    ),
    "experiments": experiments,
    "experiments_of_run": experiments_of_run,
    "graphql_build_logs": build_logs,
    "graphql_experiment_logs": experiment_logs,
    "link": link,
    "link_expired": link_expired,
    "link_gone": link_gone,
    "link_range": link_range,
    "link_range_changed": link_range_changed,
    "run": run,
    "run_create": run_create,
    "run_create_misnamed": failing(
        lambda g: g.service.submit(request("mnist-exp1")), IllegalArgumentError, "experiment"
    ),
    "run_create_taken": failing(
        lambda g: g.service.submit(request("mnist")), ConflictError, "exists already"
    ),
    "run_delete": lambda g: g.service.delete("runs", g.values["running_run"]),
    "run_stop": run_stop,
    "run_unknown": failing(lambda g: g.service.run(UNKNOWN), ResourceNotFound, "no run"),
    "runs": runs,
    "runs_none": failing(lambda g: g.lookup.run("no-such-run"), ResourceNotFound, "no-such-run"),
    "upload": upload,
    "user_refused": user_refused,
}

SOURCE = re.compile(r"grid-artifacts\.md §\d+(\.\d+)*(; grid-artifacts\.md §\d+(\.\d+)*)*")


def test_every_call_has_its_sample_and_every_sample_its_facts() -> None:
    assert sorted([*CALLS, *NOT_OURS]) == [sample.call for sample in samples()]
    for sample in samples():
        assert SOURCE.fullmatch(sample.document["source"]), sample.name


def test_datastores_are_sent_with_the_run() -> None:
    body = request("fresh", datastores=[DatastoreMount("ds-1", "/data")], strategy="none")
    assert body["spec"]["datastores"] == [{"id": "ds-1", "mountPath": "/data"}]
    assert body["spec"]["sweepType"] == "none"


@pytest.mark.parametrize(
    "sample",
    [sample for sample in samples() if sample.call not in NOT_OURS],
    ids=lambda sample: sample.name,
)
async def test_the_client_speaks_as_the_facts_say(sample: Sample) -> None:
    async with recording(sample) as (root, recorder):
        recorder.values = {**FIXED, "grid": str(root).rstrip("/")}
        for name in ("link", "expired_link", "gone_link", "upload", "part"):
            recorder.values[name] = f"{recorder.values['grid']}/{name}"
        golden = sample.request(recorder.values)
        user, key = USER, API_KEY
        if sample.call == "user_refused":
            user, key = "nobody", "nothing"
        page = dict(golden.get("query", ())).get("pageSize", "25")
        connection = Connection(root, user, key, NEVER)
        try:
            await CALLS[sample.call](Grid(connection, recorder.values, int(page)))
        finally:
            await connection.close()
        # What the next page is asked for with is a sample of its own.
        request, *_ = recorder.requests
        check_request(sample, request, recorder.values)
