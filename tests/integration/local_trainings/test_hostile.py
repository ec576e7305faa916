"""Requests that make no sense are refused in the service's own form, and never fail it."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from .conftest import TRAININGS, WORKLOADS, Api

DEEP: Any = []
for _ in range(200):
    DEEP = [DEEP]


async def test_bodies_that_cannot_be_kept(api: Api) -> None:
    api.platform.trainings.manners.mode = "lenient"
    spec = {"image": "x", "command": "true"}
    head = json.dumps(api.body("odd"))[:-1]
    bad = [
        f'{head}, "x": NaN}}',
        f'{head}, "x": -Infinity}}',
        f'{head}, "x": 1e999}}',
        f'{head}, "x": {"9" * 5000}}}',
        f'{head}, "x": "\\ud800"}}',
        f'{head}, "\\ud800": 1}}',
        f'{head}, "x": {json.dumps(DEEP)}}}',
        "[" * 100_000,
        '{"name": "a", "projectId": "²", "clusterId": 1}',
        json.dumps({**api.body("a"), "projectId": "9" * 40}),
        json.dumps({**api.body("a"), "projectId": -1}),
        json.dumps({**api.body("a"), "projectId": 1.0}),
        json.dumps({**api.body("a"), "spec": "x"}),
    ]
    for text in bad:
        refusal = await api.call("POST", TRAININGS, data=text.encode(), status=400)
        assert refusal["code"] == 400 and refusal["message"], text[:100]
    # What nobody has checked fails when it is to run, and not before.
    odd: list[dict[str, Any]] = [
        {"command": ["a", 1]},
        {"command": "true", "args": "\0"},
        {"environmentVariables": [{"name": "A=B", "value": "x"}]},
        {"environmentVariables": [{"name": "A", "secret": "x"}, 7]},
        {"storage": {"pvc": [{"claimName": "../../../x", "path": "/d"}]}},
        {"storage": {"emptyDirVolume": [{}], "hostPath": "x"}},
        {"storage": [1], "compute": {"cpuMemoryRequest": "x"}, "workingDir": 5},
        {"parallelism": -5, "completions": "many", "backoffLimit": "x", "tty": 1},
        {"compute": {"cpuMemoryRequest": "1e999", "cpuMemoryLimit": "1e999"}},
        {"terminationGracePeriodSeconds": "soon"},
        {"compute": {"gpuRequestType": "migProfile", "migProfile": "x", "gpuDevicesRequest": "x"}},
        {"autoDeletionTimeAfterCompletionSeconds": "x", "nodePools": 3, "priorityClass": 7},
    ]
    made = []
    for number, more in enumerate(odd):
        body = {**api.body(f"Odd {number}/ü"), "spec": spec | more}
        made.append((await api.call("POST", TRAININGS, json=body))["workloadId"])
    async with asyncio.timeout(20):
        for workload_id in made:
            while (await api.get(workload_id))["actualPhase"] not in ("Completed", "Failed"):
                if (await api.workload(workload_id)).get("phaseMessage"):
                    break  # it asks for more than there is
                await asyncio.sleep(0.01)
    found = await api.call("GET", WORKLOADS)
    assert len(found["workloads"]) == len(odd)
    await api.call("GET", f"{WORKLOADS}/telemetry?telemetryType=GPU_ALLOCATION&groupBy=Phase")


ADDRESSES = (
    *("/", "//", "/api", "/api/v1/workloads/", "/api/v1/workloads/%00", "/%ff%fe"),
    *("/api/v1/workloads/..%2f..%2fetc", "/cluster-api", "/cluster-api/api/v1/a/b"),
    "/cluster-api/api/v1/..%2f/workloads/training/runai/%2e%2e/logs",
    "/api/v1/workloads?filterBy=%ff==%fe",
    "/api/v1/workloads?filterBy=name==%00'\"--,phase=@%25",
    "/api/v1/workloads?limit=1e9",
    "/api/v1/workloads?limit=%C2%B2",
    f"/api/v1/workloads?offset={'9' * 50}",
    "/api/v1/workloads?filterBy=createdAt==9999-12-31T23:59:59-23:59",
    "/api/v1/workloads?filterBy=totalRunningTimeSeconds==nan",
    "/api/v1/org-unit/projects/%C2%B2",
    "/api/v1/workloads/telemetry?telemetryType=",
)


async def test_addresses_that_make_no_sense(api: Api) -> None:
    for path in ADDRESSES:
        for method in ("GET", "POST", "DELETE", "PATCH", "OPTIONS"):
            url = f"{api.url}{path}"
            async with api.session.request(method, url, headers=api.headers) as answer:
                assert answer.status < 500, (method, path, await answer.text())
                if answer.status >= 400:
                    assert (await answer.json())["code"] == answer.status
