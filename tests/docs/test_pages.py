"""The reference names everything that is public, and the pages say what the program says."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import neuro_client

from .shell import PAGE, commands, section
from .snippets import PAGES, ROOT, RUN, SHOWN

SHELL = PAGE.read_text("utf-8")
COMMANDS = re.findall(r"^## neuro-client(.*)$", SHELL, re.M)


def test_the_reference_has_every_command() -> None:
    assert list(commands()) == COMMANDS


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_block_is_run_or_only_shown(page: Path) -> None:
    """Hold the fences against the kinds there are, so that none is left out in silence."""
    text = page.read_text("utf-8")
    fences = re.findall(r"^[ >]*(?:`{3,}|~{3,}).*$", text, re.M)
    assert len(fences) % 2 == 0
    for opening, closing in zip(fences[::2], fences[1::2], strict=True):
        kind = opening.removeprefix("```").strip()
        assert kind in RUN or SHOWN.fullmatch(kind), f"{page}: {opening}"
        assert closing == "```"
    for table in re.findall(r"^```toml\n(.*?)^```$", text, re.M | re.S):
        tomllib.loads(table)


@pytest.mark.parametrize("name", [n for n in neuro_client.__all__ if n != "__version__"])
def test_every_public_name_is_in_the_reference(name: str) -> None:
    pages = (ROOT / "docs" / "reference").glob("*.md")
    assert any(re.search(rf":: {name}$", page.read_text("utf-8"), re.M) for page in pages)


def _errors(cls: type[Exception]) -> Iterator[str]:
    for below in cls.__subclasses__():
        if below.__name__ in neuro_client.__all__:
            yield below.__name__
            yield from _errors(below)


@pytest.mark.parametrize("name", sorted(set(_errors(neuro_client.NeuroError))))
def test_every_error_has_a_remedy(name: str) -> None:
    text = (ROOT / "docs" / "concepts" / "requests.md").read_text("utf-8")
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    assert any(f"`{name}`" in row.split("|")[1] for row in rows)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.strip() or "(none)")
def test_help_is_what_the_reference_shows(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert section(command) in SHELL


def test_every_fragment_has_a_known_type() -> None:
    for path in (ROOT / "docs" / "changes").glob("*"):
        assert re.fullmatch(r"\+?[\w-]+\.(feature|bugfix|doc|removal|misc)\.rst", path.name), path
