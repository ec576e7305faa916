"""``job exec``, ``attach``, ``port-forward`` and ``save``, on a terminal and in a pipe."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import termios
from collections.abc import Iterator

import pytest

from .kit import Program, interrupt

IMAGE = "python:3.11"


def _start(program: Program, *args: str) -> str:
    id = program.call("run", "--quiet", "--detach", *args).stdout.strip()
    while program.document("job", "status", id)["status"] == "pending":
        pass
    return id


@pytest.fixture(scope="module")
def sleeper(program: Program) -> Iterator[str]:
    """Give a job that does nothing."""
    id = _start(program, "-e", "SEED=42", IMAGE, "--", "sleep", "120")
    yield id
    program.call("job", "kill", id)


def test_exec_in_a_pipe(program: Program, sleeper: str) -> None:
    script = "cat; echo $SEED; echo problem >&2; exit 3"
    done = program.run("job", "exec", sleeper, "--", "sh", "-c", script, stdin="input\n", code=3)
    assert (done.stdout, done.stderr) == ("input\n42\n", "problem\n")
    program.run("job", "exec", sleeper, "--", "no-such-program", code=127)
    program.run("job", "exec", "no-such-job", "--", "true", code=4)


def test_exec_reads_a_file(program: Program, sleeper: str) -> None:
    with open(__file__, "rb") as file:
        done = subprocess.run(
            program.command("job", "exec", sleeper, "--", "wc", "-c"),
            stdin=file,
            capture_output=True,
            env=program.environment,
            timeout=20,
            check=True,
        )
    assert int(done.stdout) == os.path.getsize(__file__)


def test_exec_on_a_terminal(program: Program, sleeper: str) -> None:
    with program.terminal("job", "exec", sleeper, "--", "sh") as terminal:
        before = terminal.attributes()
        terminal.wait_for("# " if os.getuid() == 0 else "$ ")
        assert terminal.attributes() != before
        terminal.type("stty size; echo so it $((40 + 2))\r")
        terminal.wait_for("so it 42")
        terminal.type("exit 9\r")
        assert terminal.end() == 9
    # Ctrl-C goes to the command, not to the program that shows it.
    caught = "trap 'exit 8' INT; echo now; while :; do sleep 0.1; done"
    with program.terminal("job", "exec", sleeper, "--", "sh", "-c", caught) as terminal:
        terminal.wait_for("now")
        terminal.type("\x03")
        assert terminal.end() == 8


def test_the_terminal_is_put_back(program: Program, sleeper: str) -> None:
    with program.terminal("job", "exec", sleeper, "--", "sh") as terminal:
        before = terminal.attributes()
        terminal.wait_for("# " if os.getuid() == 0 else "$ ")
        assert not terminal.attributes()[3] & termios.ECHO
        terminal.hang_up()
        assert terminal.end() == 128 + signal.SIGTERM
        assert terminal.attributes() == before


def test_attach_and_leave(program: Program) -> None:
    script = "while read line; do echo got $line; test $line = q && exit 5; done"
    id = _start(program, "--tty", IMAGE, "--", "sh", "-c", script)
    with program.terminal("job", "attach", id) as terminal:
        terminal.type("one\r")
        terminal.wait_for("got one")
        terminal.type("\x10\x11")
        assert terminal.end() == 0
    assert program.document("job", "status", id)["status"] == "running"
    with program.terminal("job", "attach", id) as terminal:
        terminal.type("q\r")
        terminal.wait_for("got q")
        assert terminal.end() == 0
    program.call("job", "attach", id, code=4)


def test_port_forward(program: Program) -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        remote = bound.getsockname()[1]
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        local = bound.getsockname()[1]
    server = "import http.server as h; h.test(h.SimpleHTTPRequestHandler, port={})"
    id = _start(program, IMAGE, "--", "python", "-c", server.format(remote))
    with program.spawn("job", "port-forward", id, f"{local}:{remote}") as process:
        assert process.stdout is not None
        assert f"localhost:{local} is port {remote}" in process.stdout.readline()
        answer = b""
        while not answer:  # the server in the job may still be starting
            with socket.create_connection(("localhost", local)) as connection:
                connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
                while data := connection.recv(65536):
                    answer += data
        assert answer.startswith(b"HTTP/1.0 200")
        interrupt(process)
        assert process.wait(20) == 130
    program.call("job", "kill", id)
    for ports in ("x", "1:2:3", "0:1"):
        program.call("job", "port-forward", id, ports, code=2)


def test_save_needs_a_container(program: Program, sleeper: str) -> None:
    ended = program.call("job", "save", sleeper, "image:saved:v1", code=1)
    assert "--runner docker" in ended.stderr
    program.call("job", "save", sleeper, "ubuntu", code=2)
