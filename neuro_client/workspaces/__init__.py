"""Workspaces: runs through the user's own Garage bucket (garage-workspace.md)."""

from .api import Workspaces
from .errors import PlatformError
from .models import (
    GpuModel,
    PlannedFile,
    ResultFile,
    StorageKey,
    StorageUsage,
    SubmitPlan,
    SubmittedTask,
    Task,
    TaskProgress,
    TaskState,
    UnfinishedUpload,
    WorkerModel,
    WorkerStats,
)
from .naming import SlugStyle, slug_of
from .options import StartOptions, SubmitOptions
from .presigned import LinksExpired
from .results import Results
from .run import TaskRun
from .shard_map import ShardEntry, ShardMap, hash_shards
from .sharding import shard
from .storage import WorkspaceStorage
from .templates import Configs, render
from .waiting import Pace

__all__ = [
    "Configs",
    "GpuModel",
    "LinksExpired",
    "Pace",
    "PlannedFile",
    "PlatformError",
    "ResultFile",
    "Results",
    "ShardEntry",
    "ShardMap",
    "SlugStyle",
    "StartOptions",
    "StorageKey",
    "StorageUsage",
    "SubmitOptions",
    "SubmitPlan",
    "SubmittedTask",
    "Task",
    "TaskProgress",
    "TaskRun",
    "TaskState",
    "UnfinishedUpload",
    "WorkerModel",
    "WorkerStats",
    "WorkspaceStorage",
    "Workspaces",
    "hash_shards",
    "render",
    "shard",
    "slug_of",
]
