"""Names of container images, local and remote; pure functions.

Facts: public-api.md §14.6. They are in a module of their own below the parser because the jobs'
answers name images too.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from yarl import URL

from .models import LocalImage, RemoteImage, Scope, TagOption

DEFAULT_TAG = "latest"

_PART = r"[a-z0-9]+(?:[._-][a-z0-9]+)*"
_NAME = re.compile(rf"{_PART}(?:/{_PART})*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")


def parse_local(text: str) -> LocalImage:
    """Read the name of a local image; the tag defaults to ``latest``.

    Raises:
        ValueError: it is not a name that a container engine accepts.
    """
    if text.startswith("image:"):
        raise ValueError(f"{text!r} is an image of the platform; write the local name")
    registry, name, tag = _split_docker(text)
    return LocalImage(f"{registry}/{name}" if registry else name, tag or DEFAULT_TAG)


def parse_remote(
    text: str,
    scope: Scope,
    registries: Mapping[str, URL],
    tag_option: TagOption = TagOption.DEFAULT,
) -> RemoteImage:
    """Read the name of an image in the platform's registry or in a foreign one.

    ``registries`` maps the known clusters to their registries. ``tag_option`` concerns images of
    the platform; foreign ones get ``latest`` when they name no tag.

    Raises:
        ValueError: the name is malformed, or has a tag that is not wanted.
        RuntimeError: the cluster is unknown.
    """
    if text.startswith("image:"):
        return _parse_platform(text, scope, registries, tag_option)
    for cluster_name, url in registries.items():
        host = registry_host(url)
        if text.startswith(f"{host}/"):
            uri = f"image://{cluster_name}/{text[len(host) + 1 :]}"
            return _parse_platform(uri, scope, registries, tag_option)
    registry, name, tag = _split_docker(text)
    if registry and ":" not in registry:
        # Without a port it cannot be told from the first part of a name.
        registry, name = None, f"{registry}/{name}"
    return RemoteImage.new_external_image(name, registry, tag=tag or DEFAULT_TAG)


def registry_host(url: URL) -> str:
    """Return a registry's host with its port, as image names begin."""
    host = url.host or ""
    return host if url.explicit_port is None else f"{host}:{url.explicit_port}"


def _parse_platform(
    text: str, scope: Scope, registries: Mapping[str, URL], tag_option: TagOption
) -> RemoteImage:
    for mark in "#?":
        if mark in text:
            raise ValueError(f"{text!r}: an image name has no {mark!r}")
    rest = text.removeprefix("image:")
    if rest == DEFAULT_TAG:
        raise ValueError(f"{text!r} is ambiguous; write image:NAME:{DEFAULT_TAG}")
    cluster_name, org_name, owner, path = _locate(text, rest, scope)
    name, tag = _split_tag(text, path)
    if not _NAME.fullmatch(name):
        raise ValueError(
            f"{text!r}: {name!r} is not an image name; use lower-case letters, digits and "
            "single '.', '_' or '-' between them"
        )
    if tag is not None and tag_option is TagOption.DENY:
        raise ValueError(f"{text!r} has the tag {tag!r}; write it without")
    if tag is None and tag_option is TagOption.DEFAULT:
        tag = DEFAULT_TAG
    if cluster_name not in registries:
        known = ", ".join(registries) or "none"
        raise RuntimeError(f"{text!r}: the cluster {cluster_name!r} is unknown (known: {known})")
    return RemoteImage.new_neuro_image(
        name,
        registry_host(registries[cluster_name]),
        owner=owner,
        cluster_name=cluster_name,
        org_name=org_name,
        tag=tag,
    )


def _locate(text: str, rest: str, scope: Scope) -> tuple[str, str | None, str, str]:
    """Return cluster, organisation, owner and the tagged name."""
    if rest.startswith("//"):
        cluster_name, _, path = rest[2:].partition("/")
        org_name, owner_and_name = None, path
        first, _, others = path.partition("/")
        if scope.org_name is not None and first == scope.org_name:
            # Nothing in the long form says whether it has an organisation, so only the current
            # one is recognised.
            org_name, owner_and_name = first, others
        owner, _, name = owner_and_name.partition("/")
    elif rest.startswith("/"):
        cluster_name, org_name = scope.cluster_name, scope.org_name
        owner, _, name = rest.lstrip("/").partition("/")
    else:
        cluster_name, org_name = scope.cluster_name, scope.org_name
        owner, name = scope.username, rest
    if not name or not owner:
        raise ValueError(f"{text!r} names no image; write image:NAME or image:/OWNER/NAME")
    return cluster_name, org_name, owner, name


def _split_docker(text: str) -> tuple[str | None, str, str | None]:
    first, slash, rest = text.partition("/")
    registry, path = (first, rest) if slash else (None, text)
    name, tag = _split_tag(text, path)
    if registry == "" or not _NAME.fullmatch(name):
        raise ValueError(
            f"{text!r} is not an image name; write NAME[:TAG] with lower-case letters and digits, "
            "or image:NAME for an image of the platform"
        )
    return registry, name, tag


def _split_tag(text: str, path: str) -> tuple[str, str | None]:
    name, colon, tag = path.partition(":")
    if not colon:
        return name, None
    if not _TAG.fullmatch(tag):
        raise ValueError(
            f"{text!r}: {tag!r} is not a tag; use up to 128 letters, digits, '_', '.' and '-'"
        )
    return name, tag
