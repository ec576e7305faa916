"""What is refused before it is taken: one case for each rule, in both modes and profiles."""

from __future__ import annotations

import io
from copy import deepcopy
from typing import Any

import pytest

from neuro_client.local.services.trainings.checking import check
from neuro_client.local.services.trainings.quantities import quantity

from .conftest import TRAININGS, Api

BODY = {
    "name": "mnist-0",
    "projectId": "7",
    "clusterId": "6f6f0b1e-0f6e-4c39-9d3e-1f2d3c4b5a69",
    "spec": {"image": "x", "command": "python"},
}
ONE_GPU = {"gpuDevicesRequest": 1}
ENV, TOLERATION, PVC = "environmentVariables[0]", "tolerations[0]", "storage.pvc[0]"
EXPRESSION = "nodeAffinityRequired.nodeSelectorTerms[0].matchExpressions[0]"


def refused(spec: Any, *, profile: str = "latest", mode: str = "strict", **top: Any) -> list[str]:
    """Give the paths of all violations."""
    body: dict[str, Any] = deepcopy(BODY) | top
    body["spec"] = BODY["spec"] | spec if isinstance(spec, dict) else spec  # type: ignore[operator]
    return [path.removeprefix("spec.") for path, _ in check(body, profile, mode)]


def _compute(**fields: Any) -> dict[str, Any]:
    return {"compute": fields}


def _storage(**lists: Any) -> dict[str, Any]:
    return {"storage": lists}


def _affinity(operator: str, *values: str) -> dict[str, Any]:
    expression = {"key": "k", "operator": operator, "values": list(values)}
    return {"nodeAffinityRequired": {"nodeSelectorTerms": [{"matchExpressions": [expression]}]}}


def _claim(**more: Any) -> dict[str, Any]:
    return _storage(pvc=[{"path": "/d", **more}])


