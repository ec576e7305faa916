"""How buckets and objects are named (aistore.md §1.4)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import attrs

from .errors import AISError, bad_request

_ALIASES = {"s3": "aws", "gs": "gcp", "az": "azure", "oc": "oci"}
_SCHEMES = {provider: scheme for scheme, provider in _ALIASES.items()}
_PROVIDERS = {"ais", "aws", "azure", "gcp", "oci"}
_OLD_PROVIDERS = {"ht"}
_BUCKET = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,63}")
_NAMESPACE = re.compile(r"(?:@(?P<uuid>[^#]*))?(?:#(?P<name>.*))?")
# Longer than any path on a disk; the cluster has such a limit too.
_LONGEST_OBJECT = 4096


@attrs.frozen
class Bck:
    """Name a bucket."""

    name: str
    provider: str = "ais"
    uuid: str = ""
    namespace: str = ""

    @property
    def path(self) -> str:
        """Return the path form, which ends in a slash."""
        return f"{self.provider}/@{self.uuid}#{self.namespace}/{self.name}/"

    @property
    def is_remote(self) -> bool:
        """Tell whether the content is another system's."""
        return self.provider != "ais" or bool(self.uuid)

    @property
    def model(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "name": self.name,
            "provider": self.provider,
            "namespace": {"uuid": self.uuid, "name": self.namespace},
        }

    def __str__(self) -> str:
        space = f"@{self.uuid}" if self.uuid else ""
        space += f"#{self.namespace}" if self.namespace else ""
        scheme = _SCHEMES.get(self.provider, self.provider)
        return f"{scheme}://{space}/{self.name}" if space else f"{scheme}://{self.name}"

    def uri(self, name: str) -> str:
        """Return how messages name an object."""
        return f"{self}/{name}"

    @classmethod
    def of_query(cls, name: str, query: Mapping[str, str], *, old: bool = False) -> Bck:
        """Read name and query; ``old`` also takes the providers of older servers."""
        provider = provider_of(query.get("provider", ""), old=old) or "ais"
        uuid, namespace = namespace_of(query.get("namespace", ""))
        return cls(bucket_name(name), provider, uuid, namespace)

    @classmethod
    def of_path(cls, path: str) -> Bck:
        """Read the path form of ``bck_to``."""
        parts = path.strip("/").split("/")
        if len(parts) != 3:
            raise bad_request(f"invalid bucket name {path!r}")
        uuid, namespace = namespace_of(parts[1])
        return cls(bucket_name(parts[2]), provider_of(parts[0]) or "ais", uuid, namespace)

    @classmethod
    def of_model(cls, model: Any) -> Bck:
        """Read the JSON form."""
        if not isinstance(model, Mapping) or not isinstance(model.get("name"), str):
            raise bad_request("the bucket has no name")
        space = model.get("namespace") or {}
        if not isinstance(space, Mapping):
            raise bad_request("the namespace of the bucket is not an object")
        return cls(
            bucket_name(model["name"]),
            provider_of(str(model.get("provider") or "")) or "ais",
            str(space.get("uuid") or ""),
            str(space.get("name") or ""),
        )


def provider_of(text: str, *, old: bool = False) -> str:
    """Return the usual name of a provider, empty for none."""
    found = _ALIASES.get(text.lower(), text.lower())
    if found and found not in _PROVIDERS and not (old and found in _OLD_PROVIDERS):
        raise bad_request(f'invalid backend provider "{text}"', "ErrInvalidBackendProvider")
    return found


def namespace_of(text: str) -> tuple[str, str]:
    """Read ``@uuid#name``."""
    match = _NAMESPACE.fullmatch(text)
    if match is None:
        raise bad_request(f'invalid namespace "{text}"')
    return match["uuid"] or "", match["name"] or ""


def bucket_name(name: str) -> str:
    """Return a name that is allowed."""
    if not _BUCKET.fullmatch(name) or ".." in name:
        raise bad_request(
            f'bucket name "{name}" is invalid: may only contain letters, numbers, dashes (-), '
            "underscores (_), and dots (.)",
            "ErrInvalidBucketName",
        )
    return name


def object_name(name: str) -> str:
    """Return a name that is allowed."""
    parts = name.split("/")
    if (
        not name
        or name.endswith("/")
        or name.startswith("~/")
        or "." in parts
        or ".." in parts
        or "\0" in name
        or len(name.encode("utf-8", "surrogatepass")) > _LONGEST_OBJECT
    ):
        raise bad_request(f'invalid object name "{name[:200]}"', "ErrInvalidObjName")
    try:
        name.encode()
    except UnicodeEncodeError:
        raise bad_request("the object name is not UTF-8", "ErrInvalidObjName") from None
    return name


def object_of_uname(uname: str) -> tuple[Bck, str]:
    """Read ``provider/@uuid#ns/bucket/object``."""
    parts = uname.split("/", 3)
    if len(parts) != 4:
        raise bad_request(f"invalid object name {uname!r}")
    return Bck.of_path("/".join(parts[:3])), object_name(parts[3])


def no_bucket(bck: Bck) -> AISError:
    """Return the refusal of a bucket that is not there (§3.4)."""
    if not bck.is_remote:
        return AISError(404, f'bucket "{bck}" does not exist', "ErrBckNotFound")
    kind = "remote" if bck.provider == "ais" else bck.provider
    return AISError(404, f'{kind} bucket "{bck}" does not exist', "ErrRemoteBckNotFound")


def bucket_exists(bck: Bck, status: int = 409) -> AISError:
    """Return the refusal of a name that is taken."""
    return AISError(status, f'bucket "{bck}" already exists', "ErrBucketAlreadyExists")
