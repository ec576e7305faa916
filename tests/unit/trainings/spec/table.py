"""The tables of runai-trainings.md §5, row by row, written down from the page."""

from __future__ import annotations

from typing import Any

from .rows import UUID, enum, row, section

_CAPABILITIES = """
AUDIT_CONTROL AUDIT_READ AUDIT_WRITE BLOCK_SUSPEND CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID
IPC_LOCK IPC_OWNER KILL LEASE LINUX_IMMUTABLE MAC_ADMIN MAC_OVERRIDE MKNOD NET_ADMIN
NET_BIND_SERVICE NET_BROADCAST NET_RAW SETGID SETFCAP SETPCAP SETUID SYS_ADMIN SYS_BOOT SYS_CHROOT
SYS_MODULE SYS_NICE SYS_PACCT SYS_PTRACE SYS_RAWIO SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG SYSLOG
WAKE_ALARM
"""
_MIG = "1g.5gb 1g.10gb 2g.10gb 2g.20gb 3g.20gb 3g.40gb 4g.20gb 4g.40gb 7g.40gb 7g.80gb"
_SECRET_KEY: dict[str, Any] = {"name": "some-name", "key": "some-key"}
_VALUE = {"value": "1"}
_HTTP = {"port": 8080}
_CLAIM = {"size": "1Gi"}
_CUSTOM = {"uidGidSource": "custom"}

# The smallest valid object at each path; others are valid when empty.
MINIMAL: dict[str, dict[str, Any]] = {
    "": {"name": "mnist-0", "projectId": "7", "clusterId": UUID},
    "spec": {"image": "python:3.11"},
    "spec.imagePullSecrets[]": {"name": "some-secret"},
    "spec.environmentVariables[]": {"name": "SEED"},
    "spec.environmentVariables[].secret": _SECRET_KEY,
    "spec.environmentVariables[].configMap": _SECRET_KEY,
    "spec.environmentVariables[].podFieldRef": {"path": "metadata.name"},
    "spec.environmentVariables[].userCredential": _SECRET_KEY,
    "spec.annotations[]": {"name": "some-name", "value": "some value"},
    "spec.labels[]": {"name": "some-name", "value": "some value"},
    "spec.probes.readiness": {"handler": {"httpGet": _HTTP}},
    "spec.probes.readiness.handler": {"httpGet": _HTTP},
    "spec.probes.readiness.handler.httpGet": _HTTP,
    "spec.nodeAffinityRequired.nodeSelectorTerms[].matchExpressions[]": {
        "key": "some-key",
        "operator": "Exists",
    },
    "spec.podAffinity": {"type": "Required", "key": "some-key"},
    "spec.ports[]": {"container": 8080, "serviceType": "ClusterIP"},
    "spec.exposedUrls[]": {"container": 8080},
    "spec.relatedUrls[]": {"url": "https://tracker.example/1", "type": "wandb"},
    "spec.compute.extendedResources[]": {"resource": "vendor.example/foo", "quantity": "2"},
    "spec.storage.dataVolume[]": {"id": UUID, "mountPath": "/data"},
    "spec.storage.pvc[]": {"path": "/data", "claimInfo": _CLAIM},
    "spec.storage.pvc[].claimInfo": _CLAIM,
    "spec.storage.pvc[].claimInfo.addedAttrValues[]": {"key": "some-key", "value": "x"},
    "spec.storage.git[]": {"repository": "https://git.example/repo.git", "path": "/code"},
    "spec.storage.git[].secretRef": {"name": "some-secret"},
    "spec.storage.configMapVolume[]": {"configMap": "some-map", "mountPath": "/etc/map"},
    "spec.storage.secretVolume[]": {"secret": "some-secret", "mountPath": "/etc/secret"},
    "spec.storage.hostPath[]": {"path": "/srv", "mountPath": "/data"},
    "spec.storage.nfs[]": {"server": "nfs.example", "path": "/exported", "mountPath": "/data"},
    "spec.storage.s3[]": {"bucket": "some-bucket", "path": "/data"},
    "spec.storage.emptyDirVolume[]": {"path": "/scratch"},
}

TOP = section(
    "",
    row(
        "name",
        "string",
        required=True,
        legal=["a", "a-1", "0", "a" * 63],
        illegal=["A", "-a", "a-", "a_b", "a.b", "a" * 64, "a\n"],
    ),
    row("useGivenNameAsPrefix", "boolean"),
    row("projectId", "id", required=True),
    row("clusterId", "uuid", required=True),
    row("templateId", "uuid", "2.23"),
    row("spec", "object", legal=[{}, MINIMAL["spec"]]),
)

