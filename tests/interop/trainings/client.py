"""Every call of the published client that has to do with trainings; runs in its environment."""

# mypy: ignore-errors

from __future__ import annotations

import contextlib
import importlib
import inspect
import json
import sys
import time
import traceback
from datetime import UTC, datetime, timedelta

import runai.models as models
from runai.api_client import ApiClient
from runai.configuration import Configuration

APIS = {
    "TrainingsApi": "trainings_api",
    "WorkloadsApi": "workloads_api",
    "WorkloadsBatchApi": "workloads_batch_api",
    "WorkloadPropertiesApi": "workload_properties_api",
    "EventsApi": "events_api",
    "PodsApi": "pods_api",
    "TokensApi": "tokens_api",
    "ProjectsApi": "projects_api",
    "DepartmentsApi": "departments_api",
    "ClustersApi": "clusters_api",
    "NodePoolsApi": "node_pools_api",
}
NOWHERE = "00000000-0000-4000-8000-000000000000"
PATIENCE = 30.0


class Recorded:
    """Pass calls on to one part of the client, and note which."""

    def __init__(self, part, name, used):
        self._part, self._name, self._used = part, name, used

    def __getattr__(self, method):
        found = getattr(self._part, method)

        def call(*args, **kwargs):
            self._used.add(f"{self._name}.{method}")
            return found(*args, **kwargs).data

        return call


def own_methods(cls):
    return {
        name
        for name, _ in inspect.getmembers(cls, inspect.isfunction)
        if not name.startswith("_")
        and not name.endswith(("_with_http_info", "_without_preload_content"))
    }


def fits(model, data):
    """Read an answer with the client's own model, where this version has one."""
    cls = getattr(models, model, None)
    if cls is not None:
        assert cls.from_dict(data) is not None, data
    return data


@contextlib.contextmanager
def refused(name):
    """Check that a call fails with an exception of the client's."""
    try:
        yield
    except Exception as error:
        assert type(error).__name__ == name, f"{type(error).__name__}: {error}"
        return
    raise AssertionError(f"no {name}")


