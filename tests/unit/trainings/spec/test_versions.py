"""What holds in some versions of the server only, or where doubts are refused only (§6)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from neuro_client.trainings.spec import Rule, TrainingRequest

from .broken import compute, env, found, pvc
from .rows import UUID

# A document, its place, and the versions and modes that refuse it and that let it pass.
OLD, NEW = ("2.18", True), ("latest", True)
EASY = ("latest", False)
CHANGES: Sequence[tuple[str, dict[str, Any], str, Rule, Sequence[Any], Sequence[Any]]] = [
    (
        "a name of a secret with an underscore",
        env(secret={"name": "postgress_secret", "key": "some-key"}),
        "spec.environmentVariables[0].secret.name",
        Rule.PATTERN,
        [NEW],
        [OLD, EASY],
    ),
    (
        "a label of 64 characters",
        {"labels": [{"name": "a" * 64, "value": "x"}]},
        "spec.labels[0].name",
        Rule.LENGTH,
        [("2.19", True), ("2.19", False)],
        [OLD],
    ),
    (
        "an annotation of 64 characters",
        {"annotations": [{"name": "a" * 64, "value": "x"}]},
        "spec.annotations[0].name",
        Rule.LENGTH,
        [("2.19", True)],
        [OLD],
    ),
    (
        "a claim of 64 characters",
        pvc(existingPvc=True, claimName="a" * 64),
        "spec.storage.pvc[0].claimName",
        Rule.LENGTH,
        [("2.19", True)],
        [OLD],
    ),
    (
        "any effect of a taint",
        {"tolerations": [{"effect": "Any"}]},
        "spec.tolerations[0].effect",
        Rule.SINCE,
        [OLD],
        [("2.19", True), NEW],
    ),
    (
        "a mode of volumes that is none",
        pvc(claimInfo={"size": "1Gi", "volumeMode": "Disk"}),
        "spec.storage.pvc[0].claimInfo.volumeMode",
        Rule.OPTIONS,
        [("2.21", True), ("2.21", False)],
        [OLD, ("2.20", True)],
    ),
    (
        "an empty mode of volumes",
        pvc(claimInfo={"size": "1Gi", "volumeMode": ""}),
        "spec.storage.pvc[0].claimInfo.volumeMode",
        Rule.LENGTH,
        [OLD],
        [],
    ),
    (
        "a priority of the administrator's own",
        {"priorityClass": "night"},
        "spec.priorityClass",
        Rule.OPTIONS,
        [OLD, ("2.21", False), NEW],
        [("2.22", False), EASY],
    ),
    (
        "a portion of 1 of several devices",
        compute(gpuDevicesRequest=2, gpuRequestType="portion", gpuPortionRequest=1),
        "spec.compute.gpuPortionRequest",
        Rule.WHOLE_DEVICES,
        [OLD],
        [("2.18", False), NEW],
    ),
    (
        "a value for an operator that has none",
        {"tolerations": [{"operator": "Exists", "value": "x"}]},
        "spec.tolerations[0].value",
        Rule.TOLERATION_VALUE,
        [OLD, NEW],
        [("2.18", False), EASY],
    ),
    (
        "very long arguments",
        {"args": "x" * 10_001},
        "spec.args",
        Rule.LENGTH,
        [OLD, NEW],
        [EASY],
    ),
    (
        "an unknown field",
        {"brandNew": 1},
        "spec.brandNew",
        Rule.UNKNOWN,
        [OLD, NEW],
        [("2.18", False), EASY],
    ),
    (
        "a field that is newer than the server, asked mildly",
        {"category": "Train"},
        "spec.category",
        Rule.SINCE,
        [("2.21", False)],
        [("2.22", False)],
    ),
]


@pytest.mark.parametrize(
    ("document", "path", "rule", "refused", "passed"),
    [case[1:] for case in CHANGES],
    ids=[case[0] for case in CHANGES],
)
def test_what_holds_in_some_versions_or_modes_only(
    document: dict[str, Any],
    path: str,
    rule: Rule,
    refused: Sequence[tuple[str, bool]],
    passed: Sequence[tuple[str, bool]],
) -> None:
    for version, strict in refused:
        assert found(document, version, strict) == [(path, rule)]
    for version, strict in passed:
        assert found(document, version, strict) == []


def test_a_prefix_leaves_room_for_the_suffix() -> None:
    fits = TrainingRequest("a" * 57, "7", UUID, use_given_name_as_prefix=True)
    assert fits.violations() == ()
    [violation] = TrainingRequest("a" * 58, "7", UUID, use_given_name_as_prefix=True).violations()
    assert (violation.path, violation.rule) == ("name", Rule.LENGTH)
    assert TrainingRequest("a" * 63, "7", UUID).violations() == ()


def test_an_entry_that_drops_one_of_a_policy_takes_no_mount_point() -> None:
    kept = {"path": "/srv", "mountPath": "/data"}
    dropped = {**kept, "name": "old", "exclude": True, "mountPropagation": "HostToContainer"}
    assert found({"storage": {"hostPath": [dropped, kept]}}, "latest") == []
    assert found({"storage": {"hostPath": [kept, dropped]}}, "latest") == []
