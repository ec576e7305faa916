"""Drive the published AIStore SDK; runs in its environment, not in ours.

Reads one JSON object from the standard input and writes one to the standard output: the public
members that exist, those that were called from here, and what went wrong.
"""

# mypy: ignore-errors

from __future__ import annotations

import json
import logging
import sys
import traceback
from pathlib import Path

# Behind the installed packages, as the folder of this one has the name of the SDK.
sys.path.append(str(Path(__file__).parents[1]))

import aistore
from aistore.sdk import Batch, Bucket, Client, Cluster, Etl, Job, Object
from aistore.sdk.authn.authn_client import AuthNClient
from aistore.sdk.authn.cluster_manager import ClusterManager
from aistore.sdk.authn.role_manager import RoleManager
from aistore.sdk.authn.token_manager import TokenManager
from aistore.sdk.authn.user_manager import UserManager
from aistore.sdk.dsort import Dsort
from aistore.sdk.multiobj import ObjectGroup
from aistore.sdk.obj.multipart_upload import MultipartUpload
from aistore.sdk.obj.obj_file.object_file import ObjectFileReader, ObjectFileWriter
from aistore.sdk.obj.object_reader import ObjectReader
from aistore.sdk.obj.object_writer import ObjectWriter
from steps_buckets import BucketSteps
from steps_cluster import ClusterSteps
from steps_jobs import JobSteps
from steps_objects import ObjectSteps
from tracing import Recorder

CLASSES = (
    Client,
    Cluster,
    Bucket,
    Object,
    ObjectReader,
    ObjectWriter,
    MultipartUpload,
    ObjectGroup,
    Job,
    Dsort,
    Etl,
    Batch,
    AuthNClient,
    ClusterManager,
    RoleManager,
    UserManager,
    TokenManager,
)
HERE = Path(__file__).parent
FILES = (ObjectFileReader, ObjectFileWriter)


class Scenario(ClusterSteps, BucketSteps, ObjectSteps, JobSteps):
    """Hold what all steps share; every method named ``step_…`` is one."""


def main() -> None:
    """Run all steps and print the report."""
    logging.disable(logging.WARNING)
    given = json.load(sys.stdin)
    recorder = Recorder({str(path) for path in HERE.glob("*.py")})
    for cls in CLASSES:
        plain = [name for name in vars(cls) if isinstance(vars(cls)[name], staticmethod)]
        recorder.watch_class(cls)
        for name in plain:
            setattr(cls, name, staticmethod(vars(cls)[name]))
    for cls in FILES:
        own = {name for name in vars(cls) if not name.startswith("_")}
        recorder.watch_class(cls)
        inherited = {name for name in dir(cls) if not name.startswith("_")} - own
        recorder.members -= {f"{cls.__name__}.{name}" for name in inherited}
        recorder.used -= {f"{cls.__name__}.{name}" for name in inherited}
    scenario = Scenario(given)
    failed: dict[str, str] = {}
    steps = sorted(name for name in dir(scenario) if name.startswith("step_"))
    for name in steps:
        try:
            getattr(scenario, name)()
        except Exception:
            failed[name] = traceback.format_exc()
    used = sorted(recorder.used & recorder.members)
    json.dump(
        {
            "version": aistore.__version__,
            "steps": steps,
            "members": sorted(recorder.members),
            "used": used,
            "failed": failed,
        },
        sys.stdout,
    )


if __name__ == "__main__":
    main()
