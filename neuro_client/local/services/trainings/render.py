"""Trainings, pods and history as the control plane tells them (§4, §7.1 to §7.4)."""

from __future__ import annotations

import time
from typing import Any

from .answers import timestamp
from .models import (
    COMPLETED,
    DELETED,
    FAILED,
    FINISHED,
    RUNNING,
    STOPPED,
    Pod,
    Workload,
)
from .org import Organization
from .resources import (
    Amount,
    pod_gpus,
    pod_limit,
    pod_request,
    preemptible,
    priority_class,
    priority_of,
)
from .store import category

TYPE, FRAMEWORK = "training", "runai"
TENANT = 1
NODE, NODE_POOL = "local", "default"
_K8S_PHASES = {COMPLETED: "Succeeded", FAILED: "Failed", RUNNING: "Running", "Degraded": "Running"}


class Renderer:
    """Write the JSON of records, with the names of what they belong to."""

    def __init__(self, org: Organization) -> None:
        self._org = org

    def training(self, workload: Workload) -> dict[str, Any]:
        """Write a training as its own endpoint tells it (§4)."""
        project = self._org.projects[workload.project]
        return {
            "name": workload.name,
            "requestedName": workload.requested_name,
            "workloadId": workload.id,
            "projectId": str(project.id),
            "departmentId": str(project.department),
            "clusterId": workload.cluster,
            "createdBy": workload.created_by,
            "createdAt": timestamp(workload.created_at),
            "deletedAt": timestamp(workload.deleted_at),
            "desiredPhase": workload.desired,
            "actualPhase": workload.phase,
            "spec": workload.spec,
        }

    def workload(self, workload: Workload) -> dict[str, Any]:
        """Write a training as the endpoints for all kinds of workloads tell it (§7.1)."""
        now = time.time()
        project = self._org.projects[workload.project]
        department = self._org.departments[project.department]
        running = [pod for pod in workload.pods if pod.phase == RUNNING]
        open_ended = workload.desired != DELETED and not workload.gone
        image = workload.setting("image")
        return {
            "type": TYPE,
            "name": workload.name,
            "id": workload.id,
            "source": "Control-plane",
            "priority": priority_of(priority_class(workload)),
            "priorityClassName": priority_class(workload),
            "preemptible": preemptible(workload),
            "submittedBy": workload.created_by,
            "clusterId": workload.cluster,
            "projectName": project.name,
            "projectId": str(project.id),
            "departmentName": department.name,
            "departmentId": str(department.id),
            "namespace": project.namespace,
            "createdAt": timestamp(workload.created_at),
            "deletedAt": timestamp(workload.deleted_at),
            "updatedAt": timestamp(workload.phase_at),
            "phase": workload.phase,
            "phaseReason": workload.phase_reason,
            **_given(
                phaseMessage=workload.phase_message,
                completedAt=timestamp(workload.completed_at),
            ),
            "phaseUpdatedAt": timestamp(workload.phase_at),
            "k8sPhase": _K8S_PHASES.get(workload.phase, "Pending"),
            "k8sPhaseUpdatedAt": timestamp(workload.phase_at),
            "conditions": _conditions(workload),
            "tenantId": TENANT,
            "category": category(workload),
            "images": [image] if isinstance(image, str) else [],
            "urls": [],
            "childrenIds": [],
            "runningPods": len(running),
            "requestedPods": {
                "number": workload.parallelism,
                "parallelism": workload.parallelism,
                "completions": workload.completions,
            },
            "requestedNodePools": workload.setting("nodePools") or [NODE_POOL],
            "currentNodePools": [NODE_POOL] if workload.admitted else [],
            "workloadRequestedResources": _requested(workload, workload.parallelism),
            "podsRequestedResources": _requested(workload, 1),
            "allocatedResources": _amount(pod_request(workload).times(len(running))),
            "actionsSupport": {
                "delete": open_ended,
                "suspend": open_ended and workload.phase not in FINISHED,
            },
            "environmentVariables": _plain_environment(workload),
            "command": workload.setting("command"),
            "arguments": workload.setting("args"),
            "additionalFields": {},
            "idleGpus": 0,
            "idleAllocatedGpus": 0,
            "totalPendingTimeSeconds": int(workload.waited(now)),
            "totalRunningTimeSeconds": int(workload.ran(now)),
        }

    def pod(self, workload: Workload, pod: Pod) -> dict[str, Any]:
        """Write a pod (§7.4)."""
        project = self._org.projects[workload.project]
        container: dict[str, Any] = {
            "name": workload.name,
            "image": workload.setting("image") or "",
        }
        if pod.started_at is not None:
            container["startedAt"] = timestamp(pod.started_at)
        found = {
            "id": pod.id,
            "name": pod.name,
            "workloadId": workload.id,
            "workloadName": workload.name,
            "projectId": str(project.id),
            "projectName": project.name,
            "clusterId": workload.cluster,
            "priorityClassName": priority_class(workload),
            "createdAt": timestamp(pod.created_at),
            "updatedAt": timestamp(pod.phase_at),
            "completedAt": timestamp(pod.finished_at),
            "k8sPhase": pod.phase,
            "k8sPhaseUpdatedAt": timestamp(pod.phase_at),
            "containers": [container],
            "tenantId": TENANT,
            "nodeName": NODE,
            "currentNodePool": NODE_POOL,
            "requestedNodePools": workload.setting("nodePools") or [NODE_POOL],
            "requestedResources": _requested(workload, 1),
            "allocatedResources": _amount(
                pod_request(workload) if pod.phase == RUNNING else Amount()
            ),
            "tolerations": [],
            "ip": "127.0.0.1" if pod.phase == RUNNING else None,
        }
        if pod.evicted and pod.finished:
            found["deletedAt"] = timestamp(pod.finished_at)
        return found