SIZE = {"size": "1Gi"}
FIELDS: list[tuple[dict[str, Any], str]] = [
    ({"command": ""}, "command"),
    ({"args": ["a"]}, "args"),
    ({"image": 1}, "image"),
    ({"imagePullPolicy": "Sometimes"}, "imagePullPolicy"),
    ({"imagePullSecrets": [{"name": "A"}]}, "imagePullSecrets[0].name"),
    ({"createHomeDir": "yes"}, "createHomeDir"),
    ({"annotations": [{"name": "n" * 64, "value": ""}]}, "annotations[0].name"),
    ({"labels": [{"name": "n"}]}, "labels[0].value"),
    ({"category": "Play"}, "category"),
    ({"restartPolicy": "Maybe"}, "restartPolicy"),
    ({"terminationGracePeriodSeconds": -1}, "terminationGracePeriodSeconds"),
    ({"environmentVariables": {"A": "b"}}, "environmentVariables"),
    ({"environmentVariables": [{"value": "b"}]}, f"{ENV}.name"),
    ({"environmentVariables": [{"name": "A", "secret": {"name": "s"}}]}, f"{ENV}.secret.key"),
    ({"probes": {"readiness": {}}}, "probes.readiness.handler"),
    (
        {"probes": {"readiness": {"periodSeconds": 0, "handler": {}}}},
        "probes.readiness.periodSeconds",
    ),
    (
        {"probes": {"readiness": {"handler": {"httpGet": {"path": "x y"}}}}},
        "probes.readiness.handler.httpGet.path",
    ),
    ({"nodePools": "default"}, "nodePools"),
    ({"podAffinity": {"type": "Required"}}, "podAffinity.key"),
    ({"tolerations": [{"effect": "Never"}]}, f"{TOLERATION}.effect"),
    ({"priorityClass": "urgent"}, "priorityClass"),
    ({"preemptibility": "yes"}, "preemptibility"),
    ({"autoDeletionTimeAfterCompletionSeconds": 1.5}, "autoDeletionTimeAfterCompletionSeconds"),
    ({"backoffLimit": True}, "backoffLimit"),
    ({"completions": 0}, "completions"),
    ({"ports": [{"container": 0, "serviceType": "NodePort"}]}, "ports[0].container"),
    ({"ports": [{"container": 1}]}, "ports[0].serviceType"),
    ({"exposedUrls": [{}]}, "exposedUrls[0].container"),
    ({"relatedUrls": [{"url": "u"}]}, "relatedUrls[0].type"),
    (_compute(gpuDevicesRequest=2**31), "compute.gpuDevicesRequest"),
    (_compute(cpuCoreRequest=-0.5), "compute.cpuCoreRequest"),
    (_compute(cpuMemoryRequest="1.2.3"), "compute.cpuMemoryRequest"),
    (_compute(cpuMemoryRequest=5), "compute.cpuMemoryRequest"),
    (_compute(extendedResources=[{"resource": "r"}]), "compute.extendedResources[0].quantity"),
    (_storage(dataVolume=[{"id": "7", "mountPath": "/"}]), "storage.dataVolume[0].id"),
    (_claim(claimInfo=SIZE, claimName="n" * 64), f"{PVC}.claimName"),
    (_claim(claimInfo=SIZE | {"volumeMode": "Tape"}), f"{PVC}.claimInfo.volumeMode"),
    (_storage(git=[{"path": "/g"}]), "storage.git[0].repository"),
    (
        _storage(configMapVolume=[{"configMap": "c", "mountPath": "/", "defaultMode": "0999"}]),
        "storage.configMapVolume[0].defaultMode",
    ),
    (_storage(secretVolume=[{"secret": "s"}]), "storage.secretVolume[0].mountPath"),
    (_storage(nfs=[{"server": "s", "mountPath": "/"}]), "storage.nfs[0].path"),
    (_storage(s3=[{"path": "/"}]), "storage.s3[0].bucket"),
    (
        _storage(emptyDirVolume=[{"path": "/", "medium": "Tape"}]),
        "storage.emptyDirVolume[0].medium",
    ),
    ({"security": {"uidGidSource": "idpToken"}}, "security.uidGidSource"),
    ({"security": {"seccompProfileType": "None"}}, "security.seccompProfileType"),
    ({"security": {"capabilities": ["CHOWN", "FLY"]}}, "security.capabilities[1]"),
    (
        {"security": {"uidGidSource": "custom", "supplementalGroups": "1, 2"}},
        "security.supplementalGroups",
    ),
    ({"novelty": 1}, "novelty"),
    ({"storage": {"tape": []}}, "storage.tape"),
]
RULES: list[tuple[dict[str, Any], str]] = [
    ({"environmentVariables": [{"name": "A"}]}, ENV),
    (
        {"environmentVariables": [{"name": "A", "value": "", "secret": {"name": "s", "key": "k"}}]},
        ENV,
    ),
    ({"tty": True}, "tty"),
    (_compute(gpuRequestType="portion", **ONE_GPU), "compute.gpuPortionRequest"),
    (_compute(gpuPortionRequest=0.5, **ONE_GPU), "compute.gpuPortionRequest"),
    (_compute(gpuMemoryRequest="1G", **ONE_GPU), "compute.gpuMemoryRequest"),
    (
        _compute(gpuRequestType="portion", gpuPortionRequest=0.5, gpuPortionLimit=0.4),
        "compute.gpuPortionLimit",
    ),
    (
        _compute(gpuRequestType="memory", gpuMemoryRequest="1Gi", gpuMemoryLimit="1G"),
        "compute.gpuMemoryLimit",
    ),
    (_compute(cpuCoreRequest=2, cpuCoreLimit=1), "compute.cpuCoreLimit"),
    (_compute(cpuMemoryRequest="1Ki", cpuMemoryLimit="1k"), "compute.cpuMemoryLimit"),
    (
        _compute(gpuDevicesRequest=2, gpuRequestType="memory", gpuMemoryRequest="1G"),
        "compute.gpuRequestType",
    ),
    (
        _compute(gpuDevicesRequest=2, gpuRequestType="portion", gpuPortionRequest=0.5),
        "compute.gpuPortionRequest",
    ),
    (
        {"exposedUrls": [{"container": 1, "authorizedUsers": ["a"], "authorizedGroups": ["g"]}]},
        "exposedUrls[0].authorizedGroups",
    ),
    (_claim(existingPvc=True, claimName="c", claimInfo=SIZE), f"{PVC}.claimInfo"),
    (_claim(existingPvc=True), f"{PVC}.claimName"),
    (_claim(claimInfo={}), f"{PVC}.claimInfo.size"),
    ({"tolerations": [{"effect": "NoSchedule", "seconds": 1}]}, f"{TOLERATION}.seconds"),
    ({"tolerations": [{"operator": "Equal", "key": "k"}]}, f"{TOLERATION}.value"),
    ({"tolerations": [{"operator": "Exists", "value": "v"}]}, f"{TOLERATION}.value"),
    ({"security": {"runAsUid": 1}}, "security.runAsUid"),
    ({"security": {"uidGidSource": "fromTheImage", "runAsGid": 1}}, "security.runAsGid"),
    ({"security": {"supplementalGroups": "1"}}, "security.supplementalGroups"),
    ({"parallelism": 3, "completions": 2}, "parallelism"),
    ({"parallelism": 2}, "parallelism"),
    (
        _storage(
            hostPath=[
                {"path": "/a", "mountPath": "/a", "mountPropagation": "HostToContainer"},
                {"path": "/b", "mountPath": "/b"},
            ]
        ),
        "storage.hostPath",
    ),
    (
        _storage(
            nfs=[{"server": "s", "path": "/", "mountPath": "/data/"}],
            s3=[{"bucket": "b", "path": "/data"}],
        ),
        "storage.s3[0].path",
    ),
    (
        {"ports": [{"container": 1, "serviceType": "NodePort", "external": 8080}]},
        "ports[0].external",
    ),
    (_affinity("In"), f"{EXPRESSION}.values"),
    (_affinity("Exists", "v"), f"{EXPRESSION}.values"),
    (_affinity("Gt", "1", "2"), f"{EXPRESSION}.values"),
    (_affinity("Lt", "x"), f"{EXPRESSION}.values"),
]