CONTAINER = section(
    "spec",
    row("command", "string"),
    row("args", "string", legal=["--epochs 3", "x" * 10_000], illegal=["x" * 10_001]),
    row("image", "string"),
    enum("imagePullPolicy", "Always Never IfNotPresent"),
    row(
        "imagePullSecrets",
        "list of object",
        "2.22",
        legal=[[], [MINIMAL["spec.imagePullSecrets[]"]]],
    ),
    row(
        "imagePullSecrets[].name",
        "string",
        required=True,
        legal=["a", "a-1"],
        illegal=["A", "-a", "a-", "a.b"],
    ),
    row("imagePullSecrets[].userCredential", "boolean"),
    row("imagePullSecrets[].exclude", "boolean"),
    row("workingDir", "string"),
    row("createHomeDir", "boolean"),
    row("tty", "boolean", beside={"stdin": True}),
    row("stdin", "boolean"),
    row(
        "environmentVariables",
        "list of object",
        legal=[[], [{"name": "SEED", "value": "1"}]],
    ),
    row("annotations", "list of object", legal=[[], [MINIMAL["spec.annotations[]"]]]),
    row("annotations[].name", "string", required=True, legal=["a", "a" * 63]),
    row("annotations[].value", "text"),
    row("annotations[].exclude", "boolean"),
    row("labels", "list of object", legal=[[], [MINIMAL["spec.labels[]"]]]),
    row("labels[].name", "string", required=True, legal=["a", "a" * 63]),
    row("labels[].value", "text"),
    row("labels[].exclude", "boolean"),
    row("probes", "object", legal=[{}]),
    row("probes.readiness", "object", legal=[MINIMAL["spec.probes.readiness"]]),
    row("category", "string", "2.22"),
    enum("restartPolicy", "Always Never OnFailure", "2.21"),
    row("terminationGracePeriodSeconds", "int64", "2.20", legal=[0, 300]),
)

ENVIRONMENT = section(
    "spec.environmentVariables[]",
    row("name", "string", required=True, beside=_VALUE),
    row("value", "text"),
    row("secret", "object", legal=[_SECRET_KEY]),
    row("secret.name", "string", required=True, legal=["some-name"]),
    row("secret.key", "string", required=True),
    row("configMap", "object", "2.21", legal=[_SECRET_KEY]),
    row("configMap.name", "string", required=True, legal=["some-name"]),
    row("configMap.key", "string", required=True),
    row("podFieldRef", "object", "2.21", legal=[{"path": "metadata.name"}]),
    row("podFieldRef.path", "string", required=True),
    row("userCredential", "object", "2.24", legal=[_SECRET_KEY]),
    row("userCredential.name", "string", required=True),
    row("userCredential.key", "string", required=True),
    row("exclude", "boolean", beside=_VALUE),
    row("description", "text", "2.20", beside=_VALUE),
)

PROBES = section(
    "spec.probes.readiness",
    row("initialDelaySeconds", "int32", legal=[0, 1]),
    row("periodSeconds", "int32", illegal=[0]),
    row("timeoutSeconds", "int32", illegal=[0]),
    row("successThreshold", "int32", illegal=[0]),
    row("failureThreshold", "int32", illegal=[0]),
    row("handler", "object", required=True, legal=[{"httpGet": _HTTP}]),
    row("handler.httpGet", "object", required=True, legal=[_HTTP]),
    row("handler.httpGet.path", "text", legal=["", "/", "/a-b_c/d.e"], illegal=["a", "/a?b"]),
    row("handler.httpGet.port", "port", required=True),
    row("handler.httpGet.host", "string"),
    enum("handler.httpGet.scheme", "HTTP HTTPS"),
)

SCHEDULING = section(
    "spec",
    row("nodeType", "string"),
    row("nodePools", "list of string"),
    row("nodeAffinityRequired", "object", "2.22", legal=[{}]),
    row("nodeAffinityRequired.nodeSelectorTerms", "list of object", legal=[[], [{}]]),
    row(
        "nodeAffinityRequired.nodeSelectorTerms[].matchExpressions",
        "list of object",
        legal=[[], [{"key": "some-key", "operator": "Exists"}]],
    ),
    row("podAffinity", "object", legal=[MINIMAL["spec.podAffinity"]]),
    enum("podAffinity.type", "Required Preferred", required=True),
    row("podAffinity.key", "string", required=True),
    row("tolerations", "list of object", legal=[[], [{}]]),
    enum(
        "priorityClass",
        "build train interactive-preemptible "
        "very-low low medium-low medium medium-high high very-high",
    ),
    enum("preemptibility", "preemptible non-preemptible", "2.24"),
    row("terminateAfterPreemption", "boolean"),
    row("autoDeletionTimeAfterCompletionSeconds", "int64", legal=[0, 2_592_000]),
    row("backoffLimit", "int64", legal=[0, 6]),
    row("completions", "int32", illegal=[0]),
    row("parallelism", "int32", legal=[1, 3], beside={"completions": 3}),
)