def event(time_: float, record: dict[str, Any]) -> dict[str, Any]:
    """Write an event (§7.2)."""
    return {"createdAt": timestamp(time_), **record["event"]}


def history(time_: float, record: dict[str, Any]) -> dict[str, Any]:
    """Write an entry of the history (§7.3)."""
    kind = "Event" if "event" in record else "PhaseUpdate"
    content = {"event": event(time_, record)} if kind == "Event" else dict(record)
    return {"meta": {"creationTimestamp": timestamp(time_), "type": kind}, "spec": content}


def _given(**fields: Any) -> dict[str, Any]:
    """Give the fields that have a value."""
    return {name: value for name, value in fields.items() if value is not None}


def _conditions(workload: Workload) -> list[dict[str, Any]]:
    scheduled = workload.admitted or bool(workload.pods)
    found = [("PodScheduled", scheduled, None if scheduled else workload.phase_message)]
    if workload.pods:
        runs = workload.phase in (RUNNING, "Degraded")
        found.append(("Running", runs, None))
    if workload.finished:
        found.append((workload.phase, True, workload.phase_message))
    if workload.phase == STOPPED:
        found.append(("Stopped", True, workload.phase_message))
    return [
        {
            "type": kind,
            "status": "True" if status else "False",
            "message": message or "",
            "reason": workload.phase_reason or workload.phase,
            "lastTransitionTime": timestamp(workload.phase_at),
        }
        for kind, status, message in found
    ]


def _amount(amount: Amount) -> dict[str, Any]:
    return {
        "gpu": amount.gpu,
        "gpuMemory": "0",
        "cpu": round(amount.cpu, 6),
        "cpuMemory": str(int(amount.memory)),
        "extendedResources": [],
    }


def _requested(workload: Workload, pods: int) -> dict[str, Any]:
    need = pod_request(workload).times(pods)
    cpu, memory = pod_limit(workload)
    compute = workload.setting("compute")
    compute = compute if isinstance(compute, dict) else {}
    return {
        "gpuRequestType": compute.get("gpuRequestType"),
        "gpu": {"request": pod_gpus(workload) * pods, "limit": compute.get("gpuPortionLimit")},
        "gpuMemory": {
            "request": compute.get("gpuMemoryRequest"),
            "limit": compute.get("gpuMemoryLimit"),
        },
        "cpu": {"request": round(need.cpu, 6), "limit": cpu},
        "cpuMemory": {
            "request": str(int(need.memory)),
            "limit": None if memory is None else str(memory),
        },
        "extendedResources": compute.get("extendedResources") or [],
    }


def _plain_environment(workload: Workload) -> dict[str, str]:
    return {
        str(entry.get("name")): entry["value"]
        for entry in workload.entries("environmentVariables")
        if isinstance(entry.get("value"), str)
    }
