"""Turn values into pages: the templates, their filters, and the headers of every answer."""

from __future__ import annotations

import functools
import re
from datetime import UTC, datetime
from importlib.resources import files
from urllib.parse import urlsplit

import attrs
import jinja2
from aiohttp import web

REFRESH = 5
"""Seconds after which the page of a run that goes on is loaded anew."""
_POLICY = (
    "default-src 'none'; style-src 'self'; img-src data:; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
_GOOD = frozenset({"succeeded", "completed", "finished", "done", "success"})
_BAD = frozenset({"failed", "error", "lost"})
_STOPPED = frozenset({"cancelled", "canceled", "stopped", "deleted", "paused", "suspended"})
_COMMANDS = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b.?|[\x00-\x08\x0b-\x1f\x7f]"
)
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")


def human_size(size: int) -> str:
    """Return a number of bytes as people read it."""
    value = float(size)
    for unit in _UNITS:
        if value < 1024 or unit == _UNITS[-1]:
            break
        value /= 1024
    return f"{size} B" if unit == "B" else f"{value:.1f} {unit}"


def human_time(when: datetime) -> str:
    """Return a time as people read it, in UTC."""
    return f"{when.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def tone(state: str) -> str:
    """Return the class of style of a state; an unknown one is still going on."""
    word = state.lower().replace("_", " ").split()[-1] if state.strip() else ""
    for name, words in (("good", _GOOD), ("bad", _BAD), ("stopped", _STOPPED)):
        if word in words:
            return name
    return "active"


def plain(text: str) -> str:
    """Return the end of a log without the colours and the other commands to a terminal."""
    return _COMMANDS.sub("", text.replace("\r\n", "\n"))


def is_web(url: str) -> bool:
    """Tell whether a link leads to a file of a server, and runs no program."""
    return urlsplit(url).scheme in ("http", "https")


@attrs.frozen
class _Look:
    """Hold what all pages are made with."""

    environment: jinja2.Environment
    style: str


@functools.cache
def load() -> _Look:
    """Read the templates; a platform does it in a thread, so that no request waits for a disk."""
    folder = files(__package__) / "templates"
    environment = jinja2.Environment(
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        loader=jinja2.DictLoader(
            {
                item.name: item.read_text("utf-8")
                for item in folder.iterdir()
                if item.name.endswith(".html")
            }
        ),
    )
    environment.filters.update(size=human_size, time=human_time, tone=tone, plain=plain)
    environment.tests["web"] = is_web
    for name in environment.list_templates():
        environment.get_template(name)  # compiles it, for which more modules are loaded
    return _Look(environment, (folder / "style.css").read_text("utf-8"))


def page(template: str, status: int = 200, **values: object) -> web.Response:
    """Render a page; no script runs in it, and no other site can frame it."""
    text = load().environment.get_template(template).render(refresh_after=REFRESH, **values)
    return web.Response(
        body=text.encode("utf-8", "replace"),  # names of files may have what is no text
        status=status,
        content_type="text/html",
        charset="utf-8",
        headers=_HEADERS,
    )


def style() -> web.Response:
    """Return the style sheet of all pages."""
    return web.Response(text=load().style, content_type="text/css", headers=_HEADERS)
