"""A platform as a program, with its buckets on a real Garage."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import aiohttp
import pytest

from neuro_client.local import GarageSettings
from neuro_client.local.files import read_json
from neuro_client.local.serve import GARAGE_TOKEN, ServeOptions

from ..buckets.garage import Garage
from .conftest import PATIENCE, Api, running, settings_of
from .files import workspace

pytestmark = pytest.mark.slow


def test_what_a_command_line_says_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(GARAGE_TOKEN, raising=False)
    with pytest.raises(ValueError, match=GARAGE_TOKEN):
        ServeOptions(garage="http://127.0.0.1:3903").platform()
    monkeypatch.setenv(GARAGE_TOKEN, "secret")
    with pytest.raises(ValueError, match="is no address"):
        ServeOptions(garage="127.0.0.1:3903").platform()
    with pytest.raises(ValueError, match="goes together"):
        ServeOptions(garage_s3="http://127.0.0.1:3900").platform()
    options = ServeOptions(garage="http://127.0.0.1:3903", garage_s3="http://host:1")
    assert "secret" not in " ".join(options.arguments())
    garage = GarageSettings.build("http://127.0.0.1:3903/", "secret")
    assert (str(garage.s3_url), "secret" in repr(garage)) == ("http://127.0.0.1:3900", False)


async def start(data: Path, node: Garage, token: str) -> asyncio.subprocess.Process:
    words = ["up", "--data", str(data), "--port", "0", "--garage", node.admin]
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "neuro_client.local", *words, "--garage-s3", node.url),
        env={**os.environ, GARAGE_TOKEN: token},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


@pytest.mark.thorough
async def test_a_program_uses_it(garage: Garage, tmp_path: Path) -> None:
    data = tmp_path / "data"
    process = await start(data, garage, garage.token)
    try:
        assert process.stdout is not None
        async with asyncio.timeout(PATIENCE):
            while b"aistore" not in await process.stdout.readline():
                assert process.returncode is None
        ready = (await asyncio.to_thread(read_json, data / "ready.json"))["workspaces"]
        assert (ready["s3_url"], ready["s3_region"]) == (garage.url, "garage")
        async with aiohttp.ClientSession() as session:
            found = await Api(session, None, ready).call("GET", "/api/users/storage/usage")
        assert (found["bucketAlias"], found["usedBytes"]) == (ready["bucket"], 0)
    finally:
        process.terminate()
        await process.communicate()


@pytest.mark.thorough
async def test_what_is_wrong_with_it_is_told_at_the_start(garage: Garage, tmp_path: Path) -> None:
    process = await start(tmp_path / "data", garage, "wrong")
    _, said = await process.communicate()
    assert process.returncode == 1
    assert b"refused GetBucketInfo with 403" in said and b"check --garage" in said
    assert b"Traceback" not in said


@pytest.mark.thorough
async def test_users_find_their_bucket_again(garage: Garage, tmp_path: Path) -> None:
    data = tmp_path / "data"
    async with running(data, garage=settings_of(garage)) as api:
        await api.put(workspace("my-run"))
        bucket, key = api.bucket, (await api.objects()).key
    async with running(data, garage=settings_of(garage)) as api:
        assert (api.bucket, (await api.objects()).key) == (bucket, key)
        await api.until(await api.create("my-run"), "FINISHED")
