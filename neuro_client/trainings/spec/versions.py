"""Versions of the control plane, of which each has its own set of fields (§6)."""

from __future__ import annotations

import re
import sys

import attrs

DEFAULT_VERSION = "2.18"
"""The generation that the API reference of these fields describes."""

_FORM = re.compile(r"v?(\d{1,4})\.(\d{1,4})(\.\S+)?")


@attrs.frozen(order=True)
class Version:
    """Name a release train; ``latest`` is newer than every numbered one."""

    major: int
    minor: int

    @classmethod
    def parse(cls, text: str) -> Version:
        """Read ``2.18``, ``v2.18.33`` or ``latest``.

        Raises:
            ValueError: the text is none of these.
        """
        if text == "latest":
            return LATEST
        found = _FORM.fullmatch(text)
        if found is None:
            raise ValueError(f"{text!r} is not a version such as '2.18', nor 'latest'")
        return cls(int(found[1]), int(found[2]))

    def __str__(self) -> str:
        return "latest" if self == LATEST else f"{self.major}.{self.minor}"


LATEST = Version(sys.maxsize, 0)


@attrs.frozen
class Asked:
    """Say what a spec is checked for: the server's version, and whether doubts are refused."""

    version: Version
    strict: bool

    @classmethod
    def of(cls, version: str, strict: bool) -> Asked:
        """Read the two arguments of the public calls."""
        return cls(Version.parse(version), strict)
