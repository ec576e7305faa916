"""What every runner must do for those who reach into a run."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import attrs

from neuro_client.local.runners import Mount, Runner, Streams

from .bench import Bench, Check, all_of, output, until, written

_BOTH = Streams(stdout=True, stderr=True)
_TYPED = Streams(stdin=True, stdout=True)
_TERMINAL = Streams(tty=True, stdin=True, stdout=True)
_LARGE = 300_000


@attrs.frozen
class Sleeper:
    """A run that does nothing, on a runner."""

    runner: Runner
    name: tuple[str, int]


@asynccontextmanager
async def sleeping(bench: Bench) -> AsyncIterator[Sleeper]:
    spec = bench.spec("sleep 60", memory=256 * 2**20)
    async with bench.open() as runner:
        await runner.start(spec)
        try:
            yield Sleeper(runner, (spec.job_id, spec.run))
        finally:
            await runner.kill(spec.job_id, spec.run)
            await runner.wait(spec.job_id, spec.run)
            await runner.forget(spec.job_id)
    assert not await bench.left()


async def runs_commands_in_a_run(bench: Bench) -> None:
    async with sleeping(bench) as run:
        script = "echo $SEED; echo problem >&2; exit 3"
        async with run.runner.executed(*run.name, ("sh", "-c", script), _BOTH) as session:
            assert await all_of(session) == (b"42\n", b"problem\n", 3)
            await session.write(b"to nobody")
        async with run.runner.executed(*run.name, ("no-such-program",), _BOTH) as session:
            out, err, code = await all_of(session)
            assert code in (126, 127)
            assert b"no-such-program" in out + err
        only = Streams(stderr=True)
        command = ("sh", "-c", "echo a; echo b >&2; kill -9 $$")
        async with run.runner.executed(*run.name, command, only) as session:
            assert await all_of(session) == (b"", b"b\n", 137)


async def passes_input_and_its_end_on(bench: Bench) -> None:
    async with sleeping(bench) as run:
        async with run.runner.executed(*run.name, ("wc", "-c"), _TYPED) as session:
            for _ in range(6):
                await session.write(b"x" * (_LARGE // 6))
            await session.close_input()
            out, _, code = await all_of(session)
            assert (int(out), code) == (_LARGE, 0)
        async with run.runner.executed(*run.name, ("cat",), _TERMINAL) as session:
            await session.write(b"12345\n")
            await session.close_input()
            out, _, code = await all_of(session)
            assert (out.split()[-1], code) == (b"12345", 0)


async def gives_commands_a_terminal(bench: Bench) -> None:
    async with sleeping(bench) as run:
        async with run.runner.executed(*run.name, ("sh",), _TERMINAL) as session:
            await session.resize(33, 111)
            await session.write(b"stty size; test -t 0 && echo yes-it-is\n")
            assert b"33 111" in await until(session, b"\r\nyes-it-is")
            await session.write(b"exit 7\n")
            assert (await all_of(session))[2] == 7


async def ends_a_command_with_its_session(bench: Bench) -> None:
    async with sleeping(bench) as run:

        async def ticks() -> bytes:
            async with run.runner.executed(*run.name, ("cat", "/tmp/ticks"), _BOTH) as session:
                return (await all_of(session))[0]

        script = "mkdir -p /tmp; while :; do echo tick >> /tmp/ticks; echo up; sleep 0.02; done"
        async with run.runner.executed(*run.name, ("sh", "-c", script), _BOTH) as session:
            await until(session, b"up\n")
        async with asyncio.timeout(20):
            before = await ticks()
            while (now := await ticks()) != before:
                before = now


async def holds_a_command_back_that_nobody_reads(bench: Bench) -> None:
    async with sleeping(bench) as run:
        async with run.runner.executed(*run.name, ("yes",), _BOTH) as session:
            await until(session, b"y\n" * 1000)
        async with run.runner.executed(*run.name, ("echo", "still here"), _BOTH) as session:
            assert (await all_of(session))[0] == b"still here\n"


async def shows_the_output_of_the_run_itself(bench: Bench) -> None:
    async with bench.open() as runner:
        script = "until [ -e /in/go ]; do sleep 0.02; done; echo out; echo err >&2; exit 4"
        spec = bench.spec(script, mounts=(Mount(bench.folder, "/in", True),))
        await runner.start(spec)
        async with asyncio.TaskGroup() as group:
            group.create_task(runner.wait(spec.job_id, spec.run))
            async with runner.attached(spec.job_id, spec.run, _BOTH) as session:
                await asyncio.to_thread((bench.folder / "go").touch)
                assert await all_of(session) == (b"out\n", b"err\n", 4)
        await runner.forget(spec.job_id)


async def keeps_the_output_that_a_reader_holds_up(bench: Bench) -> None:
    lines = 3_000
    script = f"until [ -e /in/go ]; do sleep 0.02; done; yes $(printf %0999d) | head -n {lines}"
    async with bench.open() as runner:
        spec = bench.spec(script, mounts=(Mount(bench.folder, "/in", True),))
        await runner.start(spec)
        async with asyncio.TaskGroup() as group:
            waiting = group.create_task(runner.wait(spec.job_id, spec.run))
            async with runner.attached(spec.job_id, spec.run, _BOTH) as session:
                await asyncio.to_thread((bench.folder / "go").touch)
                await until(session, b"0\n")
        assert waiting.result().code == 0
        found = await asyncio.to_thread(output, runner, spec)
        assert found[1] == (b"0" * 999 + b"\n") * lines
        await runner.forget(spec.job_id)


async def types_into_the_terminal_of_a_run(bench: Bench) -> None:
    script = (
        "echo up; while read line; do stty size; echo got $line; test $line = q && exit 5; done"
    )
    async with bench.open() as runner:
        spec = bench.spec(script, tty=True)
        await runner.start(spec)
        async with asyncio.TaskGroup() as group:
            waiting = group.create_task(runner.wait(spec.job_id, spec.run))
            await written(runner, spec, b"up")
            name = (spec.job_id, spec.run)
            async with (
                runner.attached(*name, _TERMINAL) as first,
                runner.attached(*name, _TERMINAL) as second,
            ):
                await first.resize(20, 70)
                await first.write(b"one\n")
                for session in (first, second):
                    assert b"20 70" in await until(session, b"got one")
                await second.write(b"q\n")
                assert (await all_of(first))[2] == 5
        assert waiting.result().code == 5
        await runner.forget(spec.job_id)


SESSIONS: Sequence[Check] = (
    runs_commands_in_a_run,
    passes_input_and_its_end_on,
    gives_commands_a_terminal,
    ends_a_command_with_its_session,
    holds_a_command_back_that_nobody_reads,
    shows_the_output_of_the_run_itself,
    keeps_the_output_that_a_reader_holds_up,
    types_into_the_terminal_of_a_run,
)
