"""What is mounted into the pods (§5.7)."""

# ruff: noqa: RUF009 (`wire` makes a field, as `attrs.field` does)
from __future__ import annotations

import enum
import posixpath
from collections.abc import Iterator, Sequence
from typing import ClassVar

import attrs

from .claims import ClaimInfo
from .container import LABEL_CHARS
from .kinds import BOOL, QUANTITY, Choice, ListOf, text, uuid
from .limits import matches
from .naming import join, wire_name
from .part import Object, Part, about, as_quantity, wire
from .quantity import Quantity
from .versions import Asked
from .violations import Rule, Violation

_FILE_MODE = matches("0[0-7]{3}", "four octal digits that begin with 0")
_FLAT_SECRET = ("password_secret", "secret_key_of_user", "secret_key_of_password")


class GitAuthentication(str, enum.Enum):
    """Say what a secret of a repository holds."""

    PASSWORD = "password"
    SSH_KEY = "ssh-key"


class MountPropagation(str, enum.Enum):
    """Say whether later mounts of the node are seen in the container."""

    NONE = "None"
    HOST_TO_CONTAINER = "HostToContainer"


class Medium(str, enum.Enum):
    """Name what an empty volume is on, if not on disk."""

    MEMORY = "Memory"


@attrs.frozen(kw_only=True, repr=False)
class Mount(Part):
    """Be something that is mounted; ``exclude`` drops one that a policy adds."""

    mount_field: ClassVar[str] = "mount_path"

    exclude: bool | None = wire(BOOL, since="2.21")

    @property
    def mount_point(self) -> str | None:
        """Return the place in the container, None where it is not given."""
        found = getattr(self, self.mount_field)
        return found if isinstance(found, str) else None


@attrs.frozen(kw_only=True, repr=False)
class NamedMount(Mount):
    """Be a mount with an instance name, by which policies speak of it."""

    name: str | None = wire(text())


@attrs.frozen(kw_only=True, repr=False)
class DataVolume(Mount):
    """Mount a data volume of the platform."""

    id: str | None = wire(uuid(), required=True)
    mount_path: str | None = wire(text(), required=True)


@attrs.frozen(kw_only=True, repr=False)
class Pvc(NamedMount):
    """Mount a volume claim: an existing one by name, or a new one by ``claim_info``.

    An ``ephemeral`` claim is removed when the workload stops.
    """

    mount_field: ClassVar[str] = "path"

    existing_pvc: bool | None = wire(BOOL)
    claim_name: str | None = wire(text(LABEL_CHARS))
    path: str | None = wire(text(), required=True)
    read_only: bool | None = wire(BOOL)
    ephemeral: bool | None = wire(BOOL)
    claim_info: ClaimInfo | None = wire(Object(part=ClaimInfo))
    data_sharing: bool | None = wire(BOOL, since="2.22")

    def rules(self, path: str, asked: Asked) -> Iterator[Violation]:
        if self.existing_pvc:
            if self.given("claim_info"):
                message = "must not be given for an existing claim"
                yield Violation(join(path, "claimInfo"), message, Rule.CLAIM)
            if not self.given("claim_name") and not self.excluded:
                message = "is required for an existing claim"
                yield Violation(join(path, "claimName"), message, Rule.CLAIM)
        elif "existingPvc" not in self.extra and not self.excluded:
            has_size = self.claim_info is not None and self.claim_info.given("size")
            if not has_size and "claimInfo" not in self.extra:
                message = "is required for a claim that does not exist yet"
                yield Violation(join(path, "claimInfo.size"), message, Rule.CLAIM)


@attrs.frozen(kw_only=True, repr=False)
class GitSecretRef(Part):
    """Name the secret that opens a repository, and what it holds."""

    name: str | None = wire(text(), required=True)
    authentication_method: GitAuthentication | str | None = wire(Choice(values=GitAuthentication))
    secret_key_of_user: str | None = wire(text())
    secret_key_of_password: str | None = wire(text())


@attrs.frozen(kw_only=True, repr=False)
class Git(NamedMount):
    """Fetch a repository; its secret by the flat fields, or by ``secret_ref``, not by both."""

    mount_field: ClassVar[str] = "path"

    repository: str | None = wire(text(), required=True)
    branch: str | None = wire(text())
    revision: str | None = wire(text())
    path: str | None = wire(text(), required=True)
    password_secret: str | None = wire(text())
    secret_key_of_user: str | None = wire(text())
    secret_key_of_password: str | None = wire(text())
    secret_ref: GitSecretRef | None = wire(Object(part=GitSecretRef), since="2.23")

    def rules(self, path: str, asked: Asked) -> Iterator[Violation]:
        flat = [name for name in _FLAT_SECRET if self.given(name)]
        if self.given("secret_ref") and flat:
            message = f"replaces {wire_name(flat[0])}, which is given too"
            yield Violation(join(path, "secretRef"), message, Rule.GIT_SECRET)


