"""The reference names everything that is public, and the pages say what the program says."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

import neuro_client

from .snippets import ROOT

SHELL = (ROOT / "docs" / "reference" / "shell.md").read_text("utf-8")
COMMANDS = re.findall(r"^## neuro-client(.*)$", SHELL, re.M)


@pytest.mark.parametrize("name", [n for n in neuro_client.__all__ if n != "__version__"])
def test_every_public_name_is_in_the_reference(name: str) -> None:
    pages = (ROOT / "docs" / "reference").glob("*.md")
    assert any(re.search(rf":: {name}$", page.read_text("utf-8"), re.M) for page in pages)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.strip() or "(none)")
def test_help_is_what_the_reference_shows(command: str) -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "neuro_client", *command.split(), "--help"],
        capture_output=True,
        text=True,
        env={**os.environ, "COLUMNS": "80"},
        timeout=60,
    ).stdout
    text = shown.replace("python -m neuro_client", "neuro-client").rstrip()
    assert f"## neuro-client{command}\n\n```text\n{text}\n```" in SHELL


def test_every_fragment_has_a_known_type() -> None:
    for path in (ROOT / "docs" / "changes").glob("*"):
        assert re.fullmatch(r"\+?[\w-]+\.(feature|bugfix|doc|removal|misc)\.rst", path.name), path
