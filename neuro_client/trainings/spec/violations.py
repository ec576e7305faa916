"""What is wrong with a request, all of it at once, and the error that says so."""

from __future__ import annotations

import enum
from collections.abc import Iterable

import attrs

from ...errors import IllegalArgumentError


class Rule(str, enum.Enum):
    """Name what was broken: first the rules of one field, then those between fields (§5.9)."""

    TYPE = "type"
    REQUIRED = "required"
    UNKNOWN = "unknown"
    SINCE = "since"
    REMOVED = "removed"
    MINIMUM = "minimum"
    MAXIMUM = "maximum"
    LENGTH = "length"
    PATTERN = "pattern"
    OPTIONS = "options"
    UUID = "uuid"

    ENV_SOURCE = "env-source"
    TTY_STDIN = "tty-stdin"
    GPU_TYPE = "gpu-type"
    LIMIT_BELOW_REQUEST = "limit-below-request"
    WHOLE_DEVICES = "whole-devices"
    AUTHORIZED = "authorized"
    CLAIM = "claim"
    TOLERATION_SECONDS = "toleration-seconds"
    TOLERATION_VALUE = "toleration-value"
    AFFINITY_VALUES = "affinity-values"
    IDENTITY = "identity"
    PARALLELISM = "parallelism"
    MOUNT_PROPAGATION = "mount-propagation"
    MOUNT_POINT = "mount-point"
    NODE_PORT = "node-port"
    GIT_SECRET = "git-secret"

    def __str__(self) -> str:
        return self.value


@attrs.frozen
class Violation:
    """Say what is wrong at one place; ``path`` has the wire's names, ``spec.ports[0].container``.

    The message never repeats the value, which may be a secret.
    """

    path: str
    message: str
    rule: Rule

    def __str__(self) -> str:
        return f"{self.path} {self.message}"


class InvalidSpecError(IllegalArgumentError):
    """Report a request that was not sent, with everything that is wrong with it.

    ``status`` is None: no server was asked.
    """

    def __init__(self, *args: object, violations: Iterable[Violation] = ()) -> None:
        super().__init__(*args)
        self.violations = tuple(violations)
