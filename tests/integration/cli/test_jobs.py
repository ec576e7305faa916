"""``run`` and ``job``: exit codes, logs, telemetry, Ctrl-C."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from .kit import Program, interrupt

_ID = re.compile(r"job-[0-9a-z-]{36}")
IMAGE = "python:3.11"


def _start(program: Program, *args: str) -> str:
    return program.call("run", "--quiet", "--detach", *args).stdout.strip()


def test_run_follows_the_log_and_ends_with_the_code_of_the_job(program: Program) -> None:
    done = program.run(
        "run", IMAGE, "--", "sh", "-c", "echo out; echo 'two words' >&2; exit 7", code=7
    )
    assert sorted(done.stdout.splitlines()) == ["out", "two words"]
    assert "failed with exit code 7" in done.stderr
    quiet = program.run("run", "-q", IMAGE, "echo one line")
    assert (quiet.stdout, quiet.stderr) == ("one line\n", "")


def test_run_as_json_lines(program: Program) -> None:
    first, *lines, last = program.documents("run", IMAGE, "--", "seq", "3")
    assert (first["event"], last["event"]) == ("started", "ended")
    assert lines == [{"event": "log", "line": str(n)} for n in (1, 2, 3)]
    assert last["job"]["status"] == "succeeded"
    assert last["job"]["exit_code"] == 0
    assert last["job"]["id"] == first["job"]["id"]


def test_everything_that_run_is_told_reaches_the_job(
    program: Program, folder: str, tmp_path: Path
) -> None:
    settings = tmp_path / "env"
    settings.write_text("# comment\nFROM_FILE=file\nBOTH=file\n")
    words = "--name all-told -t one -t two -d text --life-span 1h --restart never --priority normal"
    id = _start(
        program,
        *words.split(),
        *("-e", "BOTH=argument", "--env-file", str(settings)),
        *("-v", f"{folder}:/mnt/data", "-s", "cpu-large", "-w", "/tmp"),
        *(IMAGE, "--", "sh", "-c", 'echo "$FROM_FILE $BOTH $PWD" > /mnt/data/told'),
    )
    ended = program.document("job", "wait", id)
    assert (ended["name"], ended["tags"], ended["description"]) == (
        "all-told",
        ["one", "two"],
        "text",
    )
    assert (ended["life_span"], ended["preset"]) == (3600, "cpu-large")
    assert ended["volumes"][0]["path"] == "/mnt/data"
    program.call("storage", "cp", f"{folder}/told", str(tmp_path / "told"))
    assert (tmp_path / "told").read_text() == "file argument /tmp\n"


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (["--preset", "huge", IMAGE], 125, "cpu-small"),
        (["--name", "BAD", IMAGE], 125, "name"),
        (["--org", "strangers", IMAGE], 125, "strangers"),
        (["--cluster", "nowhere", IMAGE], 4, "known: default, other"),
        (["-v", "storage:x", IMAGE], 2, "not a volume"),
        (["--env-file", "/no/such", IMAGE], 4, "/no/such"),
        (["--life-span", "5s", IMAGE], 2, "1m"),
        (["--submission-id", "a b", IMAGE], 2, "submission_id"),
        (["image:"], 2, "names no image"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_what_never_starts(program: Program, args: list[str], code: int, words: str) -> None:
    ended = program.call("run", *args, code=code)
    assert words in ended.stderr
    assert ended.stdout == ""


def test_a_job_that_ends_before_it_starts_is_125(program: Program) -> None:
    holder = _start(program, "-s", "cpu-large", IMAGE, "sleep 60")
    waiting = ["run", "-s", "cpu-large", "--schedule-timeout", "1s", IMAGE, "true"]
    try:
        ended = program.call(*waiting, code=125)
    finally:
        program.call("job", "kill", holder)
    assert "is pending" in ended.stderr
    assert ended.stdout == ""


def test_the_same_submission_is_one_job(program: Program) -> None:
    one = _start(program, "--submission-id", "cli-once", IMAGE, "true")
    assert _start(program, "--submission-id", "cli-once", IMAGE, "true") == one


def test_the_life_span_of_the_user_config_holds_unless_another_is_given(program: Program) -> None:
    settings = program.config / "user.toml"
    settings.write_text('[job]\nlife-span = "2h"\n')
    try:
        id = _start(program, IMAGE, "true")
        assert program.document("job", "status", id)["life_span"] == 7200
        id = _start(program, "--life-span", "0", IMAGE, "true")
        assert program.document("job", "status", id)["life_span"] is None
    finally:
        settings.unlink()


@pytest.mark.thorough
def test_ctrl_c_detaches_and_says_how_to_come_back(program: Program) -> None:
    script = "echo begun; sleep 2; echo over"
    with program.terminal("run", IMAGE, "--", "sh", "-c", script) as terminal:
        terminal.wait_for("begun")
        terminal.type("\x03")
        assert terminal.end() == 130
    assert "Traceback" not in terminal.shown
    back = re.search(r"neuro-client (job logs \S+)", terminal.shown)
    assert back is not None
    id = back[1].split()[-1]
    assert program.document("job", "status", id)["status"] == "running"
    assert program.run(*back[1].split()).stdout == "begun\nover\n"
    assert program.document("job", "wait", id)["exit_code"] == 0


def test_the_way_back_names_another_login(program: Program, tmp_path: Path) -> None:
    link = tmp_path / "another place"
    link.symlink_to(program.config)
    process = program.spawn(
        "run", "--config", str(link), IMAGE, "--", "sh", "-c", "echo up; sleep 9"
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "up\n"
    interrupt(process)
    _, told = process.communicate(timeout=20)
    assert process.returncode == 130
    ids = _ID.findall(told)
    assert f"neuro-client --config '{link}' job logs {ids[-1]}" in told
    program.call("job", "kill", ids[-1])


def test_a_job_is_found_by_id_name_and_uri(program: Program) -> None:
    id = _start(program, "--name", "found-me", IMAGE, "--", "sh", "-c", "echo line")
    for text in (id, "found-me", "job:found-me", f"job:{id}", "job:/user/found-me"):
        assert program.document("job", "status", text)["id"] == id
    assert program.document("job", "status", "job://default/user/found-me")["id"] == id
    assert program.document("job", "wait", "found-me")["status"] == "succeeded"
    assert program.call("job", "logs", "job:found-me").stdout == "line\n"
    shown = program.call("job", "status", "found-me").stdout
    assert re.search(rf"Job +{id}", shown)
    assert re.search(r"Status +succeeded", shown)


@pytest.mark.parametrize("command", ["status", "logs", "top", "wait", "kill"])
@pytest.mark.parametrize(
    "job",
    ["missing", "job-00000000-0000-0000-0000-000000000000", "job://default/stranger/missing"],
)
def test_an_unknown_job_is_not_found(program: Program, command: str, job: str) -> None:
    ended = program.call("job", command, job, code=4)
    assert "There is no job" in ended.stderr


def test_lists_are_filtered(program: Program) -> None:
    id = _start(program, "--name", "listed", "-t", "cli-list", IMAGE, "--", "sleep", "60")
    done = _start(program, "-t", "cli-list", IMAGE, "true")
    program.call("job", "wait", done)

    def ids(*args: str) -> list[str]:
        return [item["id"] for item in program.documents("job", "ls", "-t", "cli-list", *args)]

    assert ids() == [id]
    assert ids("--all") == [id, done]
    assert ids("--all", "--recent-first", "--limit", "1") == [done]
    assert ids("-s", "succeeded", "--since", "1h") == [done]
    assert ids("--all", "--owner", "stranger") == []
    assert ids("--all", "--until", "1h") == []
    assert ids("--all-owners", "-n", "listed") == [id]
    table = program.call("job", "ls", "-t", "cli-list").stdout.splitlines()
    assert table[0].split()[:3] == ["ID", "NAME", "STATUS"]
    assert table[1].split()[:2] == [id, "listed"]
    killed = program.document("job", "kill", "listed", "missing", code=4)
    assert killed["killed"] == [id]
    assert killed["failed"][0]["job"] == "missing"


@pytest.mark.thorough
def test_telemetry_and_waiting_with_a_limit(program: Program) -> None:
    id = _start(program, IMAGE, "--", "sh", "-c", "echo up; while :; do :; done")
    timed_out = program.call("job", "wait", "--timeout", "0.2s", id, code=124)
    assert f"neuro-client --config {program.config} job kill {id}" in timed_out.stderr
    assert program.call("job", "logs", "--no-follow", id).stdout == "up\n"
    (sample,) = program.documents("job", "top", "-n", "1", id)
    assert sample["id"] == id
    assert sample["memory"] > 0
    assert program.call("job", "top", "-n", "1", id).stdout.startswith("TIME")
    program.call("job", "kill", id)
    ended = program.call("job", "wait", id, code=1)
    assert "cancelled" in ended.stderr
    assert "cancelled" in program.call("job", "top", id, code=1).stderr


def test_logs_in_parts(program: Program) -> None:
    id = _start(program, IMAGE, "--", "sh", "-c", "seq 5; printf 'no end \\377'")
    program.call("job", "wait", id)
    assert program.call("job", "logs", "--tail", "2", id).stdout == "5\nno end \ufffd\n"
    stamped = program.documents("job", "logs", "--timestamps", id)
    assert stamped[0]["line"] == "1"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z", stamped[0]["timestamp"])
    assert program.documents("job", "logs", "--since", "2099-01-01T00:00", id) == []


def test_logs_into_a_closed_pipe(program: Program) -> None:
    id = _start(program, IMAGE, "--", "sh", "-c", "seq 100000; sleep 60")
    words = " ".join(program.command("job", "logs", id))
    piped = subprocess.run(
        f"{words} | head -n 2; echo ${{PIPESTATUS[0]}}",
        shell=True,
        executable="/bin/bash",
        capture_output=True,
        text=True,
        env=program.environment,
        cwd=program.home,
        timeout=20,
    )
    assert piped.stdout == "1\n2\n141\n"
    assert piped.stderr == ""
    program.call("job", "kill", id)


def test_another_cluster_and_organisation(program: Program) -> None:
    id = _start(program, "--cluster", "other", "--org", "team", IMAGE, "echo there")
    told = program.document("job", "wait", id)
    assert (told["cluster"], told["org"]) == ("other", "team")
    assert program.call("job", "logs", id).stdout == "there\n"
    assert [
        json.loads(line)["id"]
        for line in program.call(
            "--json", "job", "ls", "--all", "--cluster", "other"
        ).stdout.splitlines()
    ] == [id]
