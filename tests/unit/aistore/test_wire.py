"""What servers write is read in every form that some version has (aistore.md §4, §10, §21)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from multidict import CIMultiDict

from neuro_client.aistore import ListObjectFlag, ObjectAttributes, wire
from neuro_client.aistore.buckets.listing import flag_bits
from neuro_client.aistore.extras import packing
from neuro_client.aistore.objects.attributes import same_content
from neuro_client.aistore.versions import read_version
from neuro_client.errors import ProtocolError

msgpack = packing()

PACKED: dict[str, Any] = {
    "UUID": "gfmXRPPpm",
    "ContinuationToken": "d/o002",
    "Entries": [
        {"n": "d/o000", "f": 64},
        {"n": "d/o001", "s": 1, "f": 64, "cs": "048a", "v": "1", "a": "x", "t": "t[x]", "c": 1},
        {"n": "d/", "f": 256, "of": "tomorrow", "m": "[ETag:a:b]"},
        {"n": "a.tar/x", "f": 192},
        {"n": "a.tar", "f": 576},
        {"n": "lost", "f": 2},
    ],
    "Flags": 0,
}
KEYS = {
    "n": "name", "f": "flags", "s": "size", "cs": "checksum", "v": "version", "a": "atime",
    "t": "location", "c": "copies", "m": "custom-md", "of": "of",
}  # fmt: skip


def as_json(page: dict[str, Any]) -> dict[str, Any]:
    entries = [{KEYS[key]: value for key, value in item.items()} for item in page["Entries"]]
    for item in entries:
        if "size" in item:
            item["size"] = str(item["size"])
    return {
        "uuid": page["UUID"],
        "continuation_token": page["ContinuationToken"],
        "entries": entries,
        "flags": page["Flags"],
        "of": "tomorrow",
    }


def test_both_forms_of_a_page_say_the_same() -> None:
    packed = wire.read_page(msgpack.packb(PACKED), "application/msgpack", None)
    plain = wire.read_page(str(as_json(PACKED)).replace("'", '"').encode(), "text/plain", None)
    assert packed == plain
    assert (packed.uuid, packed.continuation_token) == ("gfmXRPPpm", "d/o002")
    first, second, folder, member, archive, lost = packed.entries
    assert (first.size, first.is_cached(), first.is_ok()) == (0, True, True)
    assert (second.size, second.checksum, second.version, second.copies) == (1, "048a", "1", 1)
    assert folder.is_dir() and folder.custom_md == "[ETag:a:b]"
    assert member.is_inside_archive() and not member.is_archive()
    assert archive.is_archive() and archive.is_cached()
    assert lost.status == 2 and not lost.is_ok()
    with pytest.raises(ValueError, match="no bucket"):
        _ = first.object


def test_an_empty_bucket_is_null_or_nothing() -> None:
    entries: Any
    for entries in ([], None):
        packed = msgpack.packb({"UUID": "x", "ContinuationToken": "", "Entries": entries})
        assert wire.read_page(packed, "application/msgpack", None).entries == ()
    assert wire.read_page(b'{"entries": null, "uuid": "x"}', "application/json", None).entries == ()


def test_a_truncated_page_is_told() -> None:
    whole = msgpack.packb(PACKED)
    for size in (0, 1, 10, len(whole) - 1):
        with pytest.raises(ProtocolError, match="cut off"):
            wire.read_page(whole[:size], "application/msgpack", None)
    wrong: Any
    for wrong in ([], {"Entries": [{}]}, {"Entries": "x"}):
        with pytest.raises(ProtocolError):
            wire.read_page(msgpack.packb(wrong), "application/msgpack", None)
    for text in (b"", b"{", b"[]", b'{"entries": {}}', b'{"entries": [1]}', b"<html>"):
        with pytest.raises(ProtocolError):
            wire.read_page(text, "application/json", None)


def test_flags_are_a_text_and_count_once() -> None:
    assert flag_bits(None) == flag_bits([]) == "0"
    cached = ListObjectFlag.CACHED
    assert flag_bits([cached, cached, ListObjectFlag.NO_RECURSION]) == str(1 | 1 << 11)
    numbers = {name: flag.value for name, flag in ListObjectFlag.__members__.items()}
    assert (numbers["MISSING"], numbers["ALL"], numbers["DONT_HEAD_REMOTE"]) == (1, 1, 7)
    assert not hasattr(ListObjectFlag, "TRY_HEAD_REMOTE")
    with pytest.raises(ValueError):
        flag_bits([14])  # type: ignore[list-item]


NODE = {
    "public_net": {
        "node_ip_addr": "127.0.0.1",
        "daemon_port": "8080",
        "direct_url": "http://127.0.0.1:8080",
    },
    "intra_data_net": None,
    "daemon_type": "proxy",
    "daemon_id": "wGbp8080",
    "flags": 2,
    "id_digest": 10808230828177354191,
    "verifying_key": "x",
}


def test_a_map_keeps_its_large_numbers() -> None:
    smap = wire.read_smap(
        {"pmap": {"wGbp8080": NODE}, "proxy_si": NODE, "tmap": None, "uuid": "Y", "version": "4"}
    )
    assert smap.version == 4 and smap.tmap == {}
    assert smap.pmap["wGbp8080"] == smap.proxy_si
    assert smap.proxy_si.id_digest == 10808230828177354191
    assert smap.proxy_si.public_net.node_ip_addr == "127.0.0.1"
    assert smap.proxy_si.in_service


@pytest.mark.parametrize(
    "value",
    [None, [], {"tmap": []}, {"version": "x"}, {"version": True}, {"uuid": 1}, {"version": 1.5},
     {"tmap": {"t": {"id_digest": 1e19}}}],
)  # fmt: skip
def test_a_map_that_is_none_names_the_place(value: Any) -> None:
    with pytest.raises(ProtocolError, match="cluster map"):
        wire.read_smap(value)


def test_lists_may_be_null() -> None:
    for read in (wire.read_buckets, wire.read_statuses, wire.read_etls):
        assert read(None) == []
    (bucket,) = wire.read_buckets(
        [{"name": "b", "provider": "ais", "namespace": {"uuid": "", "name": "ns1"}}]
    )
    assert bucket.namespace is not None and bucket.namespace.name == "ns1"
    (plain,) = wire.read_buckets([{"name": "b", "provider": "ais", "namespace": {}}])
    assert plain.namespace is None
    (status,) = wire.read_statuses([{"uuid": "u", "end_time": 5, "aborted": True}])
    assert (status.uuid, status.end_time, status.aborted, status.err) == ("u", 5, True, "")
    (etl,) = wire.read_etls([{"id": "e", "obj_count": "3"}])
    assert (etl.id, etl.obj_count, etl.stage) == ("e", 3, "")


def test_ids_of_jobs_may_be_quoted() -> None:
    assert wire.job_id(b'"ekbXRPPpm"\n') == wire.job_id(b"ekbXRPPpm") == "ekbXRPPpm"


def test_versions_are_read_as_people_and_tags_write_them() -> None:
    cases = {"5.0": (5, 0), "v1.5.0": (5, 0), "3.18": (3, 18), "1.4.3": (4, 3), "4.3.rc1": (4, 3)}
    assert {text: read_version(text) for text in cases} == cases
    assert read_version("") is None and read_version("unknown") is None


def test_attributes_are_what_the_headers_say() -> None:
    headers = CIMultiDict(
        [
            ("Content-Length", "11"),
            ("Ais-Checksum-Type", "xxhash2"),
            ("Ais-Checksum-Value", "45ab"),
            ("Ais-Atime", "1795199451381020553"),
            ("Ais-Version", "1"),
            ("Ais-Custom-Md", "k=v=1,2"),
            ("Ais-Custom-Md", "ETag=abc=="),
            ("Ais-Custom-Md", "broken"),
            ("Ais-Present", "true"),
            ("Ais-Mirror-Paths", "[/data/mp2/1 /data/mp3/1]"),
            ("Ais-Mirror-Copies", "2"),
            ("Last-Modified", "Fri, 20 Nov 2026 18:30:51 GMT"),
            ("Content-Range", "bytes 2-5/11"),
        ]
    )
    found = ObjectAttributes(headers)
    assert (found.size, found.checksum_type, found.checksum_value) == (11, "xxhash2", "45ab")
    assert (found.access_time, found.obj_version) == ("1795199451381020553", "1")
    assert found.custom_metadata == {"k": "v=1,2", "ETag": "abc=="}
    assert found.present and found.mirror_copies == 2
    assert found.mirror_paths == ("/data/mp2/1", "/data/mp3/1")
    assert found.last_modified == datetime(2026, 11, 20, 18, 30, 51, tzinfo=UTC)
    assert found.range() == (2, 11)
    assert ObjectAttributes({"Ais-Mirror-Paths": "/a,/b"}).mirror_paths == ("/a", "/b")
    empty = ObjectAttributes({})
    assert (empty.size, empty.checksum_type, empty.custom_metadata) == (0, "", {})
    assert empty.last_modified is None and empty.range() is None
    assert (found.version_tag, empty.version_tag) == ("11:1:45ab", "0::")


def test_contents_are_the_same_unless_something_says_otherwise() -> None:
    assert same_content("11:1:45ab", "11:1:45ab")
    for other in ("11::45ab", "11:1:", "11::"):
        assert same_content("11:1:45ab", other) and same_content(other, "11:1:45ab")
    for other in ("12:1:45ab", "11:2:45ab", "11:1:ffff", "12::"):
        assert not same_content("11:1:45ab", other) and not same_content(other, "11:1:45ab")