def test_each_rule_is_enforced() -> None:
    for spec, path in (*FIELDS, *RULES):
        assert refused(spec) == [path], spec
        assert refused(spec, mode="lenient") == [], spec


TOP: list[tuple[dict[str, Any], str]] = [
    ({"name": ""}, "name"),
    ({"name": "Mnist_0"}, "name"),
    ({"name": "n" * 64}, "name"),
    ({"name": "n" * 58, "useGivenNameAsPrefix": True}, "name"),
    ({"useGivenNameAsPrefix": 1}, "useGivenNameAsPrefix"),
    ({"projectId": None}, "projectId"),
    ({"projectId": True}, "projectId"),
    ({"clusterId": "7"}, "clusterId"),
    ({"templateId": "7"}, "templateId"),
    ({"novelty": 1}, "novelty"),
    ({"spec": {"command": "x"}}, "image"),
    ({"spec": None}, "image"),
    ({"spec": []}, "spec"),
]


def test_each_field_of_the_top_level_is_checked() -> None:
    for top, path in TOP:
        found = check(deepcopy(BODY) | top, "latest", "strict")
        names = [where.removeprefix("spec.") for where, _ in found]
        assert path in names and len(names) == 1 + (path == "spec"), top


NEWER: list[tuple[dict[str, Any], str]] = [
    ({"tolerations": [{"effect": "Any"}]}, f"{TOLERATION}.effect"),
    ({"tolerations": [{"exclude": True}]}, f"{TOLERATION}.exclude"),
    (
        {"environmentVariables": [{"name": "A", "value": "", "description": ""}]},
        f"{ENV}.description",
    ),
    ({"terminationGracePeriodSeconds": 1}, "terminationGracePeriodSeconds"),
    ({"restartPolicy": "Never"}, "restartPolicy"),
    (_storage(emptyDirVolume=[]), "storage.emptyDirVolume"),
    ({"category": "Train"}, "category"),
    ({"preemptibility": "preemptible"}, "preemptibility"),
]
OLDER: list[tuple[dict[str, Any], str]] = [
    ({"annotations": [{"name": "n" * 64, "value": ""}]}, "annotations[0].name"),
    (
        {"environmentVariables": [{"name": "A", "secret": {"name": "a_b", "key": "k"}}]},
        f"{ENV}.secret.name",
    ),
]


