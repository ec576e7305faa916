"""How jobs run: environment, mounts, ends, limits."""

from __future__ import annotations

import asyncio
import os
import sys
import time

import aiohttp
import psutil
import pytest

from .conftest import Api, eventually, sh


def exists(path: str) -> bool:
    """Tell whether the host has a path."""
    return os.path.lexists(path)


async def test_success_is_quick_and_described(api: Api) -> None:
    began = time.monotonic()
    job = await api.start("true", name="quick-one", tags=["b", "a", "b"])
    assert job["status"] == "pending"
    assert job["history"]["reason"] == "Creating"
    job = await api.done(job["id"])
    # Far more than it takes, for a machine that is busy with something else.
    assert time.monotonic() - began < 3
    assert job["status"] == "succeeded"
    assert job["history"]["exit_code"] == 0
    assert job["history"]["restarts"] == 0
    assert [item["status"] for item in job["statuses"]] == ["pending", "running", "succeeded"]
    assert job["tags"] == ["a", "b"]
    assert job["uri"] == f"job://default/user/{job['id']}"
    assert job["container"] == {
        "image": "ubuntu",
        "command": "true",
        "env": {},
        "volumes": [],
        "resources": {"cpu": 0.5, "memory": 64 << 20, "memory_mb": 64},
    }
    assert job["price_credits_per_hour"] == "1.5"


async def test_failure_has_the_exit_code(api: Api) -> None:
    job, log = await api.run(sh("echo out; echo err >&2; sleep 0.1; exit 3"))
    hours = job["history"]["run_time_seconds"] / 3600
    assert float(job["total_price_credits"]) == pytest.approx(1.5 * hours, abs=1e-6)
    assert hours > 0.1 / 3600
    assert (job["status"], job["history"]["exit_code"]) == ("failed", 3)
    assert sorted(log.split()) == ["err", "out"]


@pytest.mark.thorough
async def test_missing_program_is_told(api: Api) -> None:
    job, _ = await api.run("no-such-program-here")
    assert job["history"]["reason"] == "ContainerCannotRun"
    assert "no-such-program-here" in job["history"]["description"]
    assert job["history"]["exit_code"] == 127