class Scenario:
    """Hold the client; every method named ``step_…`` is one step."""

    def __init__(self, given):
        self.given = given
        self.used, self.members = set(), set()
        self.client = self.connect()
        for name, module in APIS.items():
            try:
                cls = getattr(importlib.import_module(f"runai.api.{module}"), name)
            except ModuleNotFoundError:
                continue
            self.members |= {f"{name}.{method}" for method in own_methods(cls)}
            setattr(self, module, Recorded(cls(self.client), name, self.used))

    def connect(self, **more):
        given = {
            "client_id": self.given["client_id"],
            "client_secret": self.given["client_secret"],
            "runai_base_url": self.given["url"],
            **more,
        }
        return ApiClient(Configuration(**given))

    def request(self, name, script="true", **spec):
        body = {
            "name": f"{self.given['prefix']}-{name}",
            "projectId": self.given["project_id"],
            "clusterId": self.given["cluster_id"],
            "spec": {"image": "python:3.11", "command": "sh -c", "args": f"'{script}'", **spec},
        }
        return models.TrainingCreationRequest.from_dict(body)

    def create(self, name, script="true", **spec):
        request = self.request(name, script, **spec)
        answer = self.trainings_api.create_training1(training_creation_request=request)
        return fits("Training1", answer)["workloadId"]

    def until(self, workload_id, *phases):
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            found = self.trainings_api.get_training(workload_id)
            if found["actualPhase"] in phases:
                return fits("Training1", found)
            time.sleep(0.05)
        raise AssertionError(f"{found['actualPhase']} is not {phases}")

    def span(self):
        now = datetime.now(UTC)
        return {"start": now - timedelta(minutes=5), "end": now + timedelta(seconds=5)}

    def step_1_life(self):
        one = self.create("life", "echo hello; sleep 60", backoffLimit=0)
        self.until(one, "Running")
        self.trainings_api.suspend_training(one)
        assert self.until(one, "Stopped")["desiredPhase"] == "Stopped"
        self.trainings_api.resume_training(one)
        self.until(one, "Running")
        self.trainings_api.delete_training(one)
        with refused("NotFoundException"):
            self.until(one, "never")

    def step_2_rich_specification(self):
        one = self.create(
            "rich",
            "test $SEED = 1",
            compute={
                "gpuDevicesRequest": 1,
                "gpuRequestType": "portion",
                "gpuPortionRequest": 0.5,
                "cpuCoreRequest": 0.1,
                "cpuMemoryRequest": "20M",
            },
            environmentVariables=[{"name": "SEED", "value": "1"}],
            annotations=[{"name": "a", "value": "b"}],
            labels=[{"name": "team", "value": "red"}],
            tolerations=[{"operator": "Exists", "key": "k", "effect": "NoExecute", "seconds": 1}],
            ports=[{"container": 80, "serviceType": "NodePort", "external": 30001}],
            security={"uidGidSource": "fromTheImage", "capabilities": ["CHOWN"]},
            parallelism=1,
            completions=2,
            autoDeletionTimeAfterCompletionSeconds=3600,
        )
        self.until(one, "Completed")

    def step_3_refusals(self):
        one = self.create("taken", "exit 1", backoffLimit=0)
        self.until(one, "Failed")
        with refused("ConflictException"):
            self.create("taken")
        with refused("ConflictException"):
            self.trainings_api.suspend_training(one)
        with refused("BadRequestException"):
            self.create("bad", compute={"gpuRequestType": "memory", "gpuDevicesRequest": 1})
        with refused("NotFoundException"):
            self.trainings_api.get_training(NOWHERE)
        with refused("NotFoundException"):
            self.workloads_api.get_workload(NOWHERE)

    def step_4_lists(self):
        one = self.create("listed", "sleep 60", parallelism=2, completions=2)
        self.until(one, "Running")
        name = f"{self.given['prefix']}-listed"
        filters = [f"name=={name}", "phase==Running"]
        found = self.workloads_api.get_workloads(
            filter_by=filters, sort_by="createdAt", sort_order="desc", deleted=False, limit=5
        )
        fits("GetWorkloads200Response", found)
        assert [workload["name"] for workload in found["workloads"]] == [name]
        assert self.workloads_api.count_workloads(filter_by=filters) == {"count": 1}
        found = fits("WorkloadDetailed", self.workloads_api.get_workload(one))
        assert found["runningPods"] == 2
        events = self.events_api.get_workload_events(one, limit=10)
        assert fits("GetWorkloadEvents200Response", events)["events"]
        history = self.events_api.get_workload_history(one, limit=10)
        assert fits("GetWorkloadHistory200Response", history)["records"]
        pods = self.pods_api.get_workload_pods(one)
        assert len(fits("ListPods200Response", pods)["pods"]) == 2
        assert self.pods_api.list_pods(filter_by=[f"workloadName=={name}"])["pods"]
        assert self.pods_api.count_pods()["count"] >= 2
        self.pods = (one, pods["pods"][0]["id"])

    def step_5_measurements(self):
        one, pod = self.pods
        time.sleep(1.5)  # the first measurement is taken after a second
        kinds = [
            models.WorkloadMetricType("CPU_USAGE_CORES"),
            models.WorkloadMetricType("POD_COUNT"),
        ]
        found = self.workloads_api.get_workload_metrics(
            one, metric_type=kinds, number_of_samples=500, **self.span()
        )
        fits("MetricsResponse", found)
        assert all(one["values"] for one in found["measurements"]), found
        found = self.pods_api.get_workload_pod_metrics(
            one, pod, metric_type=[models.PodMetricType("CPU_MEMORY_USAGE_BYTES")], **self.span()
        )
        assert fits("MetricsResponse", found)["measurements"][0]["values"], found
        found = self.workloads_api.get_workloads_telemetry(
            telemetry_type="WORKLOADS_COUNT",  # its own enumeration it sends in a wrong form
            group_by=["ProjectId", "Phase"],
        )
        assert found["values"], found

    def step_6_batch(self):
        one, _ = self.pods
        if "WorkloadsBatchApi.batch_workloads" not in self.members:
            return
        batch = models.WorkloadBatch.from_dict({"ids": [one, NOWHERE], "action": "delete"})
        found = self.workloads_batch_api.batch_workloads(workload_batch=batch)
        fits("BatchResponse", found)
        assert found["succeeded"] == [one] and found["failed"][0]["code"] == 404

    def step_7_tokens(self):
        grant = {
            "grantType": "app_token",
            "appID": self.given["client_id"],
            "appSecret": self.given["client_secret"],
        }
        found = self.tokens_api.grant_token(token_request=models.TokenRequest.from_dict(grant))
        assert fits("TokenResponse", found)["accessToken"]
        module = importlib.import_module("runai.api.trainings_api")
        try:
            wrong = self.connect(client_secret="wrong", retry_enabled=False)
            module.TrainingsApi(wrong).get_training(NOWHERE)
        except Exception as error:
            assert "40" in str(error), error
        else:
            raise AssertionError("a wrong secret was good enough")

    def step_8_lookups(self):
        [project] = [
            one
            for one in self.projects_api.get_projects(sort_by="name", limit=5)["projects"]
            if one["id"] == self.given["project_id"]
        ]
        assert self.projects_api.get_project(project["id"])["name"] == project["name"]
        assert self.departments_api.get_departments()["departments"]
        assert self.departments_api.get_department(project["departmentId"])["name"]
        [cluster] = self.clusters_api.get_clusters()
        assert self.clusters_api.get_cluster_by_uuid(cluster["uuid"])["name"] == cluster["name"]
        if "WorkloadPropertiesApi.list_categories" in self.members:
            assert self.workload_properties_api.list_categories()
            assert self.workload_properties_api.list_workload_types()
            found = self.workload_properties_api.get_workload_priorities()
            assert found["workloadPriorities"]


def main():
    """Run all steps with what stands on the standard input; print what failed."""
    scenario = Scenario(json.load(sys.stdin))
    failed = {}
    steps = sorted(name for name in dir(scenario) if name.startswith("step_"))
    for name in steps:
        try:
            getattr(scenario, name)()
        except Exception:
            failed[name] = traceback.format_exc()
    report = {
        "steps": steps,
        "failed": failed,
        "members": sorted(scenario.members),
        "used": sorted(scenario.used),
    }
    json.dump(report, sys.stdout)


if __name__ == "__main__":
    main()
