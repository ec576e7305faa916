"""Find the snippets of a page: what is run, and what it should print."""

from __future__ import annotations

import re
from pathlib import Path

import attrs

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
PAGES = [page for page in PAGES if "_build" not in page.parts]

_BLOCK = re.compile(r"^```(?P<kind>[^\n]*)\n(?P<body>.*?)^```$", re.M | re.S)
_CAPTION = re.compile(r"^:[a-z-]+:.*\n\n?", re.M)


# What a page may hold that is not run: shown text, data, and directives of the documentation.
SHOWN = re.compile(r"text|toml|\{(eval-rst|toctree|literalinclude)\}.*")
RUN = {"python": "python", "console": "console", "{code-block} python": "test"}


@attrs.frozen
class Snippet:
    """Hold one block that is run; ``expected`` is the text block right behind it."""

    page: Path
    line: int
    kind: str
    code: str
    expected: str | None

    @property
    def name(self) -> str:
        """Return where it stands."""
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def snippets_of(page: Path) -> list[Snippet]:
    """Return the Python and console blocks of a page, in their order."""
    text = page.read_text("utf-8")
    blocks = list(_BLOCK.finditer(text))
    found = []
    for index, block in enumerate(blocks):
        kind = RUN.get(block["kind"].strip())
        if kind is None:
            continue
        expected = None
        if index + 1 < len(blocks):
            following = blocks[index + 1]
            if following["kind"] == "text" and not text[block.end() : following.start()].strip():
                expected = following["body"]
        line = text.count("\n", 0, block.start()) + 1
        body = _CAPTION.sub("", block["body"]) if kind == "test" else block["body"]
        found.append(Snippet(page, line, kind, body, expected))
    return found


def matches(shown: str, expected: str) -> bool:
    """Compare what was printed with what a page says; ``…`` stands for anything."""
    pattern = ".*".join(re.escape(part) for part in expected.rstrip().split("…"))
    return re.fullmatch(pattern, shown.rstrip(), re.S) is not None
