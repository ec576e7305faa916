"""The spec of a training and the request that creates it (§5)."""

# ruff: noqa: RUF009 (`wire` makes a field, as `attrs.field` does)
from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import attrs

from .compute import Compute
from .container import (
    Annotation,
    EnvironmentVariable,
    ImagePullPolicy,
    ImagePullSecret,
    Label,
    Probes,
    RestartPolicy,
)
from .documents import read_yaml
from .kinds import BOOL, Choice, Identifier, ListOf, int32, int64, text, uuid
from .limits import at_most_chars, matches, not_empty
from .naming import join
from .networking import ExposedUrl, Port, RelatedUrl
from .part import Object, Part, about, wire
from .scheduling import NodeAffinity, PodAffinity, Preemptibility, PriorityClass, Toleration
from .security import Security
from .storage import Storage
from .versions import DEFAULT_VERSION, Asked
from .violations import InvalidSpecError, Rule, Violation

_NAME = matches(
    "[a-z0-9](?:[-a-z0-9]*[a-z0-9])?", "a DNS label: a-z, 0-9 and hyphens, none at an end"
)
_NAME_CHARS = 63
_SUFFIX_CHARS = 6


@attrs.frozen(kw_only=True, repr=False)
class TrainingSpec(Part):
    """Say what a training runs, where, with what, and for how long. None is "not set".

    ``args`` is one text, which the platform splits. Times are in whole seconds.

    >>> spec = TrainingSpec(image="python:3.11", command="python", args="train.py")
    >>> TrainingSpec.from_dict(spec.to_dict()) == spec
    True
    """

    command: str | None = wire(text())
    args: str | None = wire(text(at_most_chars(10_000).when_strict()))
    image: str | None = wire(text())
    image_pull_policy: ImagePullPolicy | str | None = wire(Choice(values=ImagePullPolicy))
    image_pull_secrets: Sequence[ImagePullSecret] | None = wire(
        ListOf(item=Object(part=ImagePullSecret)), since="2.22"
    )
    working_dir: str | None = wire(text())
    create_home_dir: bool | None = wire(BOOL)
    tty: bool | None = wire(BOOL)
    stdin: bool | None = wire(BOOL)
    environment_variables: Sequence[EnvironmentVariable] | None = wire(
        ListOf(item=Object(part=EnvironmentVariable))
    )
    annotations: Sequence[Annotation] | None = wire(ListOf(item=Object(part=Annotation)))
    labels: Sequence[Label] | None = wire(ListOf(item=Object(part=Label)))
    probes: Probes | None = wire(Object(part=Probes))
    category: str | None = wire(text(), since="2.22")
    restart_policy: RestartPolicy | str | None = wire(Choice(values=RestartPolicy), since="2.21")
    termination_grace_period_seconds: int | None = wire(int64(), since="2.20", unit="seconds")
    node_type: str | None = wire(text())
    node_pools: Sequence[str] | None = wire(ListOf(item=text()))
    node_affinity_required: NodeAffinity | None = wire(Object(part=NodeAffinity), since="2.22")
    pod_affinity: PodAffinity | None = wire(Object(part=PodAffinity))
    tolerations: Sequence[Toleration] | None = wire(ListOf(item=Object(part=Toleration)))
    priority_class: PriorityClass | str | None = wire(
        Choice(values=PriorityClass, open_from="2.22")
    )
    preemptibility: Preemptibility | str | None = wire(Choice(values=Preemptibility), since="2.24")
    terminate_after_preemption: bool | None = wire(BOOL)
    auto_deletion_time_after_completion_seconds: int | None = wire(int64(), unit="seconds")
    backoff_limit: int | None = wire(int64(), unit="retries")
    completions: int | None = wire(int32(1), unit="pods")
    parallelism: int | None = wire(int32(), unit="pods")
    ports: Sequence[Port] | None = wire(ListOf(item=Object(part=Port)))
    exposed_urls: Sequence[ExposedUrl] | None = wire(ListOf(item=Object(part=ExposedUrl)))
    related_urls: Sequence[RelatedUrl] | None = wire(
        ListOf(item=Object(part=RelatedUrl)), since="2.18"
    )
    compute: Compute | None = wire(Object(part=Compute))
    storage: Storage | None = wire(Object(part=Storage))
    security: Security | None = wire(Object(part=Security))

    @classmethod
    def from_yaml(cls, document: str | bytes) -> TrainingSpec:
        """Read one YAML document whose keys are the fields on the wire.

        Raises:
            InvalidSpecError: it is no YAML, or no mapping.
            ConfigError: the extra ``trainings`` is not installed.
        """
        return cls.from_dict(read_yaml(document))

    def violations(
        self, version: str = DEFAULT_VERSION, strict: bool = True
    ) -> tuple[Violation, ...]:
        """List all that is wrong for a server of this version, below the path ``spec``."""
        return tuple(self.problems("spec", Asked.of(version, strict)))

    def rules(self, path: str, asked: Asked) -> Iterator[Violation]:
        if self.tty and not self.stdin and "stdin" not in self.extra:
            message = "needs stdin to be true as well"
            yield Violation(join(path, "tty"), message, Rule.TTY_STDIN)
        # Without a number of completions it is one.
        completions = 1 if not self.given("completions") else self.completions
        if (
            self.parallelism is not None
            and completions is not None
            and self.parallelism > completions
        ):
            message = "must not be above completions, which is 1 unless given"
            yield Violation(join(path, "parallelism"), message, Rule.PARALLELISM)


