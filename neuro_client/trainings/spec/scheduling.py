"""Where and when pods run: affinities, tolerations, priorities (§5.4)."""

# ruff: noqa: RUF009 (`wire` makes a field, as `attrs.field` does)
from __future__ import annotations

import enum
import re
from collections.abc import Iterator, Sequence

import attrs

from .kinds import BOOL, Choice, ListOf, int32, text
from .naming import join
from .part import Object, Part, wire
from .versions import Asked
from .violations import Rule, Violation

_WHOLE = re.compile(r"[-+]?[0-9]+")


class AffinityType(str, enum.Enum):
    """Say whether an affinity must hold or is wished for."""

    REQUIRED = "Required"
    PREFERRED = "Preferred"


class NodeOperator(str, enum.Enum):
    """Compare a label of a node with values."""

    IN = "In"
    NOT_IN = "NotIn"
    EXISTS = "Exists"
    DOES_NOT_EXIST = "DoesNotExist"
    GREATER = "Gt"
    LESS = "Lt"


class TolerationOperator(str, enum.Enum):
    """Compare a taint: its value, or only that its key is there."""

    EQUAL = "Equal"
    EXISTS = "Exists"


class TaintEffect(str, enum.Enum):
    """Name what a taint does to pods; ``Any`` stands for all of them."""

    NO_SCHEDULE = "NoSchedule"
    NO_EXECUTE = "NoExecute"
    PREFER_NO_SCHEDULE = "PreferNoSchedule"
    ANY = "Any"


class PriorityClass(str, enum.Enum):
    """Name a priority: the first three are of versions to 2.21, the others of newer ones."""

    BUILD = "build"
    TRAIN = "train"
    INTERACTIVE_PREEMPTIBLE = "interactive-preemptible"
    VERY_LOW = "very-low"
    LOW = "low"
    MEDIUM_LOW = "medium-low"
    MEDIUM = "medium"
    MEDIUM_HIGH = "medium-high"
    HIGH = "high"
    VERY_HIGH = "very-high"


class Preemptibility(str, enum.Enum):
    """Say whether a workload may be stopped for another one; wins over its priority."""

    PREEMPTIBLE = "preemptible"
    NON_PREEMPTIBLE = "non-preemptible"


@attrs.frozen(kw_only=True, repr=False)
class MatchExpression(Part):
    """Ask for a label of a node; how many ``values`` there are depends on the operator."""

    key: str | None = wire(text(), required=True)
    operator: NodeOperator | str | None = wire(Choice(values=NodeOperator), required=True)
    values: Sequence[str] | None = wire(ListOf(item=text(empty=True)))

    def rules(self, path: str, asked: Asked) -> Iterator[Violation]:
        values = self.values or ()
        place = join(path, "values")
        if "values" in self.extra:
            return  # of a wrong type, which is said already
        if self.operator in (NodeOperator.IN, NodeOperator.NOT_IN) and not values:
            message = "must not be empty with the operators In and NotIn"
            yield Violation(place, message, Rule.AFFINITY_VALUES)
        elif self.operator in (NodeOperator.EXISTS, NodeOperator.DOES_NOT_EXIST) and values:
            message = "must be empty with the operators Exists and DoesNotExist"
            yield Violation(place, message, Rule.AFFINITY_VALUES)
        elif self.operator in (NodeOperator.GREATER, NodeOperator.LESS) and (
            len(values) != 1 or not _WHOLE.fullmatch(values[0])
        ):
            message = "must be exactly one whole number with the operators Gt and Lt"
            yield Violation(place, message, Rule.AFFINITY_VALUES)


@attrs.frozen(kw_only=True, repr=False)
class NodeSelectorTerm(Part):
    """Ask for a node that meets every one of the expressions."""

    match_expressions: Sequence[MatchExpression] | None = wire(
        ListOf(item=Object(part=MatchExpression))
    )


@attrs.frozen(kw_only=True, repr=False)
class NodeAffinity(Part):
    """Ask for a node that meets at least one of the terms."""

    node_selector_terms: Sequence[NodeSelectorTerm] | None = wire(
        ListOf(item=Object(part=NodeSelectorTerm))
    )


@attrs.frozen(kw_only=True, repr=False)
class PodAffinity(Part):
    """Place the pods on nodes with the same value of a label."""

    type: AffinityType | str | None = wire(Choice(values=AffinityType), required=True)
    key: str | None = wire(text(), required=True)


@attrs.frozen(kw_only=True, repr=False)
class Toleration(Part):
    """Tolerate a taint of nodes; ``seconds`` is how long, for the effect NoExecute only."""

    name: str | None = wire(text())
    operator: TolerationOperator | str | None = wire(Choice(values=TolerationOperator))
    key: str | None = wire(text())
    value: str | None = wire(text(empty=True))
    effect: TaintEffect | str | None = wire(Choice(values=TaintEffect, since={"Any": "2.19"}))
    seconds: int | None = wire(int32(1), unit="seconds")
    exclude: bool | None = wire(BOOL, since="2.19")

    def rules(self, path: str, asked: Asked) -> Iterator[Violation]:
        if self.given("seconds") and self.effect != TaintEffect.NO_EXECUTE:
            message = "may only be given with the effect NoExecute"
            yield Violation(join(path, "seconds"), message, Rule.TOLERATION_SECONDS)
        if not asked.strict:
            return
        # Servers' own texts disagree about this; the rule here is the one of Kubernetes.
        if self.operator == TolerationOperator.EQUAL and not self.given("value"):
            message = "is required with the operator Equal"
            yield Violation(join(path, "value"), message, Rule.TOLERATION_VALUE)
        if self.operator == TolerationOperator.EXISTS and self.given("value"):
            message = "must not be given with the operator Exists"
            yield Violation(join(path, "value"), message, Rule.TOLERATION_VALUE)
