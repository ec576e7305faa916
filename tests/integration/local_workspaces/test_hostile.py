"""Requests that make no sense are refused in the platform's form; none is an accident (500)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from yarl import URL

from .conftest import DASHBOARD, Api
from .files import body, workspace

pytestmark = [pytest.mark.slow, pytest.mark.thorough]

STORAGE = "/api/users/storage/upload"
PART = {"PartNumber": 1, "ETag": "0" * 32}
GOOD: Mapping[str, Mapping[str, Any]] = {
    "/api/auth/login": {"email": "a", "password": "b"},
    f"{STORAGE}/init": {"key": "a", "size": 1, "contentType": "text/plain"},
    f"{STORAGE}/complete": {"key": "a", "uploadId": "x", "parts": [PART]},
    f"{STORAGE}/abort": {"key": "a", "uploadId": "x"},
    "/api/tasks": body(
        "a",
        modelFolderPath="/jobs/a/model",
        estimatedMemoryMb=1,
        workerIds=["w"],
        gpuModels=["g"],
        maxPricePerGpuHourCents=1,
        autoSelectWorkers=True,
        onlyMineWorkers=True,
    ),
}
VALUES: tuple[Any, ...] = (
    *(None, True, -1, 1.5, 2**70, "", " ", "/", "é", "\ud800", "a\0b", "a" * 5000, [], {}, [None]),
    *("/jobs/a/shards", "/jobs/a/../b", "/jobs/\0/x", "../..", "%2e%2e", ["x", "x"]),
    *(PART, [PART, PART], [{**PART, "PartNumber": True}], [{**PART, "ETag": 7}]),
)
PATHS = (
    *("/", "/api", "/api/tasks/%00", "/api/tasks/%ff", "/api/tasks/..%2f..", "/api/tasks/x/logs"),
    *("/api/tasks/x/cancel", f"{DASHBOARD}/jobs?limit=-1", f"{DASHBOARD}/jobs?offset=x"),
    *(f"{DASHBOARD}/jobs/%F0%9F%98%80", f"{DASHBOARD}/showStatsNvflare?job_id=%ff"),
    *(f"{DASHBOARD}/listJobsNvflare?job_id=%00", "/dashboard/jobs/%ff"),
)
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")


async def test_fields(local_api: Api) -> None:
    api = local_api
    await api.put(workspace("a"))
    for path, good in GOOD.items():
        for field in good:
            for value in VALUES:
                data = json.dumps({**good, field: value}).encode()
                url = api.url + path
                async with api.session.post(url, data=data, headers=api.headers) as answer:
                    text = await answer.text()
                assert answer.status < 500, (path, field, value, text)
                if answer.status >= 400:
                    assert json.loads(text).keys() <= {"code", "message", "hint"}


async def test_addresses(local_api: Api) -> None:
    api = local_api
    for path in PATHS:
        for method in METHODS:
            url = URL(api.url + path, encoded=True)
            async with api.session.request(method, url, headers=api.headers) as answer:
                assert answer.status < 500, (method, path, await answer.text())


async def test_headers(local_api: Api) -> None:
    api = local_api
    for header in ("Bearer", "Bearer a b", "Basic x", "Bearer rsk_live_é", "Bearer .", "Bearer é"):
        headers = {"Authorization": header}
        code = await api.refused("GET", "/api/gpu-catalog", 401, headers=headers)
        assert code.partition(":")[0] in ("malformed_bearer", "invalid_api_key", "session_required")
