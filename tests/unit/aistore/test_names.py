"""Names, placement and checksums: against the facts and against vectors of a real cluster."""

from __future__ import annotations

import pytest
from yarl import URL

from neuro_client.aistore import AIStore, Bucket, InvalidBckProvider, Namespace, Snode
from neuro_client.aistore.connection.placement import digest, mix, owner
from neuro_client.aistore.names import check_bucket, check_object, provider_of
from neuro_client.aistore.objects import checksums


@pytest.fixture
def ais() -> AIStore:
    return AIStore("http://proxy.example:8080/")


def test_mixing_gives_the_published_values() -> None:
    """aistore.md §2.5."""
    assert mix(4573842) == 5026071747115404967
    assert mix(0) == 1905207664160064169


def _target(name: str, number: int, flags: int = 0) -> Snode:
    return Snode(name, "target", id_digest=number, flags=flags)


def test_an_object_has_one_owner_in_service() -> None:
    targets = [_target("a", 10808230828177354191), _target("b", 10012215089812154368)]
    names = [f"ais/@#/b1/o{number}" for number in range(200)]
    chosen = {name: owner(name, targets) for name in names}
    shares = [sum(node is target for node in chosen.values()) for target in targets]
    assert sum(shares) == 200
    assert min(shares) > 60
    expected = max(targets, key=lambda node: mix(digest(names[0]) ^ node.id_digest))
    assert chosen[names[0]] is expected
    # A target in maintenance (bit 2) or about to leave (bit 3) owns nothing.
    for flags in (1 << 2, 1 << 3):
        left = [_target("a", targets[0].id_digest, flags), targets[1]]
        assert {owner(name, left) for name in names} == {targets[1]}
        assert owner("x", [_target("a", 1, flags)]) is None
    # Bits of proxies (0, 1) and of maintenance that is over (4) say nothing about it.
    assert owner("x", [_target("a", 1, 1 << 0 | 1 << 1 | 1 << 4)]) is not None


def test_checksums_are_those_of_a_cluster() -> None:
    """aistore.md §21."""
    assert checksums.of("xxhash2", b"hello world") == "45ab6734b21e6968"
    assert checksums.of("xxhash2", b"") == "ef46db3751d8e999"
    assert checksums.of("xxhash", b"") == checksums.of("xxhash2", b"")
    assert checksums.of("md5", b"") == "d41d8cd98f00b204e9800998ecf8427e"
    assert checksums.of("crc32c", b"123456789") == "e3069283"
    assert checksums.of("sha256", b"") == (
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    )
    assert len(checksums.of("sha512", b"") or "") == 128
    assert checksums.of("none", b"x") is None
    assert checksums.of("of-tomorrow", b"x") is None


def test_a_bucket_has_names_for_each_place(ais: AIStore) -> None:
    bucket = ais.bucket("b1")
    assert bucket.qparam == {"provider": "ais"}
    assert bucket.get_path() == "ais/@#/b1/"
    assert bucket.object("dir/o").uname == "ais/@#/b1/dir/o"
    assert bucket.as_model().as_dict() == {"name": "b1", "provider": "ais"}
    spaced = ais.bucket("b1", namespace=Namespace("uuid", "ns"))
    assert spaced.qparam == {"provider": "ais", "namespace": "@uuid#ns"}
    assert spaced.get_path() == "ais/@uuid#ns/b1/"
    assert spaced.query == "provider=ais&namespace=%40uuid%23ns"
    assert spaced.as_model().as_dict()["namespace"] == {"uuid": "uuid", "name": "ns"}
    assert spaced.is_remote and not bucket.is_remote
    assert not ais.bucket("b1", namespace=Namespace(name="ns")).is_remote
    assert ais.bucket("b", "s3").provider == "aws"
    assert repr(ais.bucket("b", "gs")) == "<Bucket gcp://b>"


def test_providers_are_known_by_their_aliases() -> None:
    known = {"s3": "aws", "gs": "gcp", "az": "azure", "oc": "oci", "AIS": "ais", "ht": "ht"}
    assert {alias: provider_of(alias) for alias in known} == known
    with pytest.raises(InvalidBckProvider, match="ftp"):
        provider_of("ftp")


def test_calls_for_the_wrong_provider_are_refused(ais: AIStore) -> None:
    with pytest.raises(InvalidBckProvider, match="elsewhere"):
        ais.bucket("b").verify_cloud_bucket()
    with pytest.raises(InvalidBckProvider, match="ais only"):
        ais.bucket("b", "aws").verify_ais_bucket()
    ais.bucket("b", "aws").verify_cloud_bucket()
    ais.bucket("b", namespace=Namespace("uuid")).verify_cloud_bucket()


@pytest.mark.parametrize(
    "name", ["", "a/b", "a..b", "späß", "a b", "../x", "a\n", "x" * 65, "a?b", "a#b"]
)
def test_no_bucket_has_such_a_name(name: str) -> None:
    with pytest.raises(ValueError, match="bucket"):
        check_bucket(name)


@pytest.mark.parametrize(
    "name", ["", "a/", "/a", "~/a", ".", "..", "a/../b", "./a", "a/.", "a\0b", "\ud800"]
)
def test_no_object_has_such_a_name(name: str) -> None:
    with pytest.raises(ValueError, match="object"):
        check_object(name)


def test_the_address_of_an_object_keeps_every_character(ais: AIStore) -> None:
    """aistore.md §21, path with special characters."""
    url = ais.bucket("b1").object("sp ace%+#?é/x").get_url()
    root = "http://proxy.example:8080/v1/objects/b1"
    assert url == f"{root}/sp%20ace%25%2B%23%3F%C3%A9/x?provider=ais"
    assert ais.bucket("b1").object("a").get_url("in/x", "etl") == (
        f"{root}/a?provider=ais&archpath=in%2Fx&etl_name=etl"
    )


def test_urls_name_buckets_and_objects(ais: AIStore) -> None:
    for text in ("ais://B_1/dir/a%20b", "ais:B_1/dir/a%20b"):
        bucket, key = ais.parse_url(text)
        assert (bucket.uri, key) == ("ais://B_1", "dir/a%20b")
    bucket, key = ais.parse_url(URL("ais:B_1/dir/a%20b"))
    assert (bucket.name, key) == ("B_1", "dir/a b")
    bucket, key = ais.parse_url(URL("ais://b/x?provider=aws"))
    assert (bucket.uri, key) == ("aws://b", "x")
    assert ais.parse_url("s3://b")[0].uri == "aws://b"
    assert ais.get_object_from_url("ais://b/o").uname == "ais/@#/b/o"
    for wrong in ("b/o", "ais://", "ais:///x", "ftp://b/o"):
        with pytest.raises(ValueError):
            ais.parse_url(wrong)
    with pytest.raises(ValueError, match="empty"):
        ais.get_object_from_url("ais://b")


async def test_a_bucket_without_a_client_sends_nothing() -> None:
    bucket = Bucket(None, "b")
    assert bucket.client is None
    with pytest.raises(ValueError, match="no client"):
        await bucket.head()
    with pytest.raises(ValueError, match="no client"):
        await bucket.object("o").put_content(b"")
