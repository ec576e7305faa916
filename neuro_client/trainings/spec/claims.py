"""Volume claims that are made for a workload (§5.7)."""

# ruff: noqa: RUF009 (`wire` makes a field, as `attrs.field` does)
from __future__ import annotations

import enum
from collections.abc import Sequence

import attrs

from .kinds import BOOL, QUANTITY, Choice, ListOf, text
from .limits import at_most_chars, matches
from .part import Object, Part, about, as_quantity, wire
from .quantity import Quantity

_CLASS_NAME = matches(
    "[a-z0-9](?:[-a-z0-9.]*[a-z0-9])?", "of a-z, 0-9, hyphens and dots, neither at an end"
)
_KEY = matches(
    "(?:[A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]",
    "of letters, digits, - _ and ., with a letter or digit at each end",
)


class VolumeMode(str, enum.Enum):
    """Say what a volume is to the container: a folder or a block device."""

    FILESYSTEM = "Filesystem"
    BLOCK = "Block"


@attrs.frozen(kw_only=True, repr=False)
class AccessModes(Part):
    """Say who may mount a volume at a time; the default is one writer."""

    read_write_once: bool | None = wire(BOOL)
    read_only_many: bool | None = wire(BOOL)
    read_write_many: bool | None = wire(BOOL)


@attrs.frozen(kw_only=True, repr=False)
class AddedAttribute(Part):
    """Pass an attribute on to the storage class."""

    key: str | None = wire(text(at_most_chars(63), _KEY), required=True)
    value: str | None = wire(text(empty=True))


@attrs.frozen(kw_only=True, repr=False)
class ClaimInfo(Part):
    """Describe a volume to make; without a storage class the cluster's default is taken."""

    size: Quantity | None = attrs.field(
        default=None, converter=as_quantity, metadata=about(QUANTITY, unit="bytes")
    )
    storage_class: str | None = wire(text(_CLASS_NAME))
    access_modes: AccessModes | None = wire(Object(part=AccessModes))
    volume_mode: VolumeMode | str | None = wire(Choice(values=VolumeMode, enforced="2.21"))
    added_attr_values: Sequence[AddedAttribute] | None = wire(
        ListOf(item=Object(part=AddedAttribute)), since="2.22"
    )
