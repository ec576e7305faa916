"""Bad weather that tests ask for: what the control plane and its links do wrong on purpose (§7)."""

from __future__ import annotations

from fnmatch import fnmatchcase

import attrs

from .models import Artifact


@attrs.define
class Troubles:
    """Say what goes wrong, by patterns of file names as ``*.ckpt``.

    ``wrong_md5``: files whose listing has another MD5 than their content. ``slow``: bytes a second
    at which files are sent. ``repeat_tokens``: every page of artifacts names itself as the next.
    """

    wrong_md5: set[str] = attrs.field(factory=set)
    slow: dict[str, float] = attrs.field(factory=dict)
    repeat_tokens: bool = False

    def md5(self, artifact: Artifact) -> str:
        """Return the MD5 that a listing tells."""
        wrong = any(fnmatchcase(artifact.name, pattern) for pattern in self.wrong_md5)
        return artifact.md5[::-1] if wrong else artifact.md5

    def token(self, asked: str, token: str) -> str:
        """Return the token of the next page that a listing tells."""
        return asked if self.repeat_tokens and asked else token

    def speed(self, name: str) -> float | None:
        """Return how many bytes of a file are sent in a second, None for all there are."""
        for pattern, speed in self.slow.items():
            if fnmatchcase(name, pattern):
                return speed
        return None