@attrs.frozen(repr=False)
class TrainingRequest(Part):
    """Ask for a training: its name, where it goes, and what it is.

    With ``use_given_name_as_prefix`` the server adds a random suffix to the name. A project may
    be named by a number; a text is sent.

    >>> request = TrainingRequest("Mnist", 7, "6f6f0b1e-0f6e-4c39-9d3e-1f2d3c4b5a69")
    >>> [str(violation) for violation in request.violations()]
    ['name must be a DNS label: a-z, 0-9 and hyphens, none at an end']
    """

    name: str | None = attrs.field(
        metadata=about(text(at_most_chars(_NAME_CHARS), _NAME), required=True)
    )
    project_id: str | int | None = attrs.field(
        metadata=about(Identifier((not_empty(),)), required=True)
    )
    cluster_id: str | None = attrs.field(metadata=about(uuid(), required=True))
    spec: TrainingSpec | None = wire(Object(part=TrainingSpec))
    use_given_name_as_prefix: bool = attrs.field(default=False, metadata=about(BOOL))
    template_id: str | None = wire(uuid(), since="2.23")

    @classmethod
    def from_yaml(cls, document: str | bytes) -> TrainingRequest:
        """Read one YAML document whose keys are the fields of the request on the wire.

        Raises:
            InvalidSpecError: it is no YAML, or no mapping.
            ConfigError: the extra ``trainings`` is not installed.
        """
        return cls.from_dict(read_yaml(document))

    def to_dict(self) -> dict[str, Any]:
        """Return exactly the JSON that is sent."""
        written = super().to_dict()
        if written.get("useGivenNameAsPrefix") is False:
            del written["useGivenNameAsPrefix"]
        return written

    def violations(
        self, version: str = DEFAULT_VERSION, strict: bool = True
    ) -> tuple[Violation, ...]:
        """List all that is wrong for a server of this version, ``latest`` for the newest.

        Without ``strict`` passes what this version does not know and what sources disagree about.

        Raises:
            ValueError: the version is none.
        """
        return tuple(self.problems("", Asked.of(version, strict)))

    def check(self, version: str = DEFAULT_VERSION, strict: bool = True) -> None:
        """Refuse a request that a server of this version would refuse.

        Raises:
            InvalidSpecError: with all the violations.
        """
        found = self.violations(version, strict)
        if found:
            listed = "; ".join(str(violation) for violation in found)
            raise InvalidSpecError(
                f"The training was not submitted: a server of version {version} would refuse it. "
                f"Correct the request: {listed}",
                violations=found,
            )

    def rules(self, path: str, asked: Asked) -> Iterator[Violation]:
        room = _NAME_CHARS - _SUFFIX_CHARS
        if self.use_given_name_as_prefix and self.name and room < len(self.name) <= _NAME_CHARS:
            message = f"must have at most {room} characters, which leaves room for the suffix"
            yield Violation(join(path, "name"), message, Rule.LENGTH)