@pytest.mark.thorough
async def test_environment_is_the_jobs_own(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEAKED", "1")
    _, log = await api.run(
        "env", entrypoint="env -u NOTHING", env={"A": "1 2"}, working_dir="/work dir"
    )
    found = dict(line.split("=", 1) for line in log.splitlines())
    assert found.keys() == {"A", "PATH", "HOME", "TMPDIR"}
    assert found["A"] == "1 2"
    assert found["PATH"].startswith(f"{os.path.dirname(sys.executable)}:")


@pytest.mark.thorough
async def test_working_dir_and_private_tmp(api: Api) -> None:
    marker = f"/tmp/neuro-job-{os.getpid()}"
    _, log = await api.run(sh(f"pwd; echo x > {marker}; ls {marker}"), working_dir="/some/where")
    assert log.splitlines() == ["/some/where", marker]
    assert not exists(marker)
    assert not exists("/some")


@pytest.mark.thorough
async def test_volumes(api: Api) -> None:
    root = api.platform.storage_root("default") / "user"
    (root / "in").mkdir(parents=True)
    (root / "in" / "f").write_text("hello")
    volumes = [
        {"src_storage_uri": "storage://default/user/in", "dst_path": "/mnt/in/deep"},
        {
            "src_storage_uri": "storage://default/user/new/out",
            "dst_path": "/results",
            "read_only": False,
        },
    ]
    script = "cp /mnt/in/deep/f /results/g && echo x > /mnt/in/deep/f"
    job, log = await api.run(sh(script), volumes=volumes)
    assert job["status"] == "failed"
    assert "Read-only" in log
    assert (root / "new" / "out" / "g").read_text() == "hello"
    assert (root / "in" / "f").read_text() == "hello"
    assert not exists("/results")
    assert not exists("/mnt/in")
    assert job["container"]["volumes"][0]["read_only"] is True


@pytest.mark.thorough
async def test_a_link_does_not_lead_out_of_the_storage(api: Api) -> None:
    root = api.platform.storage_root("default") / "user"
    (root / "link").symlink_to("/etc")
    volume = {"src_storage_uri": "storage://default/user/link", "dst_path": "/x"}
    answer = await api.start(volumes=[volume], status=400)
    assert "leads out" in answer["error"]


@pytest.mark.thorough
async def test_tty_and_shm(api: Api) -> None:
    job, log = await api.run(
        sh("test -t 0 && df -k /dev/shm | tail -1"), tty=True, resources={"shm": True}
    )
    assert job["status"] == "succeeded"
    assert str(64 << 10) in log.split()
    assert job["container"]["resources"]["shm"] is True


async def test_delete_ends_the_whole_tree(api: Api) -> None:
    job = await api.start(sh("sleep 987.5 & (setsid sleep 987.5 &); wait"))
    await api.until(job["id"], "running")
    await asyncio.sleep(0.1)
    await api.call("DELETE", f"/jobs/{job['id']}", status=204)
    job = await api.get(job["id"])
    assert (job["status"], job["history"]["reason"]) == ("cancelled", "UserRequested")
    await api.call("DELETE", f"/jobs/{job['id']}", status=204)
    await eventually(lambda: asyncio.to_thread(lambda: not _sleepers()))


def _sleepers() -> list[int]:
    found = []
    for process in psutil.process_iter(["cmdline"]):
        if "987.5" in (process.info["cmdline"] or []):
            found.append(process.pid)
    return found


async def test_kill_sends_sigkill(api: Api) -> None:
    job = await api.start(sh('trap "" TERM; sleep 60'))
    await api.until(job["id"], "running")
    await api.call("POST", f"{api.mon}/{job['id']}/kill", status=204)
    job = await api.done(job["id"])
    assert (job["status"], job["history"]["exit_code"]) == ("failed", 137)
    await api.call("POST", f"{api.mon}/{job['id']}/kill", status=404)


@pytest.mark.usefixtures("needs_limits")
async def test_too_much_memory_is_oom(api: Api) -> None:
    job, _ = await api.run("python -S -c 'x = bytearray(128 << 20)'")
    assert (job["status"], job["history"]["reason"]) == ("failed", "OOMKilled")
    assert job["history"]["exit_code"] == 137


@pytest.mark.thorough
@pytest.mark.slow
@pytest.mark.usefixtures("needs_limits")
async def test_half_a_core_is_half_a_core(api: Api) -> None:
    script = (
        "import time\nend = time.monotonic() + 1.5\nwhile time.monotonic() < end: pass\n"
        "print(time.process_time() / 1.5)"
    )
    _, log = await api.run(f"python -S -c '{script}'")
    assert 0.2 < float(log) <= 0.6


@pytest.mark.thorough
@pytest.mark.slow
async def test_top_sees_the_children(api: Api) -> None:
    burn = (
        "import time\nx = bytearray(101 << 20)\nend = time.monotonic() + 2\n"
        "while time.monotonic() < end: pass\nprint(time.process_time() / 2)"
    )
    job = await api.start(f"sh -c \"python -S -c '{burn}'; true\"", preset="half")
    await api.until(job["id"], "running")
    began = time.monotonic()
    seen = []
    async with api.socket(f"{job['id']}/top") as socket:
        async for message in socket:
            value = message.json()
            assert value.keys() == {"cpu", "memory", "memory_bytes", "timestamp"}
            seen.append((value["cpu"], value["memory_bytes"]))
            assert len(seen) > 1 or time.monotonic() - began < 1
        assert socket.close_code == 1000
    share = float(await api.log(job["id"]))  # what a busy machine let it have
    assert max(cpu for cpu, _ in seen) >= min(0.7, 0.85 * share), (seen, share)
    assert max(memory for _, memory in seen) >= 100 << 20


async def test_top_ends_with_the_job(api: Api) -> None:
    job = await api.start("sleep 30")
    async with api.socket(f"{job['id']}/top") as socket:
        await api.call("DELETE", f"/jobs/{job['id']}")
        async with asyncio.timeout(3):
            async for message in socket:
                assert message.type is aiohttp.WSMsgType.TEXT
        assert socket.close_code == 1000
