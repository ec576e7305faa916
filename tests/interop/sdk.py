"""Drive the published Python client against the platform; runs in its environment, not in ours.

Reads one JSON object from the standard input and writes one to the standard output: the public
members that exist, those that were called from here, and what went wrong.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
import traceback
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import neuro_sdk
import sdk_buckets
import sdk_interactive
import sdk_resources
from browser import press_allow
from neuro_sdk import JobStatus
from sdk_buckets import BucketSteps
from sdk_interactive import InteractiveSteps
from sdk_resources import ResourceSteps
from sdk_shared import expected, tree
from tracing import Recorder
from yarl import URL

CLASSES = (
    neuro_sdk.Client,
    neuro_sdk.Factory,
    neuro_sdk.Config,
    neuro_sdk.Parser,
    neuro_sdk.Jobs,
    neuro_sdk.Storage,
    neuro_sdk.Buckets,
    neuro_sdk.Users,
    neuro_sdk.Disks,
    neuro_sdk.Secrets,
    neuro_sdk.ServiceAccounts,
    neuro_sdk.Images,
    neuro_sdk.StdStream,
)
FUNCTIONS = ("find_project_root", "gen_trace_id", "get", "login", "login_with_token", "logout")


async def in_browser(url: URL) -> None:
    await asyncio.get_running_loop().run_in_executor(None, press_allow, str(url))


async def in_another_browser(url: URL) -> str:
    page = await asyncio.get_running_loop().run_in_executor(None, press_allow, str(url))
    code = re.search(r'id="code">([^<]+)<', page)
    assert code is not None, "the page shows no code"
    return code[1]


class Scenario(BucketSteps, ResourceSteps, InteractiveSteps):
    """Hold what all steps share; every coroutine named ``step_…`` is one."""

    # -- login --------------------------------------------------------------------------------

    async def step_login_in_a_browser(self) -> None:
        place = self.folder / "browser"
        await neuro_sdk.Factory(place).login(in_browser, url=self.url)
        async with neuro_sdk.get(path=place) as client:
            assert client.username == "user"
        await neuro_sdk.logout(path=place)
        assert not neuro_sdk.Factory(place).is_config_present
        await neuro_sdk.login(in_browser, url=self.url, path=place)
        assert neuro_sdk.Factory(place).is_config_present

    async def step_login_headless(self) -> None:
        factory = neuro_sdk.Factory(self.folder / "headless")
        await factory.login_headless(in_another_browser, url=self.url)
        client = await factory.get()
        async with client:
            await client.config.check_server()
            token = await client.config.token()
            assert token and token != self.token

    async def step_login_with_a_token(self) -> None:
        place = self.folder / "token"
        await neuro_sdk.login_with_token(self.token, url=self.url, path=place)
        factory = neuro_sdk.Factory(place)
        assert factory.path == place
        assert dict(await factory.load_user_config()) == {}
        client = await factory.get()
        assert not client.closed
        await client.close()
        assert client.closed
        await factory.logout()
        await factory.login_with_token(self.token, url=self.url)
        assert factory.is_config_present

    async def step_bad_token_is_refused(self) -> None:
        with expected(neuro_sdk.AuthError):
            await neuro_sdk.login_with_token("nonsense", url=self.url, path=self.folder / "bad")

    async def step_passed_config(self) -> None:
        """Take the login that a job is given, as a program inside the job would."""
        async with self.client() as client:
            job = await self.start(client, "printenv NEURO_PASSED_CONFIG", pass_config=True)
            await self.ended(client, job.id)
            passed = (await self.log(client, job.id)).decode().strip()
        factory = neuro_sdk.Factory(self.folder / "passed")
        os.environ["NEURO_PASSED_CONFIG"] = passed
        try:
            await factory.login_with_passed_config()
        finally:
            del os.environ["NEURO_PASSED_CONFIG"]
        async with await factory.get() as client:
            assert (client.username, client.cluster_name) == ("user", "default")
            assert [status async for status in self.listed(client)]

    async def listed(self, client: Any) -> Any:
        async with client.jobs.list() as jobs:
            async for job in jobs:
                yield job

    async def step_config(self) -> None:
        async with self.client() as client:
            config = client.config
            assert (config.username, config.cluster_name) == ("user", "default")
            assert config.api_url == self.url
            assert set(config.clusters) == {"default", "second"}
            assert config.get_cluster("second").name == "second"
            assert list(config.presets) == list(client.presets)
            assert client.cluster_name == "default"
            assert dict(await config.get_user_config()) == {}
            for name in (
                "admin_url", "bucket_api_url", "disk_api_url", "monitoring_url", "registry_url",
                "secrets_url", "service_accounts_url", "storage_url",
            ):  # fmt: skip
                address = getattr_here(config, name)
                assert address.host == self.url.host, (name, address)
            await config.fetch()
            assert config.org_name is None
            assert list(config.cluster_orgs) == [None, "team"]
            await config.switch_org("team")
            assert config.org_name == "team"
            await config.switch_org(None)
            await config.switch_cluster("second")
            assert config.cluster_name == "second"
            await config.switch_cluster("default")

    async def step_parse(self) -> None:
        async with self.client() as client:
            parse = client.parse
            image = parse.remote_image("image:tool:v1")
            assert (image.name, image.tag, image.owner) == ("tool", "v1", "user")
            assert parse.local_image("tool:v1").name == "tool"
            uri = parse.str_to_uri("storage:a b")
            assert str(parse.normalize_uri(uri)) == "storage://default/user/a%20b"
            assert parse.uri_to_str(uri)
            path = self.folder / "x"
            assert parse.uri_to_path(parse.path_to_uri(path)) == path
            assert parse.volumes(["storage:a:/a:rw"]).volumes[0].container_path == "/a"
            assert parse.volume("storage:a:/a").read_only is False
            assert parse.envs(["A=1"]).env == {"A": "1"}
            assert neuro_sdk.gen_trace_id()
        (self.folder / ".neuro.toml").touch()
        inside = self.folder / "deep"
        inside.mkdir()
        assert neuro_sdk.find_project_root(inside) == self.folder

    # -- storage ------------------------------------------------------------------------------

    async def step_storage(self) -> None:
        async with self.client() as client:
            storage = client.storage
            root = URL("storage:sdk")
            await storage.mkdir(root)
            with expected(FileExistsError):
                await storage.mkdir(root)
            await storage.mkdir(root / "deep/er", parents=True, exist_ok=True)
            note = root / "note %41 #?.txt"
            await storage.create(note, b"first")
            await storage.write(note, b"ST", 3)
            async with storage.open(note) as chunks:
                assert b"".join([chunk async for chunk in chunks]) == b"firST"
            async with storage.open(note, 1, 3) as chunks:
                assert b"".join([chunk async for chunk in chunks]) == b"irS"
            found = await storage.stat(note)
            assert (found.size, found.is_file(), found.name) == (5, True, note.name)
            async with storage.list(root) as listing:
                names = sorted([status.name async for status in listing])
            assert names == ["deep", note.name]
            async with storage.glob(URL("storage:sdk/*.txt")) as matches:
                assert [uri.name async for uri in matches] == [note.name]
            await storage.mv(note, root / "moved")
            with expected(neuro_sdk.ResourceNotFound):
                await storage.stat(note)
            with expected(IsADirectoryError):
                await storage.rm(root)
            usage = await storage.disk_usage()
            assert usage.total >= usage.used > 0
            with expected(IsADirectoryError):
                storage.check_for_server_error({"error": "x", "errno": "EISDIR"})
            await storage.rm(root, recursive=True)

    async def step_transfers(self) -> None:
        source, back = self.folder / "tree", self.folder / "back"
        for name, size in (("a", 0), ("b c", 10), ("d/e", 3_000_000), ("d/ü/f", 1024)):
            path = source / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(os.urandom(size))
        async with self.client() as client:
            storage = client.storage
            await storage.upload_dir(URL(source.as_uri()), URL("storage:tree"))
            await storage.upload_dir(URL(source.as_uri()), URL("storage:tree"), update=True)
            await storage.download_dir(URL("storage:tree"), URL(back.as_uri()))
            assert tree(source) == tree(back)
            one = self.folder / "one"
            await storage.upload_file(URL((source / "b c").as_uri()), URL("storage:one"))
            await storage.download_file(URL("storage:one"), URL(one.as_uri()))
            assert one.read_bytes() == (source / "b c").read_bytes()
            (back / "d/e").write_bytes((source / "d/e").read_bytes()[:1_000_000])
            await storage.download_dir(URL("storage:tree"), URL(back.as_uri()), continue_=True)
            assert tree(source) == tree(back)

    async def step_others_see_nothing(self) -> None:
        async with self.client() as client, await self.as_bob() as bob:
            uri = URL("storage://default/user/private")
            await client.storage.create(uri, b"secret")
            with expected(neuro_sdk.ResourceNotFound, neuro_sdk.AuthorizationError):
                await bob.storage.stat(uri)
            job = await self.start(client, "sleep 30")
            with expected(neuro_sdk.ResourceNotFound, neuro_sdk.AuthorizationError):
                await bob.jobs.status(job.id)
            await client.jobs.kill(job.id)

    # -- jobs ---------------------------------------------------------------------------------

    async def start(self, client: Any, command: str, **more: Any) -> Any:
        return await client.jobs.start(
            image=client.parse.remote_image("python:3.11"),
            preset_name="cpu-small",
            command=command,
            **more,
        )

    async def ended(self, client: Any, job_id: str) -> Any:
        while not (found := await client.jobs.status(job_id)).status.is_finished:
            await asyncio.sleep(0.05)
        return found

    async def running(self, client: Any, job_id: str) -> Any:
        while (found := await client.jobs.status(job_id)).status == JobStatus.PENDING:
            await asyncio.sleep(0.05)
        return found

    async def log(self, client: Any, job_id: str) -> bytes:
        async with client.jobs.monitor(job_id) as chunks:
            return b"".join([chunk async for chunk in chunks])

    async def step_jobs(self) -> None:
        async with self.client() as client:
            jobs = client.jobs
            lines = "".join(f"line {n}\n" for n in range(200)).encode()
            job = await self.start(
                client, "sh -c 'for n in $(seq 0 199); do echo line $n; done; sleep 0.3; exit 3'",
                name="interop-one", tags=["interop"], description="from the SDK", life_span=600,
            )  # fmt: skip
            assert await self.log(client, job.id) == lines
            done = await self.ended(client, job.id)
            assert (done.status, done.history.exit_code) == (JobStatus.FAILED, 3)
            assert (done.name, list(done.tags)) == ("interop-one", ["interop"])
            assert await self.log(client, job.id) == lines
            async with jobs.list(tags=["interop"], statuses=[JobStatus.FAILED]) as found:
                assert [item.id async for item in found] == [job.id]
            with expected(neuro_sdk.IllegalArgumentError):
                await jobs.status("job-absent")

    async def step_running_jobs(self) -> None:
        async with self.client() as client:
            jobs = client.jobs
            preset = client.presets["cpu-small"]
            container = neuro_sdk.Container(
                image=client.parse.remote_image("python:3.11"),
                resources=neuro_sdk.Resources(
                    memory=preset.memory,
                    cpu=preset.cpu,
                    gpu=None,
                    gpu_model=None,
                    shm=False,
                    tpu_type=None,
                    tpu_software_version=None,
                ),
                command="sleep 60",
            )
            job = await jobs.run(container, name="interop-two", life_span=300)
            assert (await self.running(client, job.id)).status == JobStatus.RUNNING
            async with jobs.top(job.id) as samples:
                async for sample in samples:
                    assert sample.memory >= 0
                    break
            await jobs.bump_life_span(job.id, 600)
            assert (await jobs.status(job.id)).life_span == 900
            assert set(await jobs.get_capacity()) == set(client.presets)
            await jobs.send_signal(job.id)
            await jobs.kill(job.id)
            assert (await self.ended(client, job.id)).status == JobStatus.CANCELLED

    # -- users --------------------------------------------------------------------------------

    async def step_users(self) -> None:
        async with self.client() as client:
            users = client.users
            mine = await users.get_acl("user")
            assert any(item.uri.scheme == "storage" for item in mine), mine
            assert (await users.get_quota()) is not None
            await client.config.switch_org("team")
            assert (await users.get_org_quota()) is not None
            await client.config.switch_org(None)


def getattr_here(config: Any, name: str) -> Any:
    return getattr(config, name)


async def main() -> None:
    recorder = Recorder(
        {__file__, sdk_buckets.__file__, sdk_resources.__file__, sdk_interactive.__file__}
    )
    for cls in CLASSES:
        recorder.watch_class(cls)
    for function in FUNCTIONS:
        recorder.watch_function(neuro_sdk, function)
    scenario = Scenario(json.load(sys.stdin))
    failed: dict[str, str] = {}
    steps = [name for name in dir(scenario) if name.startswith("step_")]
    for step in steps:
        try:
            await asyncio.wait_for(getattr(scenario, step)(), 60)
        except Exception:
            failed[step] = traceback.format_exc()
    report = {
        "steps": steps,
        "members": sorted(recorder.members),
        "used": sorted(recorder.used),
        "failed": failed,
    }
    json.dump(report, sys.stdout)


if __name__ == "__main__":
    asyncio.run(main())
