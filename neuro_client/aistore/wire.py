"""JSON and msgpack of AIStore; numbers may be texts, empty lists null (aistore.md §1.2, §15)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ..errors import ProtocolError
from .extras import packing
from .models import (
    BucketEntry,
    BucketInventory,
    BucketList,
    BucketModel,
    BucketSummary,
    ETLInfo,
    JobStatus,
    NetInfo,
    Smap,
    Snode,
)
from .names import Namespace

if TYPE_CHECKING:
    from .buckets.bucket import Bucket

MSGPACK = "application/msgpack"


def action(name: str, value: object = None, target: str = "") -> dict[str, Any]:
    """Build the body of most calls; *target* is the name the action is about."""
    return {"action": name, "name": target, "value": value}


def document(body: bytes, what: str) -> Any:
    """Decode JSON, whatever its content type."""
    try:
        return json.loads(body)
    except ValueError:
        raise ProtocolError(
            f"{what} is not JSON ({len(body)} bytes, starting {body[:40]!r}); "
            "check that the URL is that of an AIStore proxy"
        ) from None


def mapping(value: Any, what: str) -> Mapping[str, Any]:
    """Return a JSON object."""
    if not isinstance(value, dict):
        raise ProtocolError(f"{what} is not a JSON object")
    return value


def items(value: Any, what: str) -> Sequence[Any]:
    """Return a JSON array; null is an empty one."""
    if value is None:
        return ()
    if not isinstance(value, list):
        raise ProtocolError(f"{what} is not a JSON array")
    return value


def number(found: Mapping[str, Any], key: str, what: str) -> int:
    """Return an integer that may be written as a text; absent is 0."""
    value = found.get(key)
    if value is None or value == "":
        return 0
    try:
        if isinstance(value, bool | float):
            raise ValueError
        return int(value)
    except (TypeError, ValueError):
        raise ProtocolError(f"$.{key} of {what} is not a whole number") from None


def text(found: Mapping[str, Any], key: str, what: str) -> str:
    """Return a text; absent is empty."""
    value = found.get(key)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise ProtocolError(f"$.{key} of {what} is not a text")
    return value


def moment(found: Mapping[str, Any], key: str, what: str) -> datetime | None:
    """Return a time of RFC 3339; absent, empty and the year 1 are none."""
    written = text(found, key, what)
    if not written:
        return None
    try:
        time = datetime.fromisoformat(written)
    except ValueError:
        raise ProtocolError(f"$.{key} of {what} is not a time: {written[:40]!r}") from None
    if time.year == 1:
        return None
    return time if time.tzinfo is not None else time.replace(tzinfo=UTC)


def job_id(body: bytes) -> str:
    """Return the id of a job, which some servers quote."""
    return body.decode("utf-8", "replace").strip().strip('"')


def read_smap(value: Any) -> Smap:
    """Read a cluster map."""
    what = "the cluster map"
    found = mapping(value, what)
    return Smap(
        tmap=_nodes(found.get("tmap"), "tmap"),
        pmap=_nodes(found.get("pmap"), "pmap"),
        proxy_si=_node(found.get("proxy_si") or {}, "proxy_si"),
        version=number(found, "version", what),
        uuid=text(found, "uuid", what),
        creation_time=text(found, "creation_time", what),
    )


def _nodes(value: Any, where: str) -> dict[str, Snode]:
    found = mapping({} if value is None else value, f"$.{where} of the cluster map")
    return {key: _node(node, f"{where}.{key}") for key, node in found.items()}


def _node(value: Any, where: str) -> Snode:
    what = f"$.{where} of the cluster map"
    found = mapping(value, what)
    return Snode(
        daemon_id=text(found, "daemon_id", what),
        daemon_type=text(found, "daemon_type", what),
        public_net=_net(found.get("public_net"), what),
        intra_control_net=_net(found.get("intra_control_net"), what),
        intra_data_net=_net(found.get("intra_data_net"), what),
        pub_extra=tuple(_net(net, what) for net in items(found.get("pub_extra"), what)),
        flags=number(found, "flags", what),
        id_digest=number(found, "id_digest", what),
    )


def _net(value: Any, what: str) -> NetInfo:
    found = mapping({} if value is None else value, what)
    return NetInfo(
        text(found, "node_ip_addr", what),
        text(found, "daemon_port", what),
        text(found, "direct_url", what),
    )


def read_buckets(value: Any) -> list[BucketModel]:
    """Read a list of buckets."""
    return [read_bucket(item) for item in items(value, "the list of buckets")]


def read_bucket(value: Any) -> BucketModel:
    """Read the name of a bucket; an empty namespace is none."""
    what = "a bucket"
    found = mapping(value, what)
    space = mapping(found.get("namespace") or {}, what)
    uuid, name = text(space, "uuid", what), text(space, "name", what)
    return BucketModel(
        text(found, "name", what),
        text(found, "provider", what),
        Namespace(uuid, name) if uuid or name else None,
    )


def read_statuses(value: Any) -> list[JobStatus]:
    """Read a list of job states, null for none."""
    return [read_status(item) for item in items(value, "the list of jobs")]


def read_status(value: Any) -> JobStatus:
    """Read the state of a job."""
    what = "the state of a job"
    found = mapping(value, what)
    return JobStatus(
        uuid=text(found, "uuid", what),
        err=text(found, "err", what),
        end_time=number(found, "end_time", what),
        aborted=found.get("aborted") is True,
        kind=text(found, "kind", what),
        is_idle=found.get("is_idle") is True,
    )


def read_etls(value: Any) -> list[ETLInfo]:
    """Read a list of ETLs."""
    what = "an ETL"
    found = [mapping(item, what) for item in items(value, "the list of ETLs")]
    return [
        ETLInfo(
            text(item, "id", what) or text(item, "name", what),
            text(item, "xaction_id", what),
            number(item, "obj_count", what),
            number(item, "in_bytes", what),
            number(item, "out_bytes", what),
            text(item, "stage", what),
        )
        for item in found
    ]


def read_summary(value: Any) -> BucketSummary:
    """Read the summary of one bucket."""
    what = "a bucket summary"
    found = mapping(value, what)
    count = mapping(found.get("ObjCount") or {}, what)
    sizes = mapping(found.get("ObjSize") or {}, what)
    total = mapping(found.get("TotalSize") or {}, what)
    return BucketSummary(
        bucket=read_bucket(found),
        present_objects=number(count, "obj_count_present", what),
        remote_objects=number(count, "obj_count_remote", what),
        min_size=number(sizes, "obj_min_size", what),
        avg_size=number(sizes, "obj_avg_size", what),
        max_size=number(sizes, "obj_max_size", what),
        size_on_disk=number(total, "size_on_disk", what),
        present_size=number(total, "size_all_present_objs", what),
        remote_size=number(total, "size_all_remote_objs", what),
        total_disks_size=number(total, "total_disks_size", what),
        used_pct=number(found, "used_pct", what),
        is_present=found.get("is_present") is True,
    )


def read_inventories(value: Any) -> dict[str, BucketInventory]:
    """Read the inventories of a bucket, null for none."""
    what = "an inventory"
    numbers = ("size", "started", "finished", "ntotal", "smap_ver", "chunks", "nat")
    told = mapping({} if value is None else value, "the inventories")
    found = {}
    for name, item in told.items():
        one = mapping(item, what)
        found[name] = BucketInventory(
            text(one, "name", what) or name,
            text(one, "bucket", what),
            text(one, "obj_name", what),
            *(number(one, key, what) for key in numbers),
        )
    return found


def read_page(body: bytes, kind: str, bucket: Bucket | None) -> BucketList:
    """Read one page of a listing, in either form."""
    if kind.partition(";")[0].strip() == MSGPACK:
        return _packed_page(body, bucket)
    found = mapping(document(body, "a page of the listing"), "a page of the listing")
    what = "an entry of the listing"
    entries = [mapping(item, what) for item in items(found.get("entries"), "$.entries")]
    return BucketList(
        text(found, "uuid", what),
        tuple(
            BucketEntry(
                text(item, "name", what),
                text(item, "checksum", what),
                text(item, "atime", what),
                text(item, "version", what),
                text(item, "location", what),
                text(item, "custom-md", what),
                number(item, "size", what),
                number(item, "copies", what),
                number(item, "flags", what),
                bucket,
            )
            for item in entries
        ),
        text(found, "continuation_token", what),
        number(found, "flags", what),
    )


def _packed_page(body: bytes, bucket: Bucket | None) -> BucketList:
    try:
        found = packing().unpackb(body, strict_map_key=False)
        return BucketList(
            found.get("UUID") or "",
            tuple(
                [
                    BucketEntry(
                        item["n"],
                        item.get("cs", ""),
                        item.get("a", ""),
                        item.get("v", ""),
                        item.get("t", ""),
                        item.get("m", ""),
                        item.get("s", 0),
                        item.get("c", 0),
                        item.get("f", 0),
                        bucket,
                    )
                    for item in found.get("Entries") or ()
                ]
            ),
            found.get("ContinuationToken") or "",
            found.get("Flags") or 0,
        )
    # The decoder has a dozen of errors of its own; a wrong shape shows as one of these.
    except Exception as error:
        raise ProtocolError(
            f"A page of the listing cannot be read ({len(body)} bytes of msgpack, "
            f"{type(error).__name__}); it was cut off, or this is no AIStore"
        ) from error
