"""Records of a cluster: its map, buckets, listings, jobs (aistore.md §4, §10, §16)."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import attrs

from .names import AIS, Namespace

if TYPE_CHECKING:
    from .buckets.bucket import Bucket
    from .objects.object import Object

_MAINTENANCE = 1 << 2 | 1 << 3


@attrs.frozen
class NetInfo:
    """Hold one address of a node; ``direct_url`` is the root of its HTTP server."""

    node_ip_addr: str = ""
    daemon_port: str = ""
    direct_url: str = ""


@attrs.frozen
class Snode:
    """Describe a node; ``id_digest`` places objects."""

    daemon_id: str
    daemon_type: str
    public_net: NetInfo = NetInfo()
    intra_control_net: NetInfo = NetInfo()
    intra_data_net: NetInfo = NetInfo()
    pub_extra: Sequence[NetInfo] = ()
    flags: int = 0
    id_digest: int = 0

    @property
    def in_service(self) -> bool:
        """Tell whether the node is neither in maintenance nor about to leave."""
        return not self.flags & _MAINTENANCE


@attrs.frozen
class Smap:
    """Hold the map of a cluster: targets and proxies by id, and the primary proxy."""

    tmap: Mapping[str, Snode]
    pmap: Mapping[str, Snode]
    proxy_si: Snode
    version: int = 0
    uuid: str = ""
    creation_time: str = ""


@attrs.frozen
class BucketModel:
    """Name a bucket."""

    name: str
    provider: str = AIS
    namespace: Namespace | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        found: dict[str, Any] = {"name": self.name, "provider": self.provider}
        if self.namespace is not None:
            found["namespace"] = {"uuid": self.namespace.uuid, "name": self.namespace.name}
        return found


class ListObjectFlag(enum.IntEnum):
    """Choose what a listing tells; each value is the number of a bit (aistore.md §10.2).

    ``ALL`` is the older name of ``MISSING``. Numbers are those of servers from 3.21 on.
    """

    CACHED = 0
    MISSING = 1
    ALL = 1
    DELETED = 2
    ARCH_DIR = 3
    NAME_ONLY = 4
    NAME_SIZE = 5
    BCK_PRESENT = 6
    DONT_HEAD_REMOTE = 7
    DONT_ADD_REMOTE = 8
    NOT_CACHED = 9
    ONLY_REMOTE_PROPS = 10
    NO_RECURSION = 11
    DIFF = 12
    NO_DIRS = 13
    NBI = 15


@attrs.frozen
class BucketEntry:
    """Describe one object of a listing; what was not asked for is empty.

    ``flags`` and ``custom_md`` are as the server wrote them.
    """

    name: str
    checksum: str = ""
    atime: str = ""
    version: str = ""
    location: str = ""
    custom_md: str = ""
    size: int = 0
    copies: int = 0
    flags: int = 0
    bucket: Bucket | None = attrs.field(default=None, eq=False, repr=False)

    @property
    def object(self) -> Object:
        """Return the object itself; ``ValueError`` for an entry of no bucket."""
        if self.bucket is None:
            raise ValueError(f"the entry {self.name!r} belongs to no bucket")
        return self.bucket.object(self.name)

    @property
    def status(self) -> int:
        """Return the state of the copy that was found; 0 is in order."""
        return self.flags & 0x1F

    def is_ok(self) -> bool:
        """Tell whether the object is where it belongs."""
        return not self.flags & 0x1F

    def is_cached(self) -> bool:
        """Tell whether the cluster holds the content itself."""
        return bool(self.flags & 1 << 6)

    def is_inside_archive(self) -> bool:
        """Tell whether this is a member of an archive."""
        return bool(self.flags & 1 << 7)

    def is_dir(self) -> bool:
        """Tell whether this is a folder made of names."""
        return bool(self.flags & 1 << 8)

    def is_archive(self) -> bool:
        """Tell whether the object is an archive."""
        return bool(self.flags & 1 << 9)


@attrs.frozen
class BucketList:
    """Hold one page of a listing; an empty ``continuation_token`` marks the last one."""

    uuid: str = ""
    entries: Sequence[BucketEntry] = ()
    continuation_token: str = ""
    flags: int = 0


@attrs.frozen
class BucketSummary:
    """Count what a bucket holds, in objects and bytes."""

    bucket: BucketModel
    present_objects: int = 0
    remote_objects: int = 0
    min_size: int = 0
    avg_size: int = 0
    max_size: int = 0
    size_on_disk: int = 0
    present_size: int = 0
    remote_size: int = 0
    total_disks_size: int = 0
    used_pct: int = 0
    is_present: bool = False


@attrs.frozen
class BucketInfo:
    """Hold the properties of a bucket and, if it was asked for, its summary."""

    props: Mapping[str, Any]
    summary: BucketSummary | None = None


@attrs.frozen
class BucketInventory:
    """Describe a list of a bucket's names that was made before; ``nat`` counts the targets.

    ``started`` and ``finished`` are in nanoseconds since the epoch, ``finished`` 0 before its end.
    """

    name: str
    bucket: str = ""
    obj_name: str = ""
    size: int = 0
    started: int = 0
    finished: int = 0
    ntotal: int = 0
    smap_ver: int = 0
    chunks: int = 0
    nat: int = 0


@attrs.frozen
class JobStatus:
    """Describe a job; ``end_time`` is in nanoseconds since the epoch, 0 while it runs."""

    uuid: str = ""
    err: str = ""
    end_time: int = 0
    aborted: bool = False
    kind: str = ""
    is_idle: bool = False


@attrs.frozen
class ETLInfo:
    """Describe a running ETL and what went through it."""

    id: str = ""
    xaction_id: str = ""
    obj_count: int = 0
    in_bytes: int = 0
    out_bytes: int = 0
    stage: str = ""
