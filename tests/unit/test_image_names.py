"""Every row of the image tables, public-api.md §14.6."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from neuro_client.image_names import parse_local, parse_remote
from neuro_client.models import LocalImage, RemoteImage, Scope, TagOption

NO_ORG = Scope("alpha", None, "ada")
ACME = Scope("alpha", "acme", "ada")
REGISTRIES = {
    "alpha": URL("https://reg-alpha.example"),
    "beta": URL("https://reg-beta.example:5050"),
}
HOSTS = {"alpha": "reg-alpha.example", "beta": "reg-beta.example:5050"}


def platform(
    owner: str, name: str, org: str | None, tag: str | None = "latest", cluster: str = "alpha"
) -> RemoteImage:
    return RemoteImage.new_neuro_image(
        name, HOSTS[cluster], owner=owner, cluster_name=cluster, org_name=org, tag=tag
    )


@pytest.mark.parametrize(
    ("text", "name", "tag"),
    [
        ("ubuntu", "ubuntu", "latest"),
        ("ubuntu:22.04", "ubuntu", "22.04"),
        ("lib/ubuntu", "lib/ubuntu", "latest"),
        ("a/b/c:1", "a/b/c", "1"),
        ("localhost:5000/a/b:t", "localhost:5000/a/b", "t"),
        ("localhost:5000/a", "localhost:5000/a", "latest"),
    ],
)
def test_local(text: str, name: str, tag: str) -> None:
    image = parse_local(text)
    assert image == LocalImage(name, tag)
    assert str(image) == f"{name}:{tag}"


@pytest.mark.parametrize(
    "text", ["", "-x", "a:", ":a", "a:b:c", "Upper", "image:x", "a:" + "t" * 129, "/a", "a b"]
)
def test_not_a_local_image(text: str) -> None:
    with pytest.raises(ValueError):
        parse_local(text)


ROWS = [
    ("image:img", platform("ada", "img", None), platform("ada", "img", "acme")),
    (
        "image:dir/img:v1",
        platform("ada", "dir/img", None, "v1"),
        platform("ada", "dir/img", "acme", "v1"),
    ),
    ("image:/bob/img", platform("bob", "img", None), platform("bob", "img", "acme")),
    ("image://alpha/bob/img", platform("bob", "img", None), platform("bob", "img", None)),
    (
        "image://alpha/acme/bob/img",
        platform("acme", "bob/img", None),
        platform("bob", "img", "acme"),
    ),
    (
        "image://beta/bob/img",
        platform("bob", "img", None, cluster="beta"),
        platform("bob", "img", None, cluster="beta"),
    ),
    (
        "reg-alpha.example/bob/img:v1",
        platform("bob", "img", None, "v1"),
        platform("bob", "img", None, "v1"),
    ),
    (
        "reg-beta.example:5050/bob/img",
        platform("bob", "img", None, cluster="beta"),
        platform("bob", "img", None, cluster="beta"),
    ),
]


@pytest.mark.parametrize(("text", "plain", "with_org"), ROWS)
def test_platform(text: str, plain: RemoteImage, with_org: RemoteImage) -> None:
    assert parse_remote(text, NO_ORG, REGISTRIES) == plain
    assert parse_remote(text, ACME, REGISTRIES) == with_org


@pytest.mark.parametrize(
    ("text", "registry", "name", "tag"),
    [
        ("ubuntu:22.04", None, "ubuntu", "22.04"),
        ("docker.io/lib/x:1", None, "docker.io/lib/x", "1"),
        ("localhost:5000/a/b:t", "localhost:5000", "a/b", "t"),
        ("ubuntu", None, "ubuntu", "latest"),
    ],
)
@pytest.mark.parametrize("option", list(TagOption))
def test_external(text: str, registry: str | None, name: str, tag: str, option: TagOption) -> None:
    image = parse_remote(text, ACME, REGISTRIES, option)
    assert image == RemoteImage.new_external_image(name, registry, tag=tag)
    assert not image.is_platform_image


def test_the_organisation_s_own_name_is_not_an_owner() -> None:
    assert parse_remote("image://alpha/acme/img", NO_ORG, REGISTRIES).owner == "acme"
    with pytest.raises(ValueError, match="names no image"):
        parse_remote("image://alpha/acme/img", ACME, REGISTRIES)


@pytest.mark.parametrize(
    "text",
    [
        "image:",
        "image://alpha",
        "image://alpha/bob",
        "image:/bob",
        "reg-alpha.example/img",
        "image:latest",
        "image:img#",
        "image:img?x",
        "image:Img",
        "-x",
        "",
    ],
)
def test_not_a_remote_image(text: str) -> None:
    with pytest.raises(ValueError):
        parse_remote(text, NO_ORG, REGISTRIES)


def test_an_unknown_cluster() -> None:
    with pytest.raises(RuntimeError, match=r"gamma.*alpha, beta"):
        parse_remote("image://gamma/bob/img", NO_ORG, REGISTRIES)


def test_tag_options() -> None:
    def parse(text: str, option: TagOption) -> str | None:
        return parse_remote(text, NO_ORG, REGISTRIES, option).tag

    assert parse("image:img", TagOption.DEFAULT) == "latest"
    assert parse("image:img", TagOption.ALLOW) is None
    assert parse("image:img", TagOption.DENY) is None
    assert parse("image:img:v1", TagOption.DEFAULT) == "v1"
    assert parse("image:img:v1", TagOption.ALLOW) == "v1"
    with pytest.raises(ValueError, match="v1"):
        parse("image:img:v1", TagOption.DENY)


@pytest.mark.parametrize(
    ("image", "text", "reference", "url"),
    [
        (
            platform("bob", "img", None, "v1"),
            "image://alpha/bob/img:v1",
            "reg-alpha.example/bob/img:v1",
            "https://reg-alpha.example/bob/img:v1",
        ),
        (
            platform("bob", "img", "acme", "v1"),
            "image://alpha/acme/bob/img:v1",
            "reg-alpha.example/acme/bob/img:v1",
            "https://reg-alpha.example/acme/bob/img:v1",
        ),
        (
            RemoteImage.new_external_image("a/b", "localhost:5000", tag="t"),
            "a/b:t",
            "a/b:t",
            "a/b:t",
        ),
        (RemoteImage("ubuntu"), "ubuntu", "ubuntu", "ubuntu"),
    ],
)
def test_formatted(image: RemoteImage, text: str, reference: str, url: str) -> None:
    assert str(image) == text
    assert image.as_docker_url() == reference
    assert image.as_docker_url(with_scheme=True) == url


@pytest.mark.parametrize(
    "fields",
    [
        {"owner": "bob", "registry": "r"},
        {"cluster_name": "alpha", "registry": "r"},
        {"owner": "bob"},
        {"cluster_name": "alpha"},
        {"owner": "bob", "cluster_name": "alpha"},
    ],
)
def test_half_a_platform_image(fields: dict[str, str]) -> None:
    with pytest.raises(ValueError):
        RemoteImage("img", **fields)


def test_another_tag() -> None:
    assert platform("bob", "img", None, "v1").with_tag("v2") == platform("bob", "img", None, "v2")


part = st.from_regex(r"[a-z0-9]{1,5}([._-][a-z0-9]{1,3})?", fullmatch=True)
owner = st.from_regex(r"[a-z][a-z0-9-]{0,6}", fullmatch=True)


@given(
    st.sampled_from([NO_ORG, ACME]),
    owner.filter(lambda name: name != "acme"),
    st.lists(part, min_size=1, max_size=3),
    st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,8}", fullmatch=True),
    st.sampled_from(["alpha", "beta"]),
)
def test_text_leads_back(
    scope: Scope, owner: str, parts: list[str], tag: str, cluster: str
) -> None:
    image = platform(owner, "/".join(parts), scope.org_name, tag, cluster)
    assert parse_remote(str(image), scope, REGISTRIES) == image
    assert parse_remote(image.as_docker_url(), scope, REGISTRIES) == image
