"""What runs in the pods: environment, labels, secrets of the registry, probes (§5.1–5.3)."""

# ruff: noqa: RUF009 (`wire` makes a field, as `attrs.field` does)
from __future__ import annotations

import enum
from collections.abc import Iterator

import attrs

from .kinds import BOOL, PORT, Choice, int32, text
from .limits import at_most_chars, matches
from .naming import join, wire_name
from .part import Object, Part, wire
from .versions import Asked
from .violations import Rule, Violation

# Where a rule came after 2.18 and the facts do not say when, the next version is the first.
AFTER_BASE = "2.19"
LABEL_CHARS = at_most_chars(63).from_version("2.19")
OBJECT_NAME = matches(
    "[a-z0-9](?:[a-z0-9-]*[a-z0-9])?", "of a-z, 0-9 and hyphens, with no hyphen at an end"
)
_SECRET_NAME = OBJECT_NAME.from_version(AFTER_BASE).when_strict()
_SOURCES = ("value", "secret", "config_map", "pod_field_ref", "user_credential")


class ImagePullPolicy(str, enum.Enum):
    """Say when the image is fetched; the default is by the tag: always for ``latest``."""

    ALWAYS = "Always"
    NEVER = "Never"
    IF_NOT_PRESENT = "IfNotPresent"


class RestartPolicy(str, enum.Enum):
    """Say when a container that ended is started again."""

    ALWAYS = "Always"
    NEVER = "Never"
    ON_FAILURE = "OnFailure"


class Scheme(str, enum.Enum):
    """Name the protocol of a probe."""

    HTTP = "HTTP"
    HTTPS = "HTTPS"


@attrs.frozen(kw_only=True, repr=False)
class NameAndValue(Part):
    """Be a name with a value; ``exclude`` drops one that a policy adds."""

    name: str | None = wire(text(LABEL_CHARS), required=True)
    value: str | None = wire(text(empty=True))
    exclude: bool | None = wire(BOOL)


@attrs.frozen(kw_only=True, repr=False)
class Annotation(NameAndValue):
    """Annotate the objects of the cluster."""


@attrs.frozen(kw_only=True, repr=False)
class Label(NameAndValue):
    """Label the objects of the cluster."""


@attrs.frozen(kw_only=True, repr=False)
class ImagePullSecret(Part):
    """Name a secret of the project, or of the user, that opens the image's registry."""

    name: str | None = wire(text(OBJECT_NAME), required=True)
    user_credential: bool | None = wire(BOOL)
    exclude: bool | None = wire(BOOL)


@attrs.frozen(kw_only=True, repr=False)
class SecretSource(Part):
    """Take a value from a key of a secret."""

    name: str | None = wire(text(_SECRET_NAME), required=True)
    key: str | None = wire(text(), required=True)


@attrs.frozen(kw_only=True, repr=False)
class ConfigMapSource(SecretSource):
    """Take a value from a key of a config map."""


@attrs.frozen(kw_only=True, repr=False)
class PodFieldSource(Part):
    """Take a value from a field of the pod, such as ``metadata.name``."""

    path: str | None = wire(text(), required=True)


@attrs.frozen(kw_only=True, repr=False)
class UserCredentialSource(Part):
    """Take a value from a credential of the user."""

    name: str | None = wire(text(), required=True)
    key: str | None = wire(text(), required=True)


@attrs.frozen(kw_only=True, repr=False)
class EnvironmentVariable(Part):
    """Set a variable from exactly one source; ``exclude`` drops one that a policy adds."""

    name: str | None = wire(text(), required=True)
    value: str | None = wire(text(empty=True), hidden=True)
    secret: SecretSource | None = wire(Object(part=SecretSource))
    config_map: ConfigMapSource | None = wire(Object(part=ConfigMapSource), since="2.21")
    pod_field_ref: PodFieldSource | None = wire(Object(part=PodFieldSource), since="2.21")
    user_credential: UserCredentialSource | None = wire(
        Object(part=UserCredentialSource), since="2.24"
    )
    exclude: bool | None = wire(BOOL)
    description: str | None = wire(text(empty=True), since="2.20")

    def rules(self, path: str, asked: Asked) -> Iterator[Violation]:
        given = [name for name in _SOURCES if self.given(name)]
        if len(given) > 1:
            # The first source stays; each other one is what is wrong.
            for name in given[1:]:
                place = join(path, wire_name(name))
                message = f"is a second source of the variable beside {wire_name(given[0])}"
                yield Violation(place, message, Rule.ENV_SOURCE)
        elif not given and not self.excluded:
            sources = ", ".join(wire_name(name) for name in _SOURCES)
            yield Violation(path, f"needs one source of {sources}", Rule.ENV_SOURCE)


@attrs.frozen(kw_only=True, repr=False)
class HttpGet(Part):
    """Ask by HTTP; without ``host`` the pod's own address, without ``path`` the root."""

    path: str | None = wire(
        text(matches(r"(?:/[a-zA-Z0-9\-_./]*)?", "a path that begins with /"), empty=True)
    )
    port: int | None = wire(PORT, required=True)
    host: str | None = wire(text())
    scheme: Scheme | str | None = wire(Choice(values=Scheme))


@attrs.frozen(kw_only=True, repr=False)
class ProbeHandler(Part):
    """Say how a probe asks; HTTP is the only way there is."""

    http_get: HttpGet | None = wire(Object(part=HttpGet), required=True)


@attrs.frozen(kw_only=True, repr=False)
class Probe(Part):
    """Ask a container whether it is well; thresholds count answers in a row."""

    initial_delay_seconds: int | None = wire(int32(), unit="seconds")
    period_seconds: int | None = wire(int32(1), unit="seconds")
    timeout_seconds: int | None = wire(int32(1), unit="seconds")
    success_threshold: int | None = wire(int32(1), unit="answers")
    failure_threshold: int | None = wire(int32(1), unit="answers")
    handler: ProbeHandler | None = wire(Object(part=ProbeHandler), required=True)


@attrs.frozen(kw_only=True, repr=False)
class Probes(Part):
    """Hold the probes of a container; readiness is the only one there is."""

    readiness: Probe | None = wire(Object(part=Probe))
