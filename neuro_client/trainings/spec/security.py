"""Who the processes run as and what they may do (§5.8)."""

# ruff: noqa: RUF009 (`wire` makes a field, as `attrs.field` does)
from __future__ import annotations

import enum
from collections.abc import Iterator, Sequence

import attrs

from .kinds import BOOL, Choice, ListOf, int64, text
from .limits import matches
from .naming import join, wire_name
from .part import Part, wire
from .versions import Asked
from .violations import Rule, Violation

_IDENTITY = ("run_as_uid", "run_as_gid", "supplemental_groups")


class UidGidSource(str, enum.Enum):
    """Say where the user and group of the processes come from."""

    FROM_THE_IMAGE = "fromTheImage"
    FROM_IDP_TOKEN = "fromIdpToken"
    CUSTOM = "custom"


class SeccompProfileType(str, enum.Enum):
    """Name a filter of system calls; Localhost is in the enum, but servers do not support it."""

    RUNTIME_DEFAULT = "RuntimeDefault"
    UNCONFINED = "Unconfined"
    LOCALHOST = "Localhost"


class Capability(str, enum.Enum):
    """Name a right of the kernel that processes get."""

    AUDIT_CONTROL = "AUDIT_CONTROL"
    AUDIT_READ = "AUDIT_READ"
    AUDIT_WRITE = "AUDIT_WRITE"
    BLOCK_SUSPEND = "BLOCK_SUSPEND"
    CHOWN = "CHOWN"
    DAC_OVERRIDE = "DAC_OVERRIDE"
    DAC_READ_SEARCH = "DAC_READ_SEARCH"
    FOWNER = "FOWNER"
    FSETID = "FSETID"
    IPC_LOCK = "IPC_LOCK"
    IPC_OWNER = "IPC_OWNER"
    KILL = "KILL"
    LEASE = "LEASE"
    LINUX_IMMUTABLE = "LINUX_IMMUTABLE"
    MAC_ADMIN = "MAC_ADMIN"
    MAC_OVERRIDE = "MAC_OVERRIDE"
    MKNOD = "MKNOD"
    NET_ADMIN = "NET_ADMIN"
    NET_BIND_SERVICE = "NET_BIND_SERVICE"
    NET_BROADCAST = "NET_BROADCAST"
    NET_RAW = "NET_RAW"
    SETGID = "SETGID"
    SETFCAP = "SETFCAP"
    SETPCAP = "SETPCAP"
    SETUID = "SETUID"
    SYS_ADMIN = "SYS_ADMIN"
    SYS_BOOT = "SYS_BOOT"
    SYS_CHROOT = "SYS_CHROOT"
    SYS_MODULE = "SYS_MODULE"
    SYS_NICE = "SYS_NICE"
    SYS_PACCT = "SYS_PACCT"
    SYS_PTRACE = "SYS_PTRACE"
    SYS_RAWIO = "SYS_RAWIO"
    SYS_RESOURCE = "SYS_RESOURCE"
    SYS_TIME = "SYS_TIME"
    SYS_TTY_CONFIG = "SYS_TTY_CONFIG"
    SYSLOG = "SYSLOG"
    WAKE_ALARM = "WAKE_ALARM"


@attrs.frozen(kw_only=True, repr=False)
class Security(Part):
    """Set users, groups and rights; the ids need a source other than the image.

    ``supplemental_groups`` is numeric ids with commas between, ``2,3,5``; empty is the image's.
    """

    uid_gid_source: UidGidSource | str | None = wire(Choice(values=UidGidSource))
    run_as_uid: int | None = wire(int64())
    run_as_gid: int | None = wire(int64())
    supplemental_groups: str | None = wire(
        text(matches("(?:[0-9]+(?:,[0-9]+)*)?", "numeric ids with commas between"), empty=True)
    )
    run_as_non_root: bool | None = wire(BOOL)
    read_only_root_filesystem: bool | None = wire(BOOL)
    allow_privilege_escalation: bool | None = wire(BOOL)
    host_ipc: bool | None = wire(BOOL)
    host_network: bool | None = wire(BOOL)
    seccomp_profile_type: SeccompProfileType | str | None = wire(Choice(values=SeccompProfileType))
    capabilities: Sequence[Capability | str] | None = wire(ListOf(item=Choice(values=Capability)))

    def rules(self, path: str, asked: Asked) -> Iterator[Violation]:
        image_decides = self.uid_gid_source == UidGidSource.FROM_THE_IMAGE or not self.given(
            "uid_gid_source"
        )
        for attribute in _IDENTITY:
            # An empty list of groups is how the image's own are asked for.
            if image_decides and self.given(attribute) and getattr(self, attribute) != "":
                place = join(path, wire_name(attribute))
                message = "may only be given with the uidGidSource custom or fromIdpToken"
                yield Violation(place, message, Rule.IDENTITY)
