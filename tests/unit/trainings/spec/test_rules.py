"""One test for each rule between fields (§5.9), and for what holds in some versions only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from neuro_client.trainings.spec import Rule

from .broken import compute, env, found, node, pvc, storage

_SECRET = {"name": "some-secret", "key": "some-key"}
_MATCH = "spec.nodeAffinityRequired.nodeSelectorTerms[0].matchExpressions[0].values"
_OPENED = {"container": 8888, "authorizedUsers": ["a@example"]}
_HOSTS = [{"path": "/a", "mountPath": "/a"}, {"path": "/b", "mountPath": "/b"}]
_SPREAD = {"mountPropagation": "HostToContainer"}
_REPOSITORY = {"repository": "https://git.example/r.git", "path": "/code"}

# Rule, what breaks it, where that is said, and the same put right. All for the newest version.
CASES: Sequence[tuple[Rule, dict[str, Any], Sequence[str], dict[str, Any]]] = [
    (
        Rule.ENV_SOURCE,
        env(value="1", secret=_SECRET, configMap=_SECRET),
        ["spec.environmentVariables[0].secret", "spec.environmentVariables[0].configMap"],
        env(secret=_SECRET),
    ),
    (Rule.ENV_SOURCE, env(), ["spec.environmentVariables[0]"], env(exclude=True)),
    (Rule.TTY_STDIN, {"tty": True}, ["spec.tty"], {"tty": True, "stdin": True}),
    (
        Rule.GPU_TYPE,
        compute(gpuRequestType="portion"),
        ["spec.compute.gpuPortionRequest"],
        compute(gpuRequestType="portion", gpuPortionRequest=0.5),
    ),
    (
        Rule.GPU_TYPE,
        compute(gpuRequestType="memory", gpuPortionRequest=0.5),
        ["spec.compute.gpuPortionRequest", "spec.compute.gpuMemoryRequest"],
        compute(gpuRequestType="memory", gpuMemoryRequest="1G"),
    ),
    (
        Rule.GPU_TYPE,
        compute(gpuDevicesRequest=1, gpuMemoryRequest="1G"),
        ["spec.compute.gpuMemoryRequest"],
        compute(gpuDevicesRequest=8),
    ),
    (
        Rule.LIMIT_BELOW_REQUEST,
        compute(gpuRequestType="portion", gpuPortionRequest=0.3, gpuPortionLimit=0.2),
        ["spec.compute.gpuPortionLimit"],
        compute(gpuRequestType="portion", gpuPortionRequest=0.3, gpuPortionLimit=0.3),
    ),
    (
        Rule.LIMIT_BELOW_REQUEST,
        compute(gpuRequestType="memory", gpuMemoryRequest="1Gi", gpuMemoryLimit="1G"),
        ["spec.compute.gpuMemoryLimit"],
        compute(gpuRequestType="memory", gpuMemoryRequest="1Gi", gpuMemoryLimit="1024Mi"),
    ),
    (
        Rule.LIMIT_BELOW_REQUEST,
        compute(cpuCoreRequest=2, cpuCoreLimit=1.5),
        ["spec.compute.cpuCoreLimit"],
        compute(cpuCoreRequest=1.5, cpuCoreLimit=2),
    ),
    (
        Rule.LIMIT_BELOW_REQUEST,
        compute(cpuMemoryRequest="1E", cpuMemoryLimit="1E3"),
        ["spec.compute.cpuMemoryLimit"],
        compute(cpuMemoryRequest="1e3", cpuMemoryLimit="1E"),
    ),
    (
        Rule.WHOLE_DEVICES,
        compute(gpuDevicesRequest=2, gpuRequestType="memory", gpuMemoryRequest="1G"),
        ["spec.compute.gpuMemoryRequest"],
        compute(gpuDevicesRequest=1, gpuRequestType="memory", gpuMemoryRequest="1G"),
    ),
    (
        Rule.WHOLE_DEVICES,
        compute(gpuDevicesRequest=2, gpuRequestType="portion", gpuPortionRequest=0.5),
        ["spec.compute.gpuPortionRequest"],
        compute(gpuDevicesRequest=2, gpuRequestType="portion", gpuPortionRequest=1),
    ),
    (
        Rule.AUTHORIZED,
        {"exposedUrls": [{**_OPENED, "authorizedGroups": ["staff"]}]},
        ["spec.exposedUrls[0].authorizedGroups"],
        {"exposedUrls": [{**_OPENED, "authorizedGroups": []}]},
    ),
    (
        Rule.CLAIM,
        pvc(existingPvc=True, claimName="a", claimInfo={"size": "1Gi"}),
        ["spec.storage.pvc[0].claimInfo"],
        pvc(existingPvc=True, claimName="a"),
    ),
    (
        Rule.CLAIM,
        pvc(existingPvc=True),
        ["spec.storage.pvc[0].claimName"],
        pvc(existingPvc=True, name="a", exclude=True),
    ),
    (
        Rule.CLAIM,
        pvc(claimInfo={"storageClass": "fast"}),
        ["spec.storage.pvc[0].claimInfo.size"],
        pvc(claimInfo={"storageClass": "fast", "size": "1Gi"}),
    ),
    (
        Rule.CLAIM,
        pvc(existingPvc=False),
        ["spec.storage.pvc[0].claimInfo.size"],
        pvc(existingPvc=False, claimInfo={"size": "20M"}),
    ),
    (
        Rule.TOLERATION_SECONDS,
        {"tolerations": [{"effect": "NoSchedule", "seconds": 5}]},
        ["spec.tolerations[0].seconds"],
        {"tolerations": [{"effect": "NoExecute", "seconds": 5}]},
    ),
    (
        Rule.TOLERATION_VALUE,
        {"tolerations": [{"operator": "Equal", "key": "a"}]},
        ["spec.tolerations[0].value"],
        {"tolerations": [{"operator": "Equal", "key": "a", "value": ""}]},
    ),
    (
        Rule.TOLERATION_VALUE,
        {"tolerations": [{"operator": "Exists", "key": "a", "value": "x"}]},
        ["spec.tolerations[0].value"],
        {"tolerations": [{"operator": "Exists", "key": "a"}]},
    ),
    (Rule.AFFINITY_VALUES, node("In"), [_MATCH], node("In", "a", "b")),
    (Rule.AFFINITY_VALUES, node("NotIn"), [_MATCH], node("NotIn", "a")),
    (Rule.AFFINITY_VALUES, node("Exists", "a"), [_MATCH], node("Exists")),
    (Rule.AFFINITY_VALUES, node("DoesNotExist", "a"), [_MATCH], node("DoesNotExist")),
    (Rule.AFFINITY_VALUES, node("Gt", "1", "2"), [_MATCH], node("Gt", "1")),
    (Rule.AFFINITY_VALUES, node("Lt", "one"), [_MATCH], node("Lt", "-1")),
    (
        Rule.IDENTITY,
        {"security": {"runAsUid": 1, "runAsGid": 1, "supplementalGroups": "2"}},
        [
            "spec.security.runAsUid",
            "spec.security.runAsGid",
            "spec.security.supplementalGroups",
        ],
        {"security": {"uidGidSource": "custom", "runAsUid": 1, "supplementalGroups": "2"}},
    ),
    (
        Rule.IDENTITY,
        {"security": {"uidGidSource": "fromTheImage", "runAsUid": 1}},
        ["spec.security.runAsUid"],
        {"security": {"uidGidSource": "fromTheImage", "supplementalGroups": ""}},
    ),
    (
        Rule.PARALLELISM,
        {"parallelism": 3, "completions": 2},
        ["spec.parallelism"],
        {"parallelism": 2, "completions": 2},
    ),
    (Rule.PARALLELISM, {"parallelism": 2}, ["spec.parallelism"], {"parallelism": 1}),
    (
        Rule.MOUNT_PROPAGATION,
        storage(hostPath=[_HOSTS[0], {**_HOSTS[1], **_SPREAD}]),
        ["spec.storage.hostPath[1].mountPropagation"],
        storage(hostPath=[{**_HOSTS[0], **_SPREAD}, {**_HOSTS[1], **_SPREAD}]),
    ),
    (
        Rule.MOUNT_POINT,
        storage(hostPath=[_HOSTS[0]], s3=[{"bucket": "b", "path": "/a/"}]),
        ["spec.storage.s3[0].path"],
        storage(hostPath=[_HOSTS[0]], s3=[{"bucket": "b", "path": "/a/b"}]),
    ),
    (
        Rule.NODE_PORT,
        {"ports": [{"container": 80, "serviceType": "NodePort", "external": 8080}]},
        ["spec.ports[0].external"],
        {"ports": [{"container": 80, "serviceType": "NodePort", "external": 30000}]},
    ),
    (
        Rule.GIT_SECRET,
        storage(git=[{**_REPOSITORY, "passwordSecret": "s", "secretRef": {"name": "s"}}]),
        ["spec.storage.git[0].secretRef"],
        storage(git=[{**_REPOSITORY, "secretRef": {"name": "s"}}]),
    ),
]
FIELD_RULES = {
    Rule.TYPE,
    Rule.REQUIRED,
    Rule.UNKNOWN,
    Rule.SINCE,
    Rule.REMOVED,
    Rule.MINIMUM,
    Rule.MAXIMUM,
    Rule.LENGTH,
    Rule.PATTERN,
    Rule.OPTIONS,
    Rule.UUID,
}


def test_every_rule_has_a_test() -> None:
    assert {case[0] for case in CASES} | FIELD_RULES == set(Rule)


@pytest.mark.parametrize(("rule", "broken", "paths", "right"), CASES)
def test_rule(
    rule: Rule, broken: dict[str, Any], paths: Sequence[str], right: dict[str, Any]
) -> None:
    assert found(broken, "latest") == [(path, rule) for path in paths]
    assert found(right, "latest") == []


def test_mig_profiles_belong_to_their_type_and_to_one_device() -> None:
    profile = {"gpuRequestType": "migProfile", "migProfile": "1g.5gb"}
    assert found(compute(**profile), "2.23") == []
    assert found(compute(gpuRequestType="migProfile"), "2.23") == [
        ("spec.compute.migProfile", Rule.GPU_TYPE)
    ]
    assert found(compute(gpuDevicesRequest=2, **profile), "2.23") == [
        ("spec.compute.migProfile", Rule.WHOLE_DEVICES)
    ]
    assert found(compute(**profile), "2.24") == [
        ("spec.compute.gpuRequestType", Rule.REMOVED),
        ("spec.compute.migProfile", Rule.REMOVED),
    ]


@pytest.mark.parametrize(
    "spec",
    [
        {"ports": [{"name": "web", "exclude": True}]},
        {"exposedUrls": [{"name": "web", "exclude": True}]},
        {"storage": {"git": [{"name": "code", "exclude": True}]}},
        {"storage": {"nfs": [{"name": "a", "exclude": True}, {"name": "b", "exclude": True}]}},
    ],
)
def test_an_entry_that_drops_one_of_a_policy_needs_only_its_name(spec: dict[str, Any]) -> None:
    assert found(spec, "latest") == []
    [listed] = [*spec.values()]
    [first, *_] = listed if isinstance(listed, list) else next(iter(listed.values()))
    first["name"] = None
    assert {rule for _, rule in found(spec, "latest")} == {Rule.REQUIRED}


def test_a_value_of_a_wrong_type_breaks_no_further_rule() -> None:
    broken: dict[str, Any] = {
        "tty": True,
        "stdin": "yes",
        "parallelism": 3,
        "completions": "3",
        "compute": {
            "gpuDevicesRequest": 2,
            "gpuRequestType": "portion",
            "gpuPortionRequest": "half",
            "cpuCoreRequest": [],
            "cpuCoreLimit": 1,
        },
        "environmentVariables": [{"name": "A", "value": 1}],
        "storage": {
            "pvc": [{"path": 5, "claimInfo": "x"}, {"path": "/d", "existingPvc": "x"}],
            "hostPath": [*_HOSTS[:1], {**_HOSTS[1], "mountPropagation": 1}],
        },
        **node("In"),
    }
    terms = broken["nodeAffinityRequired"]["nodeSelectorTerms"]
    terms[0]["matchExpressions"][0]["values"] = "a"
    violations = found(broken, "latest")
    assert {rule for _, rule in violations} == {Rule.TYPE}
    assert len(violations) == 10
