"""Words that several subsystems share; records are positional in the published order.

Facts: public-api.md §6, §8, §10.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final

import attrs
from yarl import URL

_MIB = 2**20


class Unset(enum.Enum):
    """Be the type of ``UNSET``: an argument that was not given, where None means something."""

    UNSET = "UNSET"

    def __repr__(self) -> str:
        return "UNSET"


UNSET: Final = Unset.UNSET


class Action(str, enum.Enum):
    """Name what a permission allows."""

    READ = "read"
    WRITE = "write"
    MANAGE = "manage"


@attrs.frozen
class Permission:
    """Pair a resource with what may be done to it."""

    uri: URL
    action: Action


@attrs.frozen
class Share:
    """Name a user and what was shared with them."""

    user: str
    permission: Permission


@attrs.frozen
class Quota:
    """Hold the limits of a user or an organisation; None is unlimited."""

    credits: Decimal | None = None
    total_running_jobs: int | None = None


@attrs.frozen
class Scope:
    """Say where short URIs lead: the current cluster, organisation and user."""

    cluster_name: str
    org_name: str | None
    username: str

    @property
    def prefix(self) -> tuple[str, ...]:
        """Return the path components of the user's home."""
        return (self.username,) if self.org_name is None else (self.org_name, self.username)


class TagOption(enum.Enum):
    """Say what to do about the tag of an image name."""

    ALLOW = enum.auto()
    DENY = enum.auto()
    DEFAULT = enum.auto()


@attrs.frozen
class Tag:
    """Describe one tag of an image; ``size`` is in bytes."""

    name: str
    size: int | None = None


@attrs.frozen
class LocalImage:
    """Name an image of the local container engine."""

    name: str
    tag: str | None = None

    def __str__(self) -> str:
        return f"{self.name}:{self.tag}" if self.tag else self.name


@attrs.frozen
class RemoteImage:
    """Name an image in the platform's registry, or in a foreign one.

    A platform image has registry, cluster and owner. ``ValueError`` for combinations that are
    neither kind.
    """

    name: str
    tag: str | None = None
    owner: str | None = None
    registry: str | None = None
    cluster_name: str | None = None
    org_name: str | None = None

    def __attrs_post_init__(self) -> None:
        if self.registry is None:
            if self.owner or self.cluster_name:
                raise ValueError("An image with an owner or a cluster needs a registry")
        elif bool(self.owner) != bool(self.cluster_name):
            raise ValueError("An image of the platform needs both an owner and a cluster")

    @classmethod
    def new_neuro_image(
        cls,
        name: str,
        registry: str,
        *,
        owner: str,
        cluster_name: str,
        org_name: str | None,
        tag: str | None = None,
    ) -> RemoteImage:
        """Name an image of the platform."""
        return cls(name, tag, owner, registry, cluster_name, org_name)

    @classmethod
    def new_external_image(
        cls, name: str, registry: str | None = None, *, tag: str | None = None
    ) -> RemoteImage:
        """Name an image outside the platform."""
        return cls(name, tag, registry=registry)

    @property
    def is_platform_image(self) -> bool:
        """Tell whether the image is in the platform's registry."""
        return self.owner is not None

    def with_tag(self, tag: str | None) -> RemoteImage:
        """Return the same image under another tag."""
        return attrs.evolve(self, tag=tag)

    def as_docker_url(self, with_scheme: bool = False) -> str:
        """Return the reference a container engine understands; an external registry is dropped."""
        if not self.is_platform_image:
            return self._tagged(self.name)
        path = "/".join(p for p in (self.registry, self.org_name, self.owner, self.name) if p)
        return ("https://" if with_scheme else "") + self._tagged(path)

    def __str__(self) -> str:
        if not self.is_platform_image:
            return self._tagged(self.name)
        path = "/".join(p for p in (self.cluster_name, self.org_name, self.owner, self.name) if p)
        return self._tagged(f"image://{path}")

    def _tagged(self, text: str) -> str:
        return f"{text}:{self.tag}" if self.tag else text


@attrs.frozen
class Resources:
    """Describe the resources of a container; ``memory`` is in bytes."""

    memory: int
    cpu: float
    gpu: int | None = None
    gpu_model: str | None = None
    shm: bool = True
    tpu_type: str | None = None
    tpu_software_version: str | None = None

    @property
    def memory_mb(self) -> int:
        """Return the memory in whole MiB."""
        return self.memory // _MIB


@attrs.frozen
class HTTPPort:
    """Name the port that a job serves HTTP on."""

    port: int
    requires_auth: bool = True


@attrs.frozen
class Volume:
    """Mount a folder of the storage into a job."""

    storage_uri: URL
    container_path: str
    read_only: bool = False


@attrs.frozen
class SecretFile:
    """Mount a secret into a job as a file."""

    secret_uri: URL
    container_path: str


@attrs.frozen
class DiskVolume:
    """Mount a persistent disk into a job."""

    disk_uri: URL
    container_path: str
    read_only: bool = False


@attrs.frozen
class Container:
    """Describe what a job runs."""

    image: RemoteImage
    resources: Resources
    entrypoint: str | None = None
    command: str | None = None
    working_dir: str | None = None
    http: HTTPPort | None = None
    env: Mapping[str, str] = attrs.field(factory=dict)
    volumes: Sequence[Volume] = attrs.field(factory=list)
    secret_env: Mapping[str, URL] = attrs.field(factory=dict)
    secret_files: Sequence[SecretFile] = attrs.field(factory=list)
    disk_volumes: Sequence[DiskVolume] = attrs.field(factory=list)
    tty: bool = False
