"""Names, tags and digests as registries write them; pure functions."""

from __future__ import annotations

import hashlib
import re

from .errors import RegistryError

_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
# The owner of an image is a user, who may be called what no image may.
_NAME = re.compile(rf"[A-Za-z0-9._@-]+(?:/{_PART})+")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_DIGEST = re.compile(r"(sha256):([0-9a-f]{64})|(sha512):([0-9a-f]{128})")
_LONGEST_NAME = 255


def check_name(name: str) -> str:
    """Return a repository's name; ``NAME_INVALID`` for what is none."""
    if len(name) > _LONGEST_NAME or not _NAME.fullmatch(name):
        raise RegistryError("NAME_INVALID", f"{name!r} cannot be a repository; use OWNER/NAME")
    return name


def is_digest(reference: str) -> bool:
    """Tell whether a reference is a digest, not a tag."""
    return ":" in reference


def check_digest(text: str) -> str:
    """Return a digest; ``DIGEST_INVALID`` for what is none or of a kind that is not kept."""
    if not _DIGEST.fullmatch(text):
        raise RegistryError(
            "DIGEST_INVALID", f"{text!r} is not a digest; use sha256: or sha512: and hexadecimals"
        )
    return text


def check_tag(text: str) -> str:
    """Return a tag; ``MANIFEST_INVALID`` for what is none."""
    if not _TAG.fullmatch(text):
        raise RegistryError("MANIFEST_INVALID", f"{text!r} cannot be a tag")
    return text


def digest_of(data: bytes, like: str | None = None) -> str:
    """Return the digest of *data*, of the same kind as *like*."""
    kind = like.partition(":")[0] if like else "sha256"
    return f"{kind}:{hashlib.new(kind, data).hexdigest()}"
