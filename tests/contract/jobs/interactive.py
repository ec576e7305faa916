"""The calls behind the samples of attach, exec, forwarded ports and saving."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping

import pytest
from aiodocker import DockerError

from neuro_client.client import Client
from neuro_client.errors import IllegalArgumentError, ResourceNotFound, StdStreamError
from neuro_client.image_progress import (
    AbstractDockerImageProgress,
    ImageCommitFinished,
    ImageCommitStarted,
    ImageProgressPush,
    ImageProgressSave,
    ImageProgressStep,
)
from neuro_client.jobs import Message, StdStream
from neuro_client.models import LocalImage, RemoteImage

from ..golden import Call

Values = Mapping[str, str]


async def _read(stream: StdStream) -> tuple[list[Message], int]:
    found = []
    with pytest.raises(StdStreamError) as ended:
        while True:
            message = await stream.read_out()
            assert message is not None
            found.append(message)
    assert await stream.read_out() is None
    await stream.write_in(b"to nobody")
    return found, ended.value.exit_code


async def attach(client: Client, values: Values) -> None:
    async with client.jobs.attach(values["job"], stdout=True, stderr=True) as stream:
        assert await _read(stream) == (
            [Message(1, b""), Message(1, b"out\n"), Message(2, b"err\n")],
            3,
        )


async def attach_without_streams(client: Client, values: Values) -> None:
    with pytest.raises(IllegalArgumentError, match="at least one"):
        async with client.jobs.attach(values["job"]):
            pass


async def attach_not_running(client: Client, values: Values) -> None:
    with pytest.raises(ResourceNotFound):
        async with client.jobs.attach(values["job"], stdout=True):
            pass


async def exec_(client: Client, values: Values) -> None:
    async with client.jobs.exec(values["job"], "sh -c 'exit 3'", stdin=True, stdout=True) as stream:
        assert await _read(stream) == ([Message(1, b""), Message(1, b"out\n")], 3)


async def exec_unreadable_end(client: Client, values: Values) -> None:
    async with client.jobs.exec(values["job"], "true", stdout=True) as stream:
        assert await _read(stream) == ([], 1)


async def exec_text(client: Client, values: Values) -> None:
    async with client.jobs.exec(values["job"], "true", stdout=True) as stream:
        with pytest.raises(RuntimeError, match="text message"):
            await stream.read_out()


async def exec_without_command(client: Client, values: Values) -> None:
    with pytest.raises(IllegalArgumentError, match="Command is required"):
        async with client.jobs.exec(values["job"], "", stdout=True):
            pass


async def exec_tty_of_both(client: Client, values: Values) -> None:
    with pytest.raises(IllegalArgumentError, match="multiplexed"):
        async with client.jobs.exec(values["job"], "true", tty=True, stdout=True, stderr=True):
            pass


async def _answer(client: Client, job: str, port: int) -> bytes:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        local = free.getsockname()[1]
    async with client.jobs.port_forward(job, local, port):
        reader, writer = await asyncio.open_connection("localhost", local)
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
    return answer


async def port_forward(client: Client, values: Values) -> None:
    assert await _answer(client, values["job"], int(values["port"])) == b"pong"


async def port_forward_refused(client: Client, values: Values) -> None:
    assert await _answer(client, values["job"], 1) == b""


class Told(AbstractDockerImageProgress):
    """Keep what is told of a save."""

    def __init__(self) -> None:
        self.events: list[object] = []

    def save(self, data: object) -> None:
        self.events.append(data)

    pull = push = step = commit_started = commit_finished = save


async def save(client: Client, values: Values) -> None:
    told = Told()
    image = client.parse.remote_image("image:tool:v1")
    id = values["job"]
    await client.jobs.save(id, image, progress=told)
    step = "5f70bf18a086: Pushing [=> ]"
    assert told.events == [
        ImageProgressSave(id, image),
        ImageCommitStarted(id, image),
        ImageCommitFinished(id),
        ImageProgressPush(LocalImage("ada/tool", "v1"), image),
        ImageProgressStep(step, "5f70bf18a086", "Pushing", 512, 1024),
    ]


async def save_failed(client: Client, values: Values) -> None:
    with pytest.raises(DockerError, match="not running") as caught:
        await client.jobs.save(values["job"], client.parse.remote_image("image:tool:v1"))
    assert caught.value.status == 900


async def save_out_of_order(client: Client, values: Values) -> None:
    with pytest.raises(DockerError, match="CommitStarted was due") as caught:
        await client.jobs.save(values["job"], client.parse.remote_image("image:tool:v1"))
    assert caught.value.status == 400


async def save_elsewhere(client: Client, values: Values) -> None:
    image = RemoteImage.new_neuro_image(
        "tool", "other.example", owner="ada", cluster_name="alpha", org_name=None, tag="v1"
    )
    with pytest.raises(IllegalArgumentError, match="Unknown registry"):
        await client.jobs.save(values["job"], image)


CALLS: Mapping[str, Call] = {
    "attach": attach,
    "attach_without_streams": attach_without_streams,
    "attach_not_running": attach_not_running,
    "exec": exec_,
    "exec_unreadable_end": exec_unreadable_end,
    "exec_text": exec_text,
    "exec_without_command": exec_without_command,
    "exec_tty_of_both": exec_tty_of_both,
    "port_forward": port_forward,
    "port_forward_refused": port_forward_refused,
    "save": save,
    "save_failed": save_failed,
    "save_out_of_order": save_out_of_order,
    "save_elsewhere": save_elsewhere,
}
