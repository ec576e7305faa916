"""Be the user's browser and the user: open a page and press Allow on it."""

from __future__ import annotations

import re
import sys
import urllib.parse
import urllib.request


def press_allow(url: str) -> str:
    """Log in on the platform's page and return the page it leads to; others are only opened."""
    with urllib.request.urlopen(url, timeout=10) as page:
        text = page.read().decode()
    ticket = re.search(r'name="ticket" value="([^"]+)"', text)
    if ticket is None:
        return str(text)
    form = {"ticket": ticket[1], "username": "user", "decision": "allow"}
    data = urllib.parse.urlencode(form).encode()
    with urllib.request.urlopen(url.partition("?")[0], data, timeout=10) as page:
        return str(page.read().decode())


if __name__ == "__main__":
    press_allow(sys.argv[1])
