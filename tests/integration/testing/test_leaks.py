"""The leak checks find what was left, and say what it is."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import tempfile
from pathlib import Path

import pytest

from neuro_client.testing.leaks import LeakError, no_leaked_descriptors, no_leaked_files

linux_only = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="only Linux lists the open descriptors"
)


@linux_only
def test_sockets_are_told_from_files(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    server = socket.create_server(("127.0.0.1", 0))
    ends = client = None
    try:
        with pytest.raises(LeakError) as caught:
            with no_leaked_descriptors():
                client = socket.create_connection(server.getsockname())
                ends = os.open(tmp_path / "file", os.O_WRONLY | os.O_CREAT)
                more = os.pipe()
        for number in more:
            os.close(number)
    finally:
        assert ends is not None and client is not None
        near, far = client.getsockname(), client.getpeername()
        described = f"socket {client.fileno()}: {near[0]}:{near[1]} to {far[0]}:{far[1]}"
        client.close()
        server.close()
        for number in (ends, reading, writing):
            os.close(number)
    lines = str(caught.value).splitlines()
    assert lines[0] == "Descriptors left open:"
    assert described in lines
    assert f"file {ends}: {tmp_path / 'file'}" in lines
    assert sorted(line for line in lines if line.startswith("pipe")) == sorted(
        f"pipe {number}" for number in more
    )


def test_wanted_files_may_stay(tmp_path: Path) -> None:
    (tmp_path / ".old.0123abcd.part").touch()
    with no_leaked_files(tmp_path) as wanted:
        (tmp_path / "file").touch()
        (tmp_path / "folder").mkdir()
        (tmp_path / "folder" / "inside").touch()
        (tmp_path / ".kept.0123abcd.part").touch()
        (tmp_path / "gone").touch()
        (tmp_path / "gone").unlink()
        wanted |= {tmp_path / "file", tmp_path / "folder", tmp_path / ".kept.0123abcd.part"}


@pytest.mark.parametrize("name", ["other", "folder/.file.0123abcd.part", "folder/tmpab_12cd9"])
def test_other_files_are_reported(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(LeakError) as caught:
        with no_leaked_files(tmp_path) as wanted:
            (tmp_path / name).touch()
            (tmp_path / "folder" / "file").touch()
            wanted.add(tmp_path / "folder")
    assert str(caught.value) == f"Files left behind:\n{tmp_path / name}"


def test_names_of_tempfile_are_known(tmp_path: Path) -> None:
    with pytest.raises(LeakError):
        with no_leaked_files(tmp_path) as wanted:
            wanted.add(tmp_path)
            handle, _ = tempfile.mkstemp(dir=tmp_path)
            os.close(handle)


def test_a_failure_of_the_block_comes_first(tmp_path: Path) -> None:
    with pytest.raises(KeyError):
        with no_leaked_files(tmp_path):
            (tmp_path / "file").touch()
            raise KeyError


async def test_in_a_thread(tmp_path: Path) -> None:
    async with no_leaked_files(tmp_path):
        pass
    with pytest.raises(LeakError, match="file"):
        async with no_leaked_files(tmp_path):
            await asyncio.to_thread((tmp_path / "file").touch)
