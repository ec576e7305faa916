"""What is written into a training's history: events and phase updates (§7.2, §7.3)."""

from __future__ import annotations

import uuid
from typing import Any

from .models import Happening, Pod, Workload
from .org import Organization

NORMAL, WARNING = "Normal", "Warning"


class Notes:
    """Collect what happens until it is stored."""

    def __init__(self, org: Organization) -> None:
        self._org = org
        self.waiting: list[Happening] = []

    def phase(self, workload: Workload) -> None:
        """Note the phase a training has come to."""
        update = {"phase": workload.phase, "phaseMessage": workload.phase_message or ""}
        self.waiting.append(Happening(workload=workload.id, time=workload.phase_at, phase=update))

    def event(
        self,
        workload: Workload,
        now: float,
        reason: str,
        message: str,
        *,
        pod: Pod | None = None,
        warning: bool = False,
    ) -> None:
        """Note an event of a training, or of one of its pods."""
        project = self._org.projects[workload.project]
        involved: dict[str, Any] = {
            "uid": workload.id if pod is None else pod.id,
            "kind": "TrainingWorkload" if pod is None else "Pod",
            "name": workload.name if pod is None else pod.name,
            "namespace": project.namespace,
        }
        event = {
            "id": str(uuid.uuid4()),
            "type": WARNING if warning else NORMAL,
            "clusterId": workload.cluster,
            "message": message,
            "reason": reason,
            "source": "runai-scheduler" if pod is None else "kubelet",
            "involvedObject": involved,
        }
        self.waiting.append(Happening(workload=workload.id, time=now, event=event))
