"""Stand in for the reader: the pages' snippets may block, and ask for a browser and a keyboard."""

from __future__ import annotations

import builtins
import random
import re
import urllib.parse
import urllib.request
import webbrowser

import pytest

from neuro_client.local.services import config as config_service


@pytest.fixture(autouse=True)
def nothing_blocks() -> None:
    """Replace the check of the whole suite: snippets are short programs for readers."""


def _allow(url: str) -> str:
    """Press the button of the login page and return the page it leads to."""
    with urllib.request.urlopen(url, timeout=10) as page:
        ticket = re.search(r'name="ticket" value="([^"]+)"', page.read().decode())
    assert ticket is not None
    form = {"ticket": ticket[1], "username": "user", "decision": "allow"}
    data = urllib.parse.urlencode(form).encode()
    with urllib.request.urlopen(url.partition("?")[0], data, timeout=10) as page:
        return str(page.read().decode())


@pytest.fixture(autouse=True)
def reader(monkeypatch: pytest.MonkeyPatch) -> None:
    """Follow what a page tells its reader to open, and enter the code that is shown there."""

    def enter(prompt: str) -> str:
        address = re.search(r"http://\S+", prompt)
        assert address is not None
        code = re.search(r'id="code">([^<]+)<', _allow(address[0]))
        assert code is not None
        return code[1]

    # Outside the range from which outgoing connections take their ports.
    first = random.randrange(20_000, 30_000)
    monkeypatch.setattr(config_service, "CALLBACK_PORTS", (first, first + 1, first + 2))
    monkeypatch.setattr(webbrowser, "open", lambda url: bool(_allow(url)))
    monkeypatch.setattr(builtins, "input", enter)