def test_the_fields_follow_the_profile() -> None:
    for spec, path in NEWER:
        assert refused(spec, profile="2.18") == [path]
        assert refused(spec) == []
    for spec, path in OLDER:
        assert refused(spec) == [path]
        assert refused(spec, profile="2.18") == []
    mig = _compute(gpuRequestType="migProfile", migProfile="1g.5gb", **ONE_GPU)
    assert refused(mig, profile="2.18") == []
    assert refused(mig) == ["compute.gpuRequestType", "compute.migProfile"]
    template = BODY | {"templateId": BODY["clusterId"]}
    assert [path for path, _ in check(template, "2.18", "strict")] == ["templateId"]


def test_what_is_null_is_not_there() -> None:
    names = ("category", "preemptibility", "imagePullSecrets", "restartPolicy", "storage", "tty")
    assert refused(dict.fromkeys((*names, "no such")), profile="2.18") == []
    ports = [{"container": 1, "serviceType": "ClusterIP", "exclude": False}]
    assert refused({"ports": ports}, profile="2.18") == []
    excluded = [{"name": "A", "exclude": True}]
    assert refused({"environmentVariables": excluded, "labels": excluded}) == []


QUANTITIES: list[tuple[Any, float | None]] = [
    *(("10M", 10**7), ("1Gi", 2**30), ("500m", 0.5), ("1e3", 1000), ("1E", 10**18)),
    *(("2E2", 200), ("0.5", 0.5), (".5", 0.5), ("+1k", 1000), ("-1", -1), (2, 2)),
    *(("1.2.3", None), ("", None), ("1mi", None), ("1 G", None), (True, None), ("e3", None)),
]


def test_quantities_are_exact() -> None:
    for text, value in QUANTITIES:
        assert quantity(text) == value, text


async def test_refusals_and_lenience_on_the_wire(api: Api) -> None:
    wrong = api.body("Wrong_name", tty=True, parallelism=2)
    refusal = await api.call("POST", TRAININGS, json=wrong, status=400)
    assert refusal["code"] == 400
    for path in ("name:", "spec.tty:", "spec.parallelism:"):
        assert path in refusal["details"]
    for changed in ({"projectId": "99"}, {"projectId": "x"}, {"clusterId": BODY["clusterId"]}):
        refusal = await api.call("POST", TRAININGS, json=api.body("a") | changed, status=400)
        assert refusal["code"] == 400
    for data in (b"", b"{", b"[]", b'"x"'):
        headers = {"Content-Type": "application/json"}
        await api.call("POST", TRAININGS, data=data, headers=headers, status=400)
    refusal = await api.call("POST", TRAININGS, data=io.BytesIO(b" " * (2**24 + 1)), status=413)
    assert refusal["code"] == 413
    assert (await api.call("PUT", TRAININGS, status=405))["code"] == 405
    assert (await api.call("GET", "/api/v1/nowhere", status=404))["code"] == 404
    for name in ("x", "0" * 32):
        assert (await api.call("GET", f"{TRAININGS}/{name}", status=400))["code"] == 400
    await api.call("GET", f"{TRAININGS}/{BODY['clusterId']}", status=404)
    api.platform.trainings.manners.mode = "lenient"
    answer = await api.call("POST", TRAININGS, json=wrong | {"projectId": 1})
    assert answer["spec"] == wrong["spec"] and answer["projectId"] == "1"
    issue = {"field": "image", "details": "another registry", "rule": None}
    api.platform.trainings.manners.policy = lambda spec: [issue] if spec["image"] else []
    refusal = await api.call("POST", TRAININGS, json=api.body("a"), status=400)
    assert refusal["complianceIssues"] == [issue]
    with pytest.raises(ValueError, match="profile"):
        api.platform.trainings.manners.profile = "1.0"
