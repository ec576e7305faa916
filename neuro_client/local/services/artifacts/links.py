"""Links that need no login: signed, with an end, and the same for as long as they last (§5).

A link is a path below the cluster's bucket with three words in its query: when it was made, for
how long, and the signature. It is made anew every ``lifetime`` seconds, counted from the moment
the artifact was written, so that nothing has to be kept.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from urllib.parse import quote

from yarl import URL

from ..s3.errors import S3Error

DAY = 86_400
_DATE, _LIFETIME, _SIGNATURE = "X-Grid-Date", "X-Grid-Expires", "X-Grid-Signature"


class Clock:
    """Tell the time that links go by; tests put it forward."""

    def __init__(self) -> None:
        self.ahead = 0.0
        """Seconds by which it is ahead of the machine's."""

    def now(self) -> float:
        """Return the time in epoch seconds."""
        return time.time() + self.ahead


class Links:
    """Make and check links; ``lifetime`` in seconds is that of links made from now on."""

    def __init__(self, key: bytes, root: Callable[[], URL]) -> None:
        self.clock = Clock()
        self.lifetime = DAY
        self._key = key
        self._root = root
        self._not_before = 0

    def made(self, method: str, path: str, since: float | None = None) -> str:
        """Return the link for a request; ``since`` is when its periods begin, None for now."""
        now = self.clock.now()
        begun = since is not None and since < now
        start = now if since is None or not begun else now - (now - since) % self.lifetime
        date = max(int(start), self._not_before)
        address = quote(path, safe="/-_.~")
        signature = self._signature(method, path, date, self.lifetime)
        query = f"{_DATE}={date}&{_LIFETIME}={self.lifetime}&{_SIGNATURE}={signature}"
        return f"{str(self._root()).rstrip('/')}{address}?{query}"

    def end(self, link: str) -> float:
        """Return when a link of ours ends."""
        query = URL(link, encoded=True).query
        return float(query[_DATE]) + float(query[_LIFETIME])

    def expire(self) -> None:
        """Refuse all links made so far, as if their time were over."""
        self._not_before = int(self.clock.now()) + 1

    def check(self, method: str, path: str, query: Mapping[str, str]) -> None:
        """Raise `S3Error` unless the link is good for this request now."""
        texts = [query.get(name, "") for name in (_DATE, _LIFETIME)]
        if not all(text.isascii() and text.isdigit() and len(text) < 12 for text in texts):
            raise S3Error("AccessDenied", "Access Denied")
        date, lifetime = map(int, texts)
        wanted = self._signature(method, path, date, lifetime)
        told = query.get(_SIGNATURE, "").encode("utf-8", "replace")
        if not hmac.compare_digest(told, wanted.encode()):
            raise S3Error(
                "SignatureDoesNotMatch",
                "The request signature we calculated does not match the signature you provided.",
            )
        now = self.clock.now()
        if now >= date + lifetime or date < self._not_before:
            raise S3Error(
                "AccessDenied",
                "Request has expired",
                **{"X-Grid-Expires": str(lifetime)},
                Expires=_moment(date + lifetime),
                ServerTime=_moment(now),
            )

    def _signature(self, method: str, path: str, date: int, lifetime: int) -> str:
        text = f"{method}\n{path}\n{date}\n{lifetime}".encode("utf-8", "surrogateescape")
        return hmac.new(self._key, text, hashlib.sha256).hexdigest()


def _moment(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"
