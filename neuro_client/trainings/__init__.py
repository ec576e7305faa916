"""Trainings of a Run:ai control plane: submit, watch, suspend and resume (runai-trainings.md)."""

from .api import PreparedRequest, Trainings
from .errors import ComplianceIssue, PolicyViolationError, TrainingFailure
from .measurements import (
    Measurement,
    Metrics,
    MetricType,
    Sample,
    Telemetry,
    TelemetryGroup,
    TelemetryType,
    TelemetryValue,
)
from .models import (
    AllocatedResources,
    BatchFailure,
    BatchResult,
    Condition,
    DesiredPhase,
    Event,
    EventType,
    HistoryRecord,
    InvolvedObject,
    PhaseChange,
    Pod,
    PodContainer,
    Project,
    RequestedPods,
    SchedulingMessage,
    Training,
    TrainingCluster,
    TrainingPhase,
    Workload,
)
from .polling import Pace
from .query import Filter
from .records import TRAINING_TYPES
from .run import TrainingRun
from .spec import InvalidSpecError, TrainingRequest, TrainingSpec, Violation
from .tokens import TokenEndpoint

__all__ = [
    "TRAINING_TYPES",
    "AllocatedResources",
    "BatchFailure",
    "BatchResult",
    "ComplianceIssue",
    "Condition",
    "DesiredPhase",
    "Event",
    "EventType",
    "Filter",
    "HistoryRecord",
    "InvalidSpecError",
    "InvolvedObject",
    "Measurement",
    "MetricType",
    "Metrics",
    "Pace",
    "PhaseChange",
    "Pod",
    "PodContainer",
    "PolicyViolationError",
    "PreparedRequest",
    "Project",
    "RequestedPods",
    "Sample",
    "SchedulingMessage",
    "Telemetry",
    "TelemetryGroup",
    "TelemetryType",
    "TelemetryValue",
    "TokenEndpoint",
    "Training",
    "TrainingCluster",
    "TrainingFailure",
    "TrainingPhase",
    "TrainingRequest",
    "TrainingRun",
    "TrainingSpec",
    "Trainings",
    "Violation",
    "Workload",
]