EXPRESSIONS = section(
    "spec.nodeAffinityRequired.nodeSelectorTerms[].matchExpressions[]",
    row("key", "string", required=True),
    enum("operator", "In NotIn", required=True, beside={"values": ["a"]}),
    row(
        "values",
        "list of text",
        legal=[["a"], ["a", ""]],
        beside={"operator": "In"},
    ),
)

TOLERATIONS = section(
    "spec.tolerations[]",
    row("name", "string"),
    enum("operator", "Equal", beside={"value": "x"}),
    row("key", "string"),
    row("value", "text", beside={"operator": "Equal"}),
    enum("effect", "NoSchedule NoExecute PreferNoSchedule"),
    row("seconds", "int32", illegal=[0], beside={"effect": "NoExecute"}),
    row("exclude", "boolean", "2.19"),
)

NETWORK = section(
    "spec",
    row("ports", "list of object", legal=[[], [MINIMAL["spec.ports[]"]]]),
    row("ports[].container", "port", required=True),
    enum("ports[].serviceType", "LoadBalancer NodePort ClusterIP", required=True),
    row("ports[].external", "port"),
    row("ports[].toolType", "string"),
    row("ports[].toolName", "string"),
    row("ports[].name", "string"),
    row("ports[].exclude", "boolean", "2.21"),
    row("exposedUrls", "list of object", legal=[[], [MINIMAL["spec.exposedUrls[]"]]]),
    row("exposedUrls[].container", "port", required=True),
    row("exposedUrls[].url", "string"),
    enum(
        "exposedUrls[].authorizationType",
        "authenticatedUsers authorizedUsers authorizedGroups",
        "2.24",
    ),
    row("exposedUrls[].authorizedUsers", "list of string"),
    row("exposedUrls[].authorizedGroups", "list of string"),
    row("exposedUrls[].toolType", "string"),
    row("exposedUrls[].toolName", "string"),
    row("exposedUrls[].name", "string"),
    row("exposedUrls[].exclude", "boolean", "2.21"),
    row("relatedUrls", "list of object", "2.18", legal=[[], [MINIMAL["spec.relatedUrls[]"]]]),
    row("relatedUrls[].url", "string", required=True),
    row("relatedUrls[].type", "string", required=True),
    row("relatedUrls[].name", "string"),
    row("relatedUrls[].exclude", "boolean", "2.21"),
)

COMPUTE = [
    row("spec.compute", "object", legal=[{}]),
    *section(
        "spec.compute",
        row("gpuDevicesRequest", "int32", legal=[0, 1, 8]),
        enum("gpuRequestType", "portion", beside={"gpuPortionRequest": 0.5}),
        row(
            "gpuPortionRequest",
            "number",
            illegal=[1.1],
            beside={"gpuRequestType": "portion"},
        ),
        row("gpuPortionLimit", "number"),
        row("gpuMemoryRequest", "quantity", beside={"gpuRequestType": "memory"}),
        row("gpuMemoryLimit", "quantity"),
        enum("migProfile", _MIG, removed="2.24", beside={"gpuRequestType": "migProfile"}),
        row("cpuCoreRequest", "number"),
        row("cpuCoreLimit", "number"),
        row("cpuMemoryRequest", "quantity"),
        row("cpuMemoryLimit", "quantity"),
        row("largeShmRequest", "boolean"),
        row(
            "extendedResources",
            "list of object",
            legal=[[], [{"resource": "vendor.example/foo", "quantity": 2}]],
        ),
        row("extendedResources[].resource", "string", required=True),
        row("extendedResources[].quantity", "quantity"),
        row("extendedResources[].exclude", "boolean"),
    ),
]

SECURITY = [
    row("spec.security", "object", legal=[{}]),
    *section(
        "spec.security",
        enum("uidGidSource", "fromTheImage fromIdpToken custom"),
        row("runAsUid", "int64", legal=[0, 1000], beside=_CUSTOM),
        row("runAsGid", "int64", legal=[0, 1000], beside=_CUSTOM),
        row(
            "supplementalGroups",
            "text",
            legal=["", "2", "2,3,5,8"],
            illegal=["2,", "a", "2 3", "-1"],
            beside=_CUSTOM,
        ),
        row("runAsNonRoot", "boolean"),
        row("readOnlyRootFilesystem", "boolean"),
        row("allowPrivilegeEscalation", "boolean"),
        row("hostIpc", "boolean"),
        row("hostNetwork", "boolean"),
        enum("seccompProfileType", "RuntimeDefault Unconfined Localhost"),
        row("capabilities", "list of enum", legal=[[], [*_CAPABILITIES.split()]]),
    ),
]
