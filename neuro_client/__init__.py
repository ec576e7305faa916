"""Run training jobs and move the data they need, from asyncio.

Names are loaded when they are first used, so that ``import neuro_client`` costs next to nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ._version import __version__

if TYPE_CHECKING:
    from .aistore import AIStore
    from .artifacts import (
        Artifact,
        Artifacts,
        Datastore,
        Experiment,
        ExperimentPhase,
        ExperimentRun,
        GridRun,
        RunPhase,
        RunRequest,
    )
    from .buckets import (
        BlobCommonPrefix,
        BlobObject,
        Bucket,
        BucketCredentials,
        BucketEntry,
        Buckets,
        BucketUsage,
        PersistentBucketCredentials,
    )
    from .client import Client
    from .config.api import Config
    from .config.models import Cluster, Preset
    from .config.paths import (
        CONFIG_ENV_NAME,
        DEFAULT_API_URL,
        DEFAULT_CONFIG_PATH,
        PASS_CONFIG_ENV_NAME,
    )
    from .config.user_files import ConfigScope, find_project_root
    from .disks import Disk, Disks
    from .errors import (
        AuthenticationError,
        AuthError,
        AuthorizationError,
        ChecksumMismatchError,
        ClientError,
        ConfigError,
        ConflictError,
        ExperimentFailed,
        IllegalArgumentError,
        JobFailed,
        NDJSONError,
        NeuroError,
        NotSupportedError,
        PreconditionFailedError,
        ProtocolError,
        QuotaExceededError,
        RateLimitError,
        ResourceNotFound,
        ResponseError,
        ServerError,
        ServerNotAvailable,
        SourceChangedError,
        StdStreamError,
        TaskFailed,
        TrainingFailed,
        TransferError,
        TransportError,
        TransportTimeoutError,
    )
    from .factory import (
        Factory,
        get,
        login,
        login_headless,
        login_with_headless,
        login_with_token,
        logout,
    )
    from .image_progress import (
        AbstractDockerImageProgress,
        ImageCommitFinished,
        ImageCommitStarted,
        ImageProgressPull,
        ImageProgressPush,
        ImageProgressSave,
        ImageProgressStep,
    )
    from .images import (
        Images,
    )
    from .jobs import (
        JobDescription,
        JobDescriptionInternal,
        JobPriority,
        JobRestartPolicy,
        JobRun,
        Jobs,
        JobStatus,
        JobStatusHistory,
        JobStatusItem,
        JobTelemetry,
        Message,
        StdStream,
    )
    from .models import (
        Action,
        Container,
        DiskVolume,
        HTTPPort,
        LocalImage,
        Permission,
        Quota,
        RemoteImage,
        Resources,
        SecretFile,
        Share,
        Tag,
        TagOption,
        Volume,
    )
    from .parsing import EnvParseResult, Parser, VolumeParseResult
    from .plugins import ConfigBuilder, PluginManager, VersionChecker
    from .retry import RetryPolicy
    from .run import Run, RunStatus
    from .secrets import Secret, Secrets
    from .service_accounts import ServiceAccount, ServiceAccounts
    from .storage import DiskUsageInfo, FileStatus, FileStatusType, Storage
    from .tracing import gen_trace_id
    from .trainings import (
        Training,
        TrainingPhase,
        TrainingRequest,
        TrainingRun,
        Trainings,
        TrainingSpec,
    )
    from .transfer import (
        AbstractDeleteProgress,
        AbstractFileProgress,
        AbstractRecursiveFileProgress,
        AsyncFilterFunc,
        FileFilter,
        StorageProgressComplete,
        StorageProgressDelete,
        StorageProgressEnterDir,
        StorageProgressFail,
        StorageProgressLeaveDir,
        StorageProgressStart,
        StorageProgressStep,
        TransferOptions,
        TransferResult,
    )
    from .transport import DEFAULT_TIMEOUT
    from .uris import SCHEMES
    from .users import Users
    from .workspaces import Task, TaskRun, TaskState, Workspaces

# Where each name is from; names of one module on the lines below it.
_HOMES = {
    "aistore": "AIStore",
    "artifacts": (
        "Artifact Artifacts Datastore Experiment ExperimentPhase ExperimentRun GridRun RunPhase "
        "RunRequest"
    ),
    "buckets": (
        "BlobCommonPrefix BlobObject Bucket BucketCredentials BucketEntry BucketUsage Buckets "
        "PersistentBucketCredentials"
    ),
    "client": "Client",
    "config.api": "Config",
    "config.models": "Cluster Preset",
    "config.paths": "CONFIG_ENV_NAME DEFAULT_API_URL DEFAULT_CONFIG_PATH PASS_CONFIG_ENV_NAME",
    "config.user_files": "ConfigScope find_project_root",
    "disks": "Disk Disks",
    "errors": (
        "AuthError AuthenticationError AuthorizationError ChecksumMismatchError ClientError "
        "ConfigError ConflictError ExperimentFailed IllegalArgumentError JobFailed "
        "NDJSONError NeuroError NotSupportedError PreconditionFailedError ProtocolError "
        "QuotaExceededError RateLimitError ResourceNotFound ResponseError ServerError "
        "ServerNotAvailable SourceChangedError StdStreamError TaskFailed TrainingFailed "
        "TransferError TransportError TransportTimeoutError"
    ),
    "factory": "Factory get login login_headless login_with_headless login_with_token logout",
    "image_progress": (
        "AbstractDockerImageProgress ImageCommitFinished ImageCommitStarted ImageProgressPull "
        "ImageProgressPush ImageProgressSave ImageProgressStep"
    ),
    "images": "Images",
    "jobs": (
        "JobDescription JobDescriptionInternal JobPriority JobRestartPolicy JobRun JobStatus "
        "JobStatusHistory JobStatusItem JobTelemetry Jobs Message StdStream"
    ),
    "models": (
        "Action Container DiskVolume HTTPPort LocalImage Permission Quota RemoteImage "
        "Resources SecretFile Share Tag TagOption Volume"
    ),
    "parsing": "EnvParseResult Parser VolumeParseResult",
    "plugins": "ConfigBuilder PluginManager VersionChecker",
    "retry": "RetryPolicy",
    "run": "Run RunStatus",
    "secrets": "Secret Secrets",
    "service_accounts": "ServiceAccount ServiceAccounts",
    "storage": "DiskUsageInfo FileStatus FileStatusType Storage",
    "tracing": "gen_trace_id",
    "trainings": "Training TrainingPhase TrainingRequest TrainingRun TrainingSpec Trainings",
    "transfer": (
        "AbstractDeleteProgress AbstractFileProgress AbstractRecursiveFileProgress "
        "AsyncFilterFunc FileFilter StorageProgressComplete StorageProgressDelete "
        "StorageProgressEnterDir StorageProgressFail StorageProgressLeaveDir "
        "StorageProgressStart StorageProgressStep TransferOptions TransferResult"
    ),
    "transport": "DEFAULT_TIMEOUT",
    "uris": "SCHEMES",
    "users": "Users",
    "workspaces": "Task TaskRun TaskState Workspaces",
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names.split()}

__all__ = [
    "CONFIG_ENV_NAME",
    "DEFAULT_API_URL",
    "DEFAULT_CONFIG_PATH",
    "DEFAULT_TIMEOUT",
    "PASS_CONFIG_ENV_NAME",
    "SCHEMES",
    "AIStore",
    "AbstractDeleteProgress",
    "AbstractDockerImageProgress",
    "AbstractFileProgress",
    "AbstractRecursiveFileProgress",
    "Action",
    "Artifact",
    "Artifacts",
    "AsyncFilterFunc",
    "AuthError",
    "AuthenticationError",
    "AuthorizationError",
    "BlobCommonPrefix",
    "BlobObject",
    "Bucket",
    "BucketCredentials",
    "BucketEntry",
    "BucketUsage",
    "Buckets",
    "ChecksumMismatchError",
    "Client",
    "ClientError",
    "Cluster",
    "Config",
    "ConfigBuilder",
    "ConfigError",
    "ConfigScope",
    "ConflictError",
    "Container",
    "Datastore",
    "Disk",
    "DiskUsageInfo",
    "DiskVolume",
    "Disks",
    "EnvParseResult",
    "Experiment",
    "ExperimentFailed",
    "ExperimentPhase",
    "ExperimentRun",
    "Factory",
    "FileFilter",
    "FileStatus",
    "FileStatusType",
    "GridRun",
    "HTTPPort",
    "IllegalArgumentError",
    "ImageCommitFinished",
    "ImageCommitStarted",
    "ImageProgressPull",
    "ImageProgressPush",
    "ImageProgressSave",
    "ImageProgressStep",
    "Images",
    "JobDescription",
    "JobDescriptionInternal",
    "JobFailed",
    "JobPriority",
    "JobRestartPolicy",
    "JobRun",
    "JobStatus",
    "JobStatusHistory",
    "JobStatusItem",
    "JobTelemetry",
    "Jobs",
    "LocalImage",
    "Message",
    "NDJSONError",
    "NeuroError",
    "NotSupportedError",
    "Parser",
    "Permission",
    "PersistentBucketCredentials",
    "PluginManager",
    "PreconditionFailedError",
    "Preset",
    "ProtocolError",
    "Quota",
    "QuotaExceededError",
    "RateLimitError",
    "RemoteImage",
    "ResourceNotFound",
    "Resources",
    "ResponseError",
    "RetryPolicy",
    "Run",
    "RunPhase",
    "RunRequest",
    "RunStatus",
    "Secret",
    "SecretFile",
    "Secrets",
    "ServerError",
    "ServerNotAvailable",
    "ServiceAccount",
    "ServiceAccounts",
    "Share",
    "SourceChangedError",
    "StdStream",
    "StdStreamError",
    "Storage",
    "StorageProgressComplete",
    "StorageProgressDelete",
    "StorageProgressEnterDir",
    "StorageProgressFail",
    "StorageProgressLeaveDir",
    "StorageProgressStart",
    "StorageProgressStep",
    "Tag",
    "TagOption",
    "Task",
    "TaskFailed",
    "TaskRun",
    "TaskState",
    "Training",
    "TrainingFailed",
    "TrainingPhase",
    "TrainingRequest",
    "TrainingRun",
    "TrainingSpec",
    "Trainings",
    "TransferError",
    "TransferOptions",
    "TransferResult",
    "TransportError",
    "TransportTimeoutError",
    "Users",
    "VersionChecker",
    "Volume",
    "VolumeParseResult",
    "Workspaces",
    "__version__",
    "find_project_root",
    "gen_trace_id",
    "get",
    "login",
    "login_headless",
    "login_with_headless",
    "login_with_token",
    "logout",
]


def __getattr__(name: str) -> Any:
    """Load a public name on its first use."""
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f".{home}", __name__), name)
    if getattr(value, "__module__", "").startswith(f"{__name__}."):
        # Where a name lives inside the package is nobody's business outside.
        value.__module__ = __name__
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*globals(), *_HOME_OF]
