"""Which target owns an object: highest random weight (aistore.md §2.5)."""

from __future__ import annotations

from collections.abc import Mapping

import xxhash

_SEED = 1103515245
_MASK = (1 << 64) - 1
_FIRST = 0xBF58476D1CE4E5B9
_SECOND = 0x94D049BB133111EB
_STEP = 0x9E3779B97F4A7C15


def digest(name: str) -> int:
    """Return the 64-bit digest of a node's id or an object's full name."""
    return xxhash.xxh64_intdigest(name.encode(), seed=_SEED)


def mix(seed: int) -> int:
    """Scramble 64 bits."""
    value = (seed + _STEP) & _MASK
    value = ((value ^ value >> 30) * _FIRST) & _MASK
    value = ((value ^ value >> 27) * _SECOND) & _MASK
    value = ((value ^ value >> 31) + _STEP) & _MASK
    value = ((value ^ value >> 30) * _FIRST) & _MASK
    value = ((value ^ value >> 27) * _SECOND) & _MASK
    value = ((value ^ value >> 31) * 5) & _MASK
    return (((value << 7) | (value >> 57)) * 9) & _MASK


def owner(uname: str, digests: Mapping[str, int]) -> str:
    """Return the id of the target with the largest weight."""
    found = digest(uname)
    return max(digests, key=lambda name: mix(found ^ digests[name]))
