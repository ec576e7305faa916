"""Find the target of an object as the proxy does: highest random weight (aistore.md §2.5)."""

from __future__ import annotations

from collections.abc import Iterable

from ..extras import hashes
from ..models import Snode

_MASK = 0xFFFFFFFFFFFFFFFF
_SEED = 1103515245


def mix(seed: int) -> int:
    """Turn 64 bits into 64 others, as the servers do."""
    z = (seed + 0x9E3779B97F4A7C15) & _MASK
    z = ((z ^ z >> 30) * 0xBF58476D1CE4E5B9) & _MASK
    z = ((z ^ z >> 27) * 0x94D049BB133111EB) & _MASK
    z = ((z ^ z >> 31) + 0x9E3779B97F4A7C15) & _MASK
    z = ((z ^ z >> 30) * 0xBF58476D1CE4E5B9) & _MASK
    z = ((z ^ z >> 27) * 0x94D049BB133111EB) & _MASK
    z = ((z ^ z >> 31) * 5) & _MASK
    return ((z << 7 | z >> 57) & _MASK) * 9 & _MASK


def digest(uname: str) -> int:
    """Hash the full name of an object."""
    return int(hashes().xxh64_intdigest(uname.encode(), seed=_SEED))


def owner(uname: str, targets: Iterable[Snode]) -> Snode | None:
    """Return the target that holds an object, None if there is none in service."""
    found = digest(uname)
    return max(
        (target for target in targets if target.in_service),
        key=lambda target: mix(found ^ target.id_digest),
        default=None,
    )
