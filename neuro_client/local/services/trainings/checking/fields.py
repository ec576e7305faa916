"""The table of all fields of a training's spec (runai-trainings.md §5.1 to §5.8, §6)."""

from __future__ import annotations

from collections.abc import Mapping

from ..resources import PRIORITIES
from .kinds import (
    INT32,
    INT64,
    Field,
    Kind,
    amount,
    amount_or_number,
    flag,
    list_of,
    number,
    objects,
    one_of,
    text,
    uuid,
    whole,
)

V2_19, V2_20, V2_21 = (2, 19), (2, 20), (2, 21)
V2_22, V2_23, V2_24 = (2, 22), (2, 23), (2, 24)
_NAME = r"[a-z0-9]([a-z0-9-]*[a-z0-9])?"
_PORT = whole(1, 65535)
_WORD = text()


def _list(fields: Mapping[str, Field]) -> Kind:
    return list_of(objects(fields))


def _must(kind: Kind) -> Field:
    return Field(kind, required=True)


def _labelled() -> Mapping[str, Field]:
    most = text(pattern=r"(?s:.{1,63})", pattern_since=V2_19)
    return {"name": _must(most), "value": _must(text(empty=True)), "exclude": Field(flag)}


_KEYED = {"name": _must(_WORD), "key": _must(_WORD)}
_SECRET = objects({"name": _must(text(pattern=_NAME, pattern_since=V2_24)), "key": _must(_WORD)})
_ENVIRONMENT = _list(
    {
        "name": _must(_WORD),
        "value": Field(text(empty=True)),
        "secret": Field(_SECRET),
        "configMap": Field(_SECRET, since=V2_21),
        "podFieldRef": Field(objects({"path": _must(_WORD)}), since=V2_21),
        "userCredential": Field(objects(_KEYED), since=V2_24),
        "exclude": Field(flag),
        "description": Field(text(empty=True), since=V2_20),
    }
)
_HTTP_GET = objects(
    {
        "path": Field(text(pattern=r"(/[a-zA-Z0-9\-_./]*)?", empty=True)),
        "port": Field(_PORT),
        "host": Field(_WORD),
        "scheme": Field(one_of("HTTP", "HTTPS")),
    }
)
_READINESS = objects(
    {
        "initialDelaySeconds": Field(whole(0, INT32)),
        "periodSeconds": Field(whole(1, INT32)),
        "timeoutSeconds": Field(whole(1, INT32)),
        "successThreshold": Field(whole(1, INT32)),
        "failureThreshold": Field(whole(1, INT32)),
        "handler": _must(objects({"httpGet": Field(_HTTP_GET)})),
    }
)
_AFFINITY = objects(
    {
        "nodeSelectorTerms": Field(
            _list(
                {
                    "matchExpressions": Field(
                        _list(
                            {
                                "key": _must(_WORD),
                                "operator": _must(
                                    one_of("In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt")
                                ),
                                "values": Field(list_of(text(empty=True))),
                            }
                        )
                    )
                }
            )
        )
    }
)
_TOLERATIONS = _list(
    {
        "name": Field(_WORD),
        "operator": Field(one_of("Equal", "Exists")),
        "key": Field(_WORD),
        "value": Field(text(empty=True)),
        "effect": Field(
            one_of("NoSchedule", "NoExecute", "PreferNoSchedule", "Any", since={"Any": V2_19})
        ),
        "seconds": Field(whole(1, INT64)),
        "exclude": Field(flag, since=V2_19),
    }
)
_TOOL = {"toolType": Field(_WORD), "toolName": Field(_WORD), "name": Field(_WORD)}
_PORTS = _list(
    {
        "container": _must(_PORT),
        "serviceType": _must(one_of("LoadBalancer", "NodePort", "ClusterIP")),
        "external": Field(_PORT),
        **_TOOL,
        "exclude": Field(flag, since=V2_21),
    }
)
_EXPOSED_URLS = _list(
    {
        "container": _must(_PORT),
        "url": Field(_WORD),
        "authorizationType": Field(
            one_of("authenticatedUsers", "authorizedUsers", "authorizedGroups"), since=V2_24
        ),
        "authorizedUsers": Field(list_of(_WORD)),
        "authorizedGroups": Field(list_of(_WORD)),
        **_TOOL,
        "exclude": Field(flag, since=V2_21),
    }
)
_RELATED_URLS = _list(
    {
        "url": _must(_WORD),
        "type": _must(_WORD),
        "name": Field(_WORD),
        "exclude": Field(flag),
    }
)
_MIG = (
    *("1g.5gb", "1g.10gb", "2g.10gb", "2g.20gb", "3g.20gb"),
    *("3g.40gb", "4g.20gb", "4g.40gb", "7g.40gb", "7g.80gb"),
)
_COMPUTE = objects(
    {
        "gpuDevicesRequest": Field(whole(0, INT32)),
        "gpuRequestType": Field(
            one_of("portion", "memory", "migProfile", until={"migProfile": V2_24})
        ),
        "gpuPortionRequest": Field(number(0, 1)),
        "gpuPortionLimit": Field(number(0)),
        "gpuMemoryRequest": Field(amount),
        "gpuMemoryLimit": Field(amount),
        "migProfile": Field(one_of(*_MIG), until=V2_24),
        "cpuCoreRequest": Field(number(0)),
        "cpuCoreLimit": Field(number(0)),
        "cpuMemoryRequest": Field(amount),
        "cpuMemoryLimit": Field(amount),
        "largeShmRequest": Field(flag),
        "extendedResources": Field(
            _list(
                {
                    "resource": _must(_WORD),
                    "quantity": _must(amount_or_number),
                    "exclude": Field(flag),
                }
            )
        ),
    }
)
_NAMED = {"name": Field(_WORD), "exclude": Field(flag, since=V2_21)}
_MODE = Field(text(pattern=r"0[0-7]{3}"), since=V2_23)
_CLAIM = objects(
    {
        "size": Field(amount),
        "storageClass": Field(text(pattern=r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?")),
        "accessModes": Field(
            objects(
                {
                    "readWriteOnce": Field(flag),
                    "readOnlyMany": Field(flag),
                    "readWriteMany": Field(flag),
                }
            )
        ),
        "volumeMode": Field(one_of("Filesystem", "Block")),
        "addedAttrValues": Field(
            _list(
                {
                    "key": _must(
                        text(most=63, pattern=r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]")
                    ),
                    "value": _must(text(empty=True)),
                }
            ),
            since=V2_22,
        ),
    }
)
_STORAGE = objects(
    {
        "dataVolume": Field(
            _list(
                {
                    "id": _must(uuid),
                    "mountPath": _must(_WORD),
                    "exclude": Field(flag, since=V2_21),
                }
            )
        ),
        "pvc": Field(
            _list(
                {
                    **_NAMED,
                    "existingPvc": Field(flag),
                    "claimName": Field(text(most=63)),
                    "path": _must(_WORD),
                    "readOnly": Field(flag),
                    "ephemeral": Field(flag),
                    "claimInfo": Field(_CLAIM),
                    "dataSharing": Field(flag, since=V2_22),
                }
            )
        ),
        "git": Field(
            _list(
                {
                    **_NAMED,
                    "repository": _must(_WORD),
                    "branch": Field(_WORD),
                    "revision": Field(_WORD),
                    "path": _must(_WORD),
                    "passwordSecret": Field(_WORD),
                    "secretKeyOfUser": Field(_WORD),
                    "secretKeyOfPassword": Field(_WORD),
                    "secretRef": Field(
                        objects(
                            {
                                "name": Field(_WORD),
                                "authenticationMethod": Field(one_of("password", "ssh-key")),
                                "secretKeyOfUser": Field(_WORD),
                                "secretKeyOfPassword": Field(_WORD),
                            }
                        ),
                        since=V2_23,
                    ),
                }
            )
        ),
        "configMapVolume": Field(
            _list(
                {
                    **_NAMED,
                    "configMap": _must(_WORD),
                    "mountPath": _must(_WORD),
                    "subPath": Field(_WORD, since=V2_21),
                    "defaultMode": _MODE,
                }
            )
        ),
        "secretVolume": Field(
            _list(
                {
                    **_NAMED,
                    "secret": _must(_WORD),
                    "mountPath": _must(_WORD),
                    "defaultMode": _MODE,
                }
            )
        ),
        "hostPath": Field(
            _list(
                {
                    **_NAMED,
                    "path": _must(_WORD),
                    "mountPath": _must(_WORD),
                    "readOnly": Field(flag),
                    "mountPropagation": Field(one_of("None", "HostToContainer")),
                }
            )
        ),
        "nfs": Field(
            _list(
                {
                    **_NAMED,
                    "server": _must(_WORD),
                    "path": _must(_WORD),
                    "mountPath": _must(_WORD),
                    "readOnly": Field(flag),
                }
            )
        ),
        "s3": Field(
            _list(
                {
                    **_NAMED,
                    "bucket": _must(_WORD),
                    "path": _must(_WORD),
                    "url": Field(_WORD),
                    "accessKeySecret": Field(_WORD),
                    "secretKeyOfAccessKeyId": Field(_WORD),
                    "secretKeyOfSecretKey": Field(_WORD),
                }
            )
        ),
        "emptyDirVolume": Field(
            _list(
                {
                    **_NAMED,
                    "path": _must(_WORD),
                    "medium": Field(one_of("Memory")),
                    "sizeLimit": Field(amount),
                }
            ),
            since=V2_22,
        ),
    }
)
CAPABILITIES = (
    *("AUDIT_CONTROL", "AUDIT_READ", "AUDIT_WRITE", "BLOCK_SUSPEND", "CHOWN", "DAC_OVERRIDE"),
    *("DAC_READ_SEARCH", "FOWNER", "FSETID", "IPC_LOCK", "IPC_OWNER", "KILL", "LEASE"),
    *("LINUX_IMMUTABLE", "MAC_ADMIN", "MAC_OVERRIDE", "MKNOD", "NET_ADMIN", "NET_BIND_SERVICE"),
    *("NET_BROADCAST", "NET_RAW", "SETGID", "SETFCAP", "SETPCAP", "SETUID", "SYS_ADMIN"),
    *("SYS_BOOT", "SYS_CHROOT", "SYS_MODULE", "SYS_NICE", "SYS_PACCT", "SYS_PTRACE"),
    *("SYS_RAWIO", "SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "SYSLOG", "WAKE_ALARM"),
)
_SECURITY = objects(
    {
        "uidGidSource": Field(one_of("fromTheImage", "fromIdpToken", "custom")),
        "runAsUid": Field(whole(0, INT64)),
        "runAsGid": Field(whole(0, INT64)),
        "supplementalGroups": Field(text(pattern=r"([0-9]+(,[0-9]+)*)?", empty=True)),
        "runAsNonRoot": Field(flag),
        "readOnlyRootFilesystem": Field(flag),
        "allowPrivilegeEscalation": Field(flag),
        "hostIpc": Field(flag),
        "hostNetwork": Field(flag),
        "seccompProfileType": Field(one_of("RuntimeDefault", "Unconfined", "Localhost")),
        "capabilities": Field(list_of(one_of(*CAPABILITIES))),
    }
)
CATEGORIES = ("Build", "Deploy", "Train")
SPEC = objects(
    {
        "command": Field(_WORD),
        "args": Field(_WORD),
        "image": Field(_WORD),
        "imagePullPolicy": Field(one_of("Always", "Never", "IfNotPresent")),
        "imagePullSecrets": Field(
            _list(
                {
                    "name": _must(text(pattern=_NAME)),
                    "userCredential": Field(flag),
                    "exclude": Field(flag),
                }
            ),
            since=V2_22,
        ),
        "workingDir": Field(_WORD),
        "createHomeDir": Field(flag),
        "tty": Field(flag),
        "stdin": Field(flag),
        "environmentVariables": Field(_ENVIRONMENT),
        "annotations": Field(_list(_labelled())),
        "labels": Field(_list(_labelled())),
        "probes": Field(objects({"readiness": Field(_READINESS)})),
        "category": Field(one_of(*CATEGORIES), since=V2_22),
        "restartPolicy": Field(one_of("Always", "Never", "OnFailure"), since=V2_21),
        "terminationGracePeriodSeconds": Field(whole(0, INT64), since=V2_20),
        "nodeType": Field(_WORD),
        "nodePools": Field(list_of(_WORD)),
        "nodeAffinityRequired": Field(_AFFINITY, since=V2_22),
        "podAffinity": Field(
            objects({"type": _must(one_of("Required", "Preferred")), "key": _must(_WORD)})
        ),
        "tolerations": Field(_TOLERATIONS),
        "priorityClass": Field(one_of(*PRIORITIES)),
        "preemptibility": Field(one_of("preemptible", "non-preemptible"), since=V2_24),
        "terminateAfterPreemption": Field(flag),
        "autoDeletionTimeAfterCompletionSeconds": Field(whole(0, INT64)),
        "backoffLimit": Field(whole(0, INT64)),
        "completions": Field(whole(1, INT32)),
        "parallelism": Field(whole(1, INT32)),
        "ports": Field(_PORTS),
        "exposedUrls": Field(_EXPOSED_URLS),
        "relatedUrls": Field(_RELATED_URLS),
        "compute": Field(_COMPUTE),
        "storage": Field(_STORAGE),
        "security": Field(_SECURITY),
    }
)
