"""The table of runai-trainings.md §5.7, row by row, written down from the page."""

from __future__ import annotations

from .rows import Row, enum, row, section
from .table import MINIMAL


def _entry(name: str, *rows: Row, since: str | None = None, named: bool = True) -> list[Row]:
    """Write down a list; "every entry may have name; exclude bool since 2.21"."""
    minimal = MINIMAL[f"spec.storage.{name}[]"]
    return section(
        "spec.storage",
        row(name, "list of object", since, legal=[[], [minimal]]),
        *section(
            f"{name}[]",
            *([row("name", "string")] if named else []),
            row("exclude", "boolean", "2.21"),
            *rows,
        ),
    )


_EXISTING = {"claimInfo": None, "claimName": "some-claim"}
_MODE = row(
    "defaultMode", "string", "2.23", legal=["0644", "0777"], illegal=["644", "0778", "1644"]
)

STORAGE = [
    row("spec.storage", "object", legal=[{}]),
    *_entry(
        "dataVolume",
        row("id", "uuid", required=True),
        row("mountPath", "string", required=True),
        named=False,
    ),
    *_entry(
        "pvc",
        row("existingPvc", "boolean", legal=[True], beside=_EXISTING),
        row("claimName", "string", legal=["a", "a" * 63]),
        row("path", "string", required=True),
        row("readOnly", "boolean"),
        row("ephemeral", "boolean"),
        row("claimInfo", "object", legal=[{"size": "1Gi"}]),
        row("dataSharing", "boolean", "2.22"),
        row("claimInfo.size", "quantity"),
        row("claimInfo.storageClass", "string", legal=["fast", "a.b-c"], illegal=["A", "-a"]),
        row("claimInfo.accessModes", "object", legal=[{}]),
        row("claimInfo.accessModes.readWriteOnce", "boolean"),
        row("claimInfo.accessModes.readOnlyMany", "boolean"),
        row("claimInfo.accessModes.readWriteMany", "boolean"),
        enum("claimInfo.volumeMode", "Filesystem Block", enforced="2.21"),
        row(
            "claimInfo.addedAttrValues",
            "list of object",
            "2.22",
            legal=[[], [{"key": "some-key", "value": "x"}]],
        ),
        row(
            "claimInfo.addedAttrValues[].key",
            "string",
            required=True,
            legal=["a", "A.b_c-d", "a" * 63],
            illegal=["-a", "a-", "a" * 64],
        ),
        row("claimInfo.addedAttrValues[].value", "text"),
    ),
    *_entry(
        "git",
        row("repository", "string", required=True),
        row("branch", "string"),
        row("revision", "string"),
        row("path", "string", required=True),
        row("passwordSecret", "string"),
        row("secretKeyOfUser", "string"),
        row("secretKeyOfPassword", "string"),
        row("secretRef", "object", "2.23", legal=[{"name": "some-secret"}]),
        row("secretRef.name", "string", required=True),
        enum("secretRef.authenticationMethod", "password ssh-key"),
        row("secretRef.secretKeyOfUser", "string"),
        row("secretRef.secretKeyOfPassword", "string"),
    ),
    *_entry(
        "configMapVolume",
        row("configMap", "string", required=True),
        row("mountPath", "string", required=True),
        row("subPath", "string", "2.21"),
        _MODE,
    ),
    *_entry(
        "secretVolume",
        row("secret", "string", required=True),
        row("mountPath", "string", required=True),
        _MODE,
    ),
    *_entry(
        "hostPath",
        row("path", "string", required=True),
        row("mountPath", "string", required=True),
        row("readOnly", "boolean"),
        enum("mountPropagation", "None HostToContainer"),
    ),
    *_entry(
        "nfs",
        row("server", "string", required=True),
        row("path", "string", required=True),
        row("mountPath", "string", required=True),
        row("readOnly", "boolean"),
    ),
    *_entry(
        "s3",
        row("bucket", "string", required=True),
        row("path", "string", required=True),
        row("url", "string"),
        row("accessKeySecret", "string"),
        row("secretKeyOfAccessKeyId", "string"),
        row("secretKeyOfSecretKey", "string"),
    ),
    *_entry(
        "emptyDirVolume",
        row("path", "string", required=True),
        enum("medium", "Memory"),
        row("sizeLimit", "quantity"),
        since="2.22",
    ),
]
