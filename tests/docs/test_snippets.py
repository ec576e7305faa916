"""Every snippet of the documentation is executed, and what it shows is what it prints."""

from __future__ import annotations

import ast
import asyncio
import contextlib
import io
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
from yarl import URL

import neuro_client
from neuro_client.local import LocalPlatform
from neuro_client.testing.login import login

from .snippets import PAGES, ROOT, Snippet, matches, snippets_of

pytestmark = pytest.mark.thorough

WITH_PYTHON = [page for page in PAGES if any(s.kind == "python" for s in snippets_of(page))]
WITH_CONSOLE = [page for page in PAGES if any(s.kind == "console" for s in snippets_of(page))]
WITH_TESTS = [page for page in PAGES if any(s.kind == "test" for s in snippets_of(page))]


def _id(page: Path) -> str:
    return str(page.relative_to(ROOT))


def _check(snippet: Snippet, shown: str) -> None:
    if snippet.expected is not None:
        assert matches(shown, snippet.expected), f"{snippet.name} prints\n{shown}"


async def _run_fragment(snippet: Snippet, names: dict[str, Any]) -> str:
    """Run the body of an async function whose names outlive it."""
    flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    code = compile(snippet.code, snippet.name, "exec", flags=flags, dont_inherit=True)
    shown = io.StringIO()
    with contextlib.redirect_stdout(shown):
        outcome = eval(code, names)
        if outcome is not None:
            await outcome
    return shown.getvalue()


async def _run_program(snippet: Snippet, folder: Path, config: Path) -> str:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        snippet.code,
        cwd=folder,
        env={**os.environ, "NEUROMATION_CONFIG": str(config)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    shown, _ = await process.communicate()
    assert process.returncode == 0, shown.decode()
    return shown.decode()


@pytest.mark.parametrize("page", WITH_PYTHON, ids=_id)
async def test_python(page: Path, tmp_path: Path) -> None:
    config = tmp_path / "config"
    folder = tmp_path / "folder"
    await asyncio.to_thread(folder.mkdir)
    async with LocalPlatform(data=tmp_path / "platform", port=0) as platform:
        await login(platform, config)
        async with neuro_client.get(path=config) as client:
            names: dict[str, Any] = {
                "__name__": "snippet",
                "asyncio": asyncio,
                "neuro_client": neuro_client,
                "Path": Path,
                "URL": URL,
                "client": client,
                "platform": platform,
                "folder": folder,
            }
            for snippet in await asyncio.to_thread(snippets_of, page):
                if snippet.kind != "python":
                    continue
                if snippet.code.splitlines()[-1].startswith("asyncio.run("):
                    _check(snippet, await _run_program(snippet, folder, config))
                else:
                    _check(snippet, await _run_fragment(snippet, names))


@pytest.mark.parametrize("page", WITH_CONSOLE, ids=_id)
def test_console(page: Path, tmp_path: Path) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    program = programs / "neuro-client"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m neuro_client "$@"\n')
    program.chmod(0o755)
    environment = {
        **os.environ,
        "PATH": f"{programs}:{os.environ['PATH']}",
        "NEUROMATION_CONFIG": str(tmp_path / "config"),
        "COLUMNS": "200",
    }
    work = tmp_path / "work"
    work.mkdir()
    try:
        for snippet in snippets_of(page):
            if snippet.kind != "console":
                continue
            for step in snippet.code.split("$ ")[1:]:
                command, _, expected = step.partition("\n")
                if command.endswith("# not run"):
                    continue
                done = subprocess.run(
                    ["sh", "-c", f"{command} 2>&1"],
                    cwd=work,
                    env=environment,
                    capture_output=True,
                    text=True,
                    timeout=60,
                )
                assert done.returncode == 0, f"{snippet.name}: {command}\n{done.stdout}"
                assert matches(done.stdout, expected), f"{command} prints\n{done.stdout}"
    finally:
        subprocess.run(
            [
                sys.executable,
                "-m",
                "neuro_client",
                "local",
                "down",
                "--data",
                str(work / "platform"),
            ],
            env=environment,
            capture_output=True,
            timeout=60,
        )


@pytest.mark.parametrize("page", WITH_TESTS, ids=_id)
def test_tests(page: Path, tmp_path: Path) -> None:
    """Run the examples of users' tests as a user would."""
    bodies = [snippet.code for snippet in snippets_of(page) if snippet.kind == "test"]
    (tmp_path / "test_example.py").write_text("\n\n".join(map(textwrap.dedent, bodies)))
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-o", "asyncio_mode=auto", str(tmp_path)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
