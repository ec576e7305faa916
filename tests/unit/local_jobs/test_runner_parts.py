"""The parts of the process runner that need no processes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from neuro_client.local.runners import Mount, limits, mounts, supervisor
from neuro_client.local.runners.records import RecordReader, stamp


def steps_for(root: mounts.Root) -> dict[str, tuple[str, str]]:
    """Give the last step of each target."""
    return {target: (kind, source) for kind, target, source in mounts.plan(root)}


def test_a_new_top_level_target_opens_nothing_else(tmp_path: Path) -> None:
    steps = steps_for(mounts.Root([Mount(tmp_path, "/brand-new", True)], scratch=tmp_path))
    assert steps["/brand-new"] == ("bind_ro", str(tmp_path))
    assert steps["/usr"] == ("bind", "/usr")
    assert steps["/tmp"] == ("bind", str(tmp_path))
    assert not any(target.startswith("/usr/") for target in steps)


def test_a_target_inside_an_existing_folder_opens_it(tmp_path: Path) -> None:
    steps = steps_for(mounts.Root([Mount(tmp_path, "/usr/not-there/x", False)]))
    assert steps["/usr"] == ("dir", "")
    assert steps["/usr/not-there/x"] == ("bind", str(tmp_path))
    for name in os.listdir("/usr"):
        assert f"/usr/{name}" in steps


def test_an_existing_target_is_covered_without_opening(tmp_path: Path) -> None:
    steps = steps_for(mounts.Root([Mount(tmp_path, "/usr/lib", False)]))
    assert steps["/usr"] == ("bind", "/usr")
    assert steps["/usr/lib"] == ("bind", str(tmp_path))


def test_nested_mounts_come_after_their_parents(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    found = mounts.plan(
        mounts.Root([Mount(file, "/data/in/file", True), Mount(tmp_path, "/data", False)])
    )
    targets = [target for kind, target, _ in found if kind.startswith("bind")]
    assert targets.index("/data") < targets.index("/data/in/file")
    assert ("file", "/data/in/file", "") in found


def test_bubblewrap_gets_the_same_steps() -> None:
    steps = [
        ("dir", "/a", ""),
        ("bind_ro", "/a", "/src"),
        ("bind", "/b", "/src2"),
        ("symlink", "/lib", "usr/lib"),
        ("tmpfs", "/dev/shm", "mode=1777,size=10"),
    ]
    line = " ".join(mounts.bubblewrap("bwrap", steps, "/w"))
    assert line == (
        "bwrap --die-with-parent --dir /a --dev-bind /src /a --dev-bind /src2 /b "
        "--symlink usr/lib /lib --perms 1777 --size 10 --tmpfs /dev/shm "
        "--remount-ro /a --chdir /w --"
    )


def fake_proc(tmp_path: Path, mounted: str, own: str) -> Path:
    """Make a folder that looks like /proc/self."""
    proc = tmp_path / "proc"
    proc.mkdir()
    (proc / "mounts").write_text(mounted)
    (proc / "cgroup").write_text(own)
    return proc


def test_limits_of_version_two(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    top = tmp_path / "cg"
    (top / "app" / "me").mkdir(parents=True)
    proc = fake_proc(tmp_path, f"cgroup2 {top} cgroup2 rw 0 0\n", "0::/app/me\n")
    # The parent gives controllers to its children; our own group, having processes, does not.
    monkeypatch.setattr(limits, "_usable", lambda parent, needed: parent == top / "app")
    where = limits.find(proc)
    assert (where.memory, where.cpu, where.version) == (top / "app", top / "app", 2)
    made = limits.create(where, "job", cpu=0.5, memory=1 << 20)
    assert made == limits.groups_of(where, "job") == [str(top / "app" / "job")]
    assert (top / "app" / "job" / "memory.max").read_text() == str(1 << 20)
    assert (top / "app" / "job" / "cpu.max").read_text() == "50000 100000"


def test_limits_of_version_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("memory/me", "cpu"):
        (tmp_path / name).mkdir(parents=True)
    lines = [f"cgroup {tmp_path}/{name} cgroup rw,{name} 0 0\n" for name in ("memory", "cpu")]
    proc = fake_proc(tmp_path, "".join(lines), "4:memory:/me\n1:cpu:/\n")
    monkeypatch.setattr(limits, "_usable", lambda parent, needed: True)
    where = limits.find(proc)
    assert (where.memory, where.cpu, where.version) == (
        tmp_path / "memory" / "me",
        tmp_path / "cpu",
        1,
    )
    limits.create(where, "job", cpu=1.5, memory=123)
    assert (tmp_path / "memory/me/job/memory.limit_in_bytes").read_text() == "123"
    assert (tmp_path / "cpu/job/cpu.cfs_quota_us").read_text() == "150000"


def test_no_limits_are_said_and_set(tmp_path: Path) -> None:
    where = limits.find(tmp_path / "absent")
    assert where.missing == ["memory", "cpu"]
    assert limits.create(where, "job", cpu=1, memory=1) == []


def write_log(path: Path, *pieces: bytes) -> None:
    """Stamp pieces of output as they arrive."""
    log = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    try:
        stamper = supervisor.Stamper(log, b"o")
        for piece in pieces:
            stamper.feed(piece)
        assert len(stamper.rest) < supervisor.MAX_LINE
        stamper.flush()
    finally:
        os.close(log)


@pytest.mark.parametrize("size", [1, 2, 7, 100])
def test_any_chunking_gives_the_same_bytes(tmp_path: Path, size: int) -> None:
    text = b"one\n\ntwo \xff\x00\r\nthree\n\nlast"
    pieces = [text[at : at + size] for at in range(0, len(text), size)]
    write_log(tmp_path / "log", *pieces)
    assert read_all(RecordReader(tmp_path / "log")) == text


def read_all(reader: RecordReader) -> bytes:
    """Read to the present end."""
    found = b""
    while (text := reader.read()) is not None:
        found += text
    return found


def test_long_lines_are_split_and_joined(tmp_path: Path) -> None:
    text = b"x" * (3 * supervisor.MAX_LINE + 5) + b"\nshort\n"
    write_log(tmp_path / "log", *(text[at : at + 65536] for at in range(0, len(text), 65536)))
    records = (tmp_path / "log").read_bytes().splitlines()
    assert len(records) > 3
    assert max(map(len, records)) <= supervisor.MAX_LINE + 65536 + 40
    assert read_all(RecordReader(tmp_path / "log")) == text
    stamped = read_all(RecordReader(tmp_path / "log", timestamps=True)).splitlines()
    assert [line[28:] for line in stamped] == text.splitlines()


def test_a_half_written_record_waits(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"2026-01-01T00:00:00.000001Z oF done\n2026-01-01T00:00:00.000002Z oF ha")
    reader = RecordReader(path)
    assert reader.read() == b"done\n"
    assert reader.read() is None
    with path.open("ab") as file:
        file.write(b"lf\n")
    assert reader.read() == b"half\n"
    path.write_bytes(b"")
    assert reader.read() is None
    path.write_bytes(b"2026-01-01T00:00:00.000001Z oF again\n")
    assert reader.read() == b"again\n"


def test_since_is_inclusive(tmp_path: Path) -> None:
    assert stamp(1.5) == b"1970-01-01T00:00:01.500000Z"
    (tmp_path / "log").write_bytes(
        b"".join(stamp(moment) + b" oF %d\n" % moment for moment in (1, 2, 3))
    )
    assert read_all(RecordReader(tmp_path / "log", since=2.0)) == b"2\n3\n"
