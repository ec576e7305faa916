"""What every runner must do, whatever it runs jobs on.

A runner's test parametrizes over the checks::

    @pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
    async def test_contract(check: Check) -> None:
        async with my_bench() as bench:
            await check(bench)
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Sequence

import attrs
import pytest

from neuro_client.local.runners import Mount, RunnerError, Streams

from .bench import MIB, Bench, Check, output, run, written
from .contract_sessions import SESSIONS

__all__ = ["CHECKS", "Bench", "Check"]

_RECORD = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z [oe][FP] .*", re.DOTALL)
_BOTH = Streams(stdout=True, stderr=True)


async def tells_how_a_run_ended_and_what_it_wrote(bench: Bench) -> None:
    async with bench.open() as runner:
        spec = bench.spec("echo out; echo err >&2; printf open; exit 3")
        before = time.time()
        await runner.start(spec)
        ended = await runner.wait(spec.job_id, spec.run)
        assert (ended.code, ended.oom, ended.failure) == (3, False, "")
        assert ended.finished_at is not None
        assert before - 1 < ended.finished_at < time.time() + 1
        assert await runner.wait(spec.job_id, spec.run) == ended
        found = await asyncio.to_thread(output, runner, spec)
        assert found == {1: b"out\nopen", 2: b"err\n"}
        log = await asyncio.to_thread(runner.log_path(spec.job_id, spec.run).read_bytes)
        records = log.removesuffix(b"\n").split(b"\n")
        assert all(_RECORD.fullmatch(record) for record in records)
        await runner.forget(spec.job_id)
        assert not await bench.left()
        # What was logged stays.
        assert await asyncio.to_thread(output, runner, spec) == found
        assert await runner.stats(spec.job_id, spec.run) is None


async def writes_long_lines_whole(bench: Bench) -> None:
    script = (
        "head -c 300000 /dev/zero | tr '\\0' a; echo; "
        "head -c 16384 /dev/zero | tr '\\0' b; echo; "
        "head -c 20000 /dev/zero | tr '\\0' c"
    )
    wanted = b"a" * 300_000 + b"\n" + b"b" * 16_384 + b"\n" + b"c" * 20_000
    async with bench.open() as runner:
        for tty in (False, True):
            _, found = await run(runner, bench.spec(script, tty=tty))
            assert found[1].replace(b"\r\n", b"\n") == wanted, tty


async def gives_a_run_its_surroundings(bench: Bench) -> None:
    shown, out = bench.folder / "shown", bench.folder / "out"
    await asyncio.to_thread(shown.write_bytes, b"seen\n")
    await asyncio.to_thread(out.mkdir)
    script = (
        'pwd; echo "$SEED $WORDS"; cat /mnt/deep/file; echo kept > /results/note; '
        "echo x > /mnt/deep/file; cat /proc/self/mounts | grep ' /dev/shm '"
    )
    spec = bench.spec(
        script,
        env={"SEED": "42", "WORDS": "two  'words'"},
        working_dir="/some/where",
        shm=True,
        mounts=(Mount(shown, "/mnt/deep/file", True), Mount(out, "/results", False)),
    )
    async with bench.open() as runner:
        _, found = await run(runner, spec)
        assert found[1].startswith(b"/some/where\n42 two  'words'\nseen\n")
        assert b"size=65536k" in found[1]
        assert b"ead-only" in found[2]
        assert await asyncio.to_thread((out / "note").read_text) == "kept\n"
        missing = attrs.evolve(spec, mounts=(Mount(bench.folder / "none", "/x", True),))
        with pytest.raises(RunnerError, match="is missing"):
            await asyncio.to_thread(runner.check, missing)


async def tells_why_a_program_cannot_be_run(bench: Bench) -> None:
    async with bench.open() as runner:
        spec = bench.spec("", argv=("no-such-program", "x"))
        try:
            ended, _ = await run(runner, spec)
            assert ended.code in (126, 127)
            said = ended.failure
        except RunnerError as error:
            said = str(error)
        assert "no-such-program" in said
        assert not await bench.left()


async def stops_politely_at_first(bench: Bench) -> None:
    polite = "trap 'echo bye; exit 4' TERM; echo up; while :; do sleep 0.05; done"
    deaf = "trap '' TERM; echo up; while :; do sleep 0.05; done"
    async with bench.open() as runner:
        for script, code in ((polite, 4), (deaf, 137)):
            spec = bench.spec(script)
            await runner.start(spec)
            async with asyncio.TaskGroup() as group:
                waiting = group.create_task(runner.wait(spec.job_id, spec.run))
                await written(runner, spec, b"up\n")
                await runner.stop(spec.job_id, spec.run)
            assert waiting.result().code == code
            said = (await asyncio.to_thread(output, runner, spec))[1]
            assert said == (b"up\nbye\n" if code == 4 else b"up\n")
            await runner.forget(spec.job_id)
            assert not await bench.left()


async def kills_at_once(bench: Bench) -> None:
    async with bench.open() as runner:
        spec = bench.spec("trap '' TERM; sleep 60", grace=60)
        await runner.start(spec)
        assert await runner.kill(spec.job_id, spec.run)
        assert (await runner.wait(spec.job_id, spec.run)).code == 137
        assert not await runner.kill(spec.job_id, spec.run)
        await runner.stop(spec.job_id, spec.run)
        await runner.forget(spec.job_id)
        assert not await bench.left()


async def finds_runs_again(bench: Bench) -> None:
    """Each platform is there for a part of the output; none of it is lost or written twice."""
    lines = 40
    script = f"i=0; while [ $i -lt {lines} ]; do echo line $i; echo e$i >&2; i=$((i+1)); "
    script += "sleep 0.02; done; exit 5"
    spec = bench.spec(script)
    async with bench.open() as runner:
        started = await runner.start(spec)
    for seen in (5, 15, 25):
        async with bench.open() as runner:
            assert await runner.find(spec.job_id, spec.run) == pytest.approx(started, abs=1)
            waiting = asyncio.create_task(runner.wait(spec.job_id, spec.run))
            await written(runner, spec, f"line {seen}\n".encode())
            waiting.cancel()
            await asyncio.wait((waiting,))
    async with bench.open() as runner:
        assert (await runner.wait(spec.job_id, spec.run)).code == 5
        found = await asyncio.to_thread(output, runner, spec)
        assert found[1].split(b"\n") == [b"line %d" % n for n in range(lines)] + [b""]
        assert found[2].split(b"\n") == [b"e%d" % n for n in range(lines)] + [b""]
        await runner.forget(spec.job_id)
        assert not await bench.left()


async def tells_the_end_that_nobody_saw(bench: Bench) -> None:
    out = bench.folder / "out"
    await asyncio.to_thread(out.mkdir)
    spec = bench.spec("echo said; echo x > /out/done; exit 6", mounts=(Mount(out, "/out", False),))
    async with bench.open() as runner:
        await runner.start(spec)
    while not await asyncio.to_thread((out / "done").exists):  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    async with bench.open() as runner:
        assert (await runner.wait(spec.job_id, spec.run)).code == 6
        assert (await asyncio.to_thread(output, runner, spec))[1] == b"said\n"
    # The platform may be killed between the removal and its own note.
    async with bench.open() as runner:
        await runner.forget(spec.job_id)
        assert (await runner.wait(spec.job_id, spec.run)).code == 6
        assert not await bench.left()


async def knows_nothing_of_runs_that_never_were(bench: Bench) -> None:
    async with bench.open() as runner:
        name = ("job-never", 0)
        assert await runner.find(*name) is None
        assert await runner.stats(*name) is None
        assert await runner.kill(*name) is False
        await runner.stop(*name)
        ended = await runner.wait(*name)
        assert ended.code is None
        assert ended.failure
        for opening in (
            runner.executed(*name, ("true",), _BOTH),
            runner.attached(*name, _BOTH),
        ):
            with pytest.raises(RunnerError, match="not running"):
                async with opening:
                    pass
        await runner.forget("job-never")


async def measures(bench: Bench) -> None:
    async with bench.open() as runner:
        spec = bench.spec("while :; do :; done")
        await runner.start(spec)
        first = await runner.stats(spec.job_id, spec.run)
        assert first is not None
        async with asyncio.timeout(20):
            while True:
                later = await runner.stats(spec.job_id, spec.run)
                assert later is not None
                if later.cpu_seconds > first.cpu_seconds + 0.1 and later.memory > 0:
                    break
                await asyncio.sleep(0.05)
        assert later.memory < 64 * MIB
        await runner.kill(spec.job_id, spec.run)
        await runner.wait(spec.job_id, spec.run)
        assert await runner.stats(spec.job_id, spec.run) is None
        await runner.forget(spec.job_id)


async def ends_what_takes_too_much_memory(bench: Bench) -> None:
    async with bench.open() as runner:
        if any("memory" in sentence for sentence in runner.describe()):
            pytest.skip("control groups are not writable here, so nothing is limited")
        spec = bench.spec("x=$(head -c 150000000 /dev/zero | tr '\\0' a); echo ${#x}")
        ended, found = await run(runner, spec)
        assert (ended.code, ended.oom) == (137, True)
        assert found[1] == b""


CHECKS: Sequence[Check] = (
    tells_how_a_run_ended_and_what_it_wrote,
    writes_long_lines_whole,
    gives_a_run_its_surroundings,
    tells_why_a_program_cannot_be_run,
    stops_politely_at_first,
    kills_at_once,
    finds_runs_again,
    tells_the_end_that_nobody_saw,
    knows_nothing_of_runs_that_never_were,
    measures,
    ends_what_takes_too_much_memory,
    *SESSIONS,
)
