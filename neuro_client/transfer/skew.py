"""Learn the difference between the local clock and a server's (storage.md §12)."""

from __future__ import annotations

from email.utils import parsedate_to_datetime

from .plan import Skew


class ClockSkew:
    """Keep the bounds that the last answer with a readable ``Date`` gave."""

    def __init__(self) -> None:
        self.bounds = Skew()
        self._date = ""
        self._server = 0.0

    def observe(self, before: float, after: float, date: str | None) -> None:
        """Take note of a ``Date`` header between two readings of the local clock, in seconds.

        The header has whole seconds, cut off: the server's clock was up to one second further.
        """
        if date is None:
            return
        if date != self._date:  # many answers a second have the same one
            try:
                self._server = parsedate_to_datetime(date).timestamp()
            except ValueError:
                return
            self._date = date
        server = self._server
        self.bounds = Skew(min_diff=before - server - 1.0, max_diff=after - server)
