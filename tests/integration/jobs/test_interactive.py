"""Attach, exec and forwarded ports, from the public call to the process and back."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiodocker import DockerError

from neuro_client.client import Client
from neuro_client.errors import IllegalArgumentError, ResourceNotFound, StdStreamError
from neuro_client.factory import get
from neuro_client.jobs import JobDescription, JobStatus, StdStream
from neuro_client.local import LocalPlatform
from neuro_client.models import RemoteImage
from neuro_client.testing.login import login
from neuro_client.testing.proxy import FaultProxy

pytestmark = pytest.mark.slow

IMAGE = RemoteImage("ubuntu", "22.04")
SERVER = Path(__file__).with_name("tcp_server.py")


async def running(client: Client, command: str, **options: object) -> JobDescription:
    """Start a job and wait until it runs."""
    job = await client.jobs.start(
        image=IMAGE,
        preset_name="cpu-small",
        command=command,
        **options,  # type: ignore[arg-type]
    )
    while job.status is not JobStatus.RUNNING:
        assert not job.status.is_finished
        job = await client.jobs.status(job.id)
    return job


@pytest.fixture
async def sleeper(client: Client) -> AsyncIterator[JobDescription]:
    """Give a job that does nothing."""
    job = await running(client, "sleep 60", env={"SEED": "42"})
    yield job
    await client.jobs.kill(job.id)


async def all_of(stream: StdStream) -> tuple[bytes, bytes, int]:
    """Read a stream to its end: stdout, stderr, exit code."""
    outputs = {1: b"", 2: b""}
    try:
        while (message := await stream.read_out()) is not None:
            outputs[message.fileno] += message.data
    except StdStreamError as error:
        assert await stream.read_out() is None
        return outputs[1], outputs[2], error.exit_code
    raise AssertionError("the stream ended without a code")


async def until(stream: StdStream, text: bytes) -> bytes:
    """Read until a text has come."""
    found = b""
    while text not in found:
        message = await stream.read_out()
        assert message is not None
        found += message.data
    return found


async def test_exec(client: Client, sleeper: JobDescription) -> None:
    command = "sh -c 'echo $SEED $HOME; echo problem >&2; exit 3'"
    async with client.jobs.exec(sleeper.id, command, stdout=True, stderr=True) as stream:
        first = await stream.read_out()
        assert first is not None and first.data == b""
        assert await all_of(stream) == (b"42 /tmp/home\n", b"problem\n", 3)
        await stream.write_in(b"to nobody")
    async with client.jobs.exec(sleeper.id, "sh -c 'echo a; echo b >&2'", stderr=True) as stream:
        assert await all_of(stream) == (b"", b"b\n", 0)
    async with client.jobs.exec(sleeper.id, "no-such-program", stdout=True, stderr=True) as stream:
        out, err, code = await all_of(stream)
        assert (out, code) == (b"", 127)
        assert b"no-such-program" in err
    async with client.jobs.exec(sleeper.id, "sh -c 'kill -9 $$'", stdout=True) as stream:
        assert (await all_of(stream))[2] == 137


async def test_input_of_a_command(client: Client, sleeper: JobDescription) -> None:
    async with client.jobs.exec(sleeper.id, "head -c 300000", stdin=True, stdout=True) as stream:
        data = bytes(range(256)) * 1200
        for start in range(0, len(data), 50_000):
            await stream.write_in(data[start : start + 50_000])
        out, _, code = await all_of(stream)
        assert (out, code) == (data[:300_000], 0)
    for tty, command in ((False, "wc -c"), (True, "cat")):
        async with client.jobs.exec(
            sleeper.id, command, tty=tty, stdin=True, stdout=True
        ) as stream:
            await stream.write_in(b"12345\n")
            await stream.close_in()
            out, _, code = await all_of(stream)
            assert (out.split()[-1], code) == (b"12345" if tty else b"6", 0)


async def test_a_terminal(client: Client, sleeper: JobDescription) -> None:
    async with client.jobs.exec(sleeper.id, "sh", tty=True, stdin=True, stdout=True) as stream:
        await stream.resize(33, 111)
        await stream.write_in(b"stty size; test -t 0 && echo yes-it-is\n")
        assert b"33 111" in await until(stream, b"\r\nyes-it-is")
        await stream.write_in(b"exit 7\n")
        assert (await all_of(stream))[2] == 7
    # Ctrl-C is a signal to what is in the foreground.
    caught = "sh -c 'trap \"exit 9\" INT; echo now; while :; do sleep 0.1; done'"
    async with client.jobs.exec(sleeper.id, caught, tty=True, stdin=True, stdout=True) as stream:
        await until(stream, b"now")
        await stream.write_in(b"\x03")
        assert (await all_of(stream))[2] == 9


async def test_a_command_ends_with_its_session(client: Client, sleeper: JobDescription) -> None:
    async with client.jobs.exec(
        sleeper.id, "sh -c 'echo $$; echo up; sleep 60'", stdout=True
    ) as stream:
        pid = int((await until(stream, b"up\n")).split()[0])
    while await asyncio.to_thread(Path(f"/proc/{pid}").exists):  # noqa: ASYNC110
        await asyncio.sleep(0.01)


async def test_attach_reads_what_comes(client: Client) -> None:
    job = await running(client, "sh -c 'sleep 0.5; echo out; echo err >&2; sleep 0.2; exit 4'")
    async with client.jobs.attach(job.id, stdout=True, stderr=True, stdin=True) as stream:
        assert await all_of(stream) == (b"out\n", b"err\n", 4)
    with pytest.raises(ResourceNotFound, match="not running"):
        async with client.jobs.attach(job.id, stdout=True):
            pass


async def test_attach_to_a_terminal(client: Client) -> None:
    script = "while read line; do stty size; echo got $line; test $line = q && exit 5; done"
    job = await running(client, f"sh -c '{script}'", tty=True)
    async with (
        client.jobs.attach(job.id, tty=True, stdin=True, stdout=True) as first,
        client.jobs.attach(job.id, tty=True, stdin=True, stdout=True) as second,
    ):
        await first.resize(20, 70)
        await first.write_in(b"one\n")
        for stream in (first, second):
            assert b"20 70" in await until(stream, b"got one")
        await second.write_in(b"q\n")
        # A terminal's session tells no code.
        assert (await all_of(first))[2] == (await all_of(second))[2] == 0
    assert (await client.jobs.wait(job.id, check=False)).history.exit_code == 5


@pytest.mark.parametrize(
    ("streams", "why"),
    [
        ({}, "at least one"),
        ({"tty": True, "stdout": True, "stderr": True}, "cannot be multiplexed"),
    ],
)
async def test_streams_that_do_not_go_together(
    client: Client, sleeper: JobDescription, streams: dict[str, bool], why: str
) -> None:
    with pytest.raises(IllegalArgumentError, match=why):
        async with client.jobs.attach(sleeper.id, **streams):  # type: ignore[arg-type]
            pass
    with pytest.raises(IllegalArgumentError, match=why):
        async with client.jobs.exec(sleeper.id, "true", **streams):  # type: ignore[arg-type]
            pass
    for command in ("", "'"):
        with pytest.raises(IllegalArgumentError, match=r"ommand"):
            async with client.jobs.exec(sleeper.id, command, stdout=True):
                pass


async def test_a_reader_that_stops_holds_the_process_back(
    client: Client, sleeper: JobDescription
) -> None:
    async with client.jobs.exec(sleeper.id, "yes", stdout=True) as stream:
        await until(stream, b"y\n" * 1000)
        # Nobody reads: what is on its way stays bounded, and leaving does not wait for it.
        await asyncio.sleep(0.2)
    async with client.jobs.exec(sleeper.id, "echo still here", stdout=True) as stream:
        assert (await all_of(stream))[0] == b"still here\n"


async def test_a_cut_is_told(local_platform: LocalPlatform, tmp_path: Path) -> None:
    async with FaultProxy(local_platform.url) as proxy:
        await login(local_platform, tmp_path / "config", through=proxy.url)
        async with get(path=tmp_path / "config") as client:
            job = await running(client, "sleep 60")
            async with client.jobs.exec(job.id, "cat", stdin=True, stdout=True) as stream:
                await stream.read_out()
                proxy.reset()
                await stream.write_in(b"what goes down the line is lost")
                with pytest.raises(OSError, match=r"cut|broke"):
                    await all_of(stream)
            await client.jobs.kill(job.id)


def free_port() -> int:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return int(bound.getsockname()[1])


@pytest.fixture
async def server(client: Client) -> AsyncIterator[tuple[JobDescription, int]]:
    """Give a job that serves on a port: it gives bytes back, and their number at their end."""
    port = free_port()
    script = await asyncio.to_thread(SERVER.read_text)
    job = await running(
        client,
        "python -c \"import os; exec(os.environ['SCRIPT'])\"",
        env={"SCRIPT": script, "PORT": str(port)},
    )
    async with client.jobs.logs(job.id) as lines:
        assert await anext(lines) == "up"
    yield job, port
    await client.jobs.kill(job.id)


async def test_ports(client: Client, server: tuple[JobDescription, int]) -> None:
    job, port = server
    local = free_port()
    async with client.jobs.port_forward(job.id, local, port):

        async def talk(number: int) -> bytes:
            reader, writer = await asyncio.open_connection("localhost", local)
            data = bytes([number]) * 100_000 * number
            writer.write(data)
            answer = await reader.readexactly(len(data)) if number % 2 else b""
            # The end of one direction is passed on; the other goes on until the job ends it.
            writer.write_eof()
            answer += await reader.read()
            writer.close()
            await writer.wait_closed()
            assert answer == data + f"|{len(data)}".encode()
            return answer

        async with asyncio.TaskGroup() as group:
            for number in range(1, 9):
                group.create_task(talk(number))
        with pytest.raises(OSError, match="address already in use"):
            async with client.jobs.port_forward(job.id, local, port):
                pass
        # A connection in use does not hold the end of the block up.
        _, writer = await asyncio.open_connection("localhost", local)
    writer.close()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("localhost", local)


async def test_a_port_where_nobody_listens(
    client: Client, sleeper: JobDescription, caplog: pytest.LogCaptureFixture
) -> None:
    local = free_port()
    async with client.jobs.port_forward(sleeper.id, local, free_port()):
        reader, writer = await asyncio.open_connection("localhost", local)
        assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()
    assert "could not be carried" in caplog.text
    assert "Connect call failed" in caplog.text
    for bad in (0, 65536):
        with pytest.raises(ValueError, match="is no port"):
            async with client.jobs.port_forward(sleeper.id, local, bad):
                pass


async def test_back_pressure(client: Client, server: tuple[JobDescription, int]) -> None:
    """What is sent to a job that waits for its reader is held back where it is made."""
    job, port = server
    local = free_port()
    async with client.jobs.port_forward(job.id, local, port):
        _, writer = await asyncio.open_connection("localhost", local)
        sent = 0
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                while True:
                    writer.write(b"x" * 2**16)
                    await writer.drain()
                    sent += 2**16
        assert sent < 64 * 2**20
        writer.transport.abort()


async def test_saving_needs_a_container(client: Client, sleeper: JobDescription) -> None:
    image = client.parse.remote_image("image:saved:v1")
    with pytest.raises(DockerError, match="--runner docker") as caught:
        await client.jobs.save(sleeper.id, image)
    assert caught.value.status == 900
    with pytest.raises(ValueError, match="not in the platform's registry"):
        await client.jobs.save(sleeper.id, IMAGE)
