"""Bucket properties: what a new bucket has, and changes to them (aistore.md §7.4, §16.8)."""

from __future__ import annotations

import copy
import random
from collections.abc import Mapping
from typing import Any

from . import checksums
from .errors import bad_request
from .names import Bck

ALL_ACCESS = str(2**64 - 1)
_FIXED = ("bid", "created", "provider")


def defaults(bck: Bck, created: int, checksum: str) -> dict[str, Any]:
    """Return the properties of a new bucket."""
    return {
        "backend_bck": {"name": "", "provider": "", "namespace": {"uuid": "", "name": ""}},
        "write_policy": {"data": "", "md": ""},
        "provider": bck.provider,
        "checksum": {
            "type": checksum,
            "validate_cold_get": False,
            "validate_warm_get": False,
            "validate_obj_move": False,
            "enable_read_range": False,
        },
        "extra": {},
        "rate_limit": {
            "backend": {"interval": "1m", "per_op_max_tokens": "", "enabled": False},
            "frontend": {"burst_size": 375, "interval": "1m", "enabled": False},
        },
        "ec": {
            "objsize_limit": 262144,
            "compression": "never",
            "bundle_multiplier": 2,
            "data_slices": 1,
            "parity_slices": 1,
            "enabled": False,
            "disk_only": False,
        },
        "chunks": {
            "objsize_limit": 0,
            "max_monolithic_size": "1TiB",
            "chunk_size": "1GiB",
            "checkpoint_every": 0,
            "flags": 0,
        },
        "mirror": {"copies": 2, "burst_buffer": 128, "enabled": False},
        "lru": {
            "dont_evict_time": "2h0m",
            "capacity_upd_time": "10m",
            "enabled": bck.is_remote,
        },
        "access": ALL_ACCESS,
        "features": "0",
        "bid": str(random.getrandbits(60)),
        "created": str(created),
        "versioning": {"enabled": True, "validate_warm_get": False, "synchronize": False},
    }


def changed(props: Mapping[str, Any], change: Any, place: str = "") -> dict[str, Any]:
    """Return properties with a sparse change; 400 about one that does not exist or fit."""
    if not isinstance(change, Mapping):
        raise bad_request(f"bucket properties {place or 'value'}: an object is expected")
    found = copy.deepcopy(dict(props))
    for name, value in change.items():
        path = f"{place}{name}"
        if name not in found or path in _FIXED:
            raise bad_request(f"failed to unmarshal bucket props: found unknown field: {path}")
        if path == "checksum.type" and value not in checksums.TYPES:
            raise bad_request(f'invalid checksum type "{value}"')
        if isinstance(found[name], dict):
            nested = changed(found[name], value, f"{path}.") if found[name] else value
            found[name] = nested
        elif isinstance(found[name], bool) != isinstance(value, bool):
            raise bad_request(f"bucket property {path} cannot be {value!r}")
        else:
            found[name] = str(value) if isinstance(found[name], str) else value
    return found