@attrs.frozen(kw_only=True, repr=False)
class ConfigMapVolume(NamedMount):
    """Mount the keys of a config map as files of mode ``default_mode``, such as ``0644``."""

    config_map: str | None = wire(text(), required=True)
    mount_path: str | None = wire(text(), required=True)
    sub_path: str | None = wire(text(), since="2.21")
    default_mode: str | None = wire(text(_FILE_MODE), since="2.23")


@attrs.frozen(kw_only=True, repr=False)
class SecretVolume(NamedMount):
    """Mount the keys of a secret as files of mode ``default_mode``, such as ``0400``."""

    secret: str | None = wire(text(), required=True)
    mount_path: str | None = wire(text(), required=True)
    default_mode: str | None = wire(text(_FILE_MODE), since="2.23")


@attrs.frozen(kw_only=True, repr=False)
class HostPath(NamedMount):
    """Mount ``path`` of the node at ``mount_path``; propagation must be the same for all."""

    path: str | None = wire(text(), required=True)
    mount_path: str | None = wire(text(), required=True)
    read_only: bool | None = wire(BOOL)
    mount_propagation: MountPropagation | str | None = wire(Choice(values=MountPropagation))


@attrs.frozen(kw_only=True, repr=False)
class Nfs(NamedMount):
    """Mount ``path``, as an NFS server exports it, at ``mount_path``."""

    server: str | None = wire(text(), required=True)
    path: str | None = wire(text(), required=True)
    mount_path: str | None = wire(text(), required=True)
    read_only: bool | None = wire(BOOL)


@attrs.frozen(kw_only=True, repr=False)
class S3(NamedMount):
    """Mount a bucket at ``path``; without ``url`` one of AWS."""

    mount_field: ClassVar[str] = "path"

    bucket: str | None = wire(text(), required=True)
    path: str | None = wire(text(), required=True)
    url: str | None = wire(text())
    access_key_secret: str | None = wire(text())
    secret_key_of_access_key_id: str | None = wire(text())
    secret_key_of_secret_key: str | None = wire(text())


@attrs.frozen(kw_only=True, repr=False)
class EmptyDirVolume(NamedMount):
    """Mount an empty folder that lives as long as its pod, on disk or in memory."""

    mount_field: ClassVar[str] = "path"

    path: str | None = wire(text(), required=True)
    medium: Medium | str | None = wire(Choice(values=Medium))
    size_limit: Quantity | None = attrs.field(
        default=None, converter=as_quantity, metadata=about(QUANTITY, unit="bytes")
    )


@attrs.frozen(kw_only=True, repr=False)
class Storage(Part):
    """List what is mounted, by kind; each mount point may be used once."""

    data_volume: Sequence[DataVolume] | None = wire(ListOf(item=Object(part=DataVolume)))
    pvc: Sequence[Pvc] | None = wire(ListOf(item=Object(part=Pvc)))
    git: Sequence[Git] | None = wire(ListOf(item=Object(part=Git)))
    config_map_volume: Sequence[ConfigMapVolume] | None = wire(
        ListOf(item=Object(part=ConfigMapVolume))
    )
    secret_volume: Sequence[SecretVolume] | None = wire(ListOf(item=Object(part=SecretVolume)))
    host_path: Sequence[HostPath] | None = wire(ListOf(item=Object(part=HostPath)))
    nfs: Sequence[Nfs] | None = wire(ListOf(item=Object(part=Nfs)))
    s3: Sequence[S3] | None = wire(ListOf(item=Object(part=S3)))
    empty_dir_volume: Sequence[EmptyDirVolume] | None = wire(
        ListOf(item=Object(part=EmptyDirVolume)), since="2.22"
    )

    def rules(self, path: str, asked: Asked) -> Iterator[Violation]:
        yield from self._mount_point_rules(path)
        yield from self._propagation_rules(path)

    def mounts(self) -> Iterator[tuple[str, Mount]]:
        """Yield every mount with its path below the storage, such as ``pvc[0]``."""
        for field in attrs.fields(Storage):
            listed = getattr(self, field.name) if field.name != "extra" else None
            for index, mount in enumerate(listed or ()):
                yield f"{wire_name(field.name)}[{index}]", mount

    def _mount_point_rules(self, path: str) -> Iterator[Violation]:
        taken: dict[str, str] = {}
        for place, mount in self.mounts():
            if mount.exclude or not mount.mount_point:
                continue
            first = taken.setdefault(posixpath.normpath(mount.mount_point), place)
            if first != place:
                where = f"{join(path, place)}.{wire_name(mount.mount_field)}"
                message = f"is the mount point of {join(path, first)} too"
                yield Violation(where, message, Rule.MOUNT_POINT)

    def _propagation_rules(self, path: str) -> Iterator[Violation]:
        mounted = [
            (index, mount.mount_propagation or MountPropagation.NONE)
            for index, mount in enumerate(self.host_path or ())
            if not mount.exclude and "mountPropagation" not in mount.extra
        ]
        for index, propagation in mounted[1:]:
            if propagation != mounted[0][1]:
                first = join(path, f"hostPath[{mounted[0][0]}]")
                place = join(path, f"hostPath[{index}].mountPropagation")
                message = f"must be that of {first}, which is absent or another"
                yield Violation(place, message, Rule.MOUNT_PROPAGATION)
