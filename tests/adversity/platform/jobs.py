"""Descriptions of jobs with one field each that cannot be, or hardly."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from .target import Target

NUMBERS: Mapping[str, str] = {
    "zero": "0",
    "negative": "-1",
    "yes": "true",
    "text": '"5"',
    "half": "0.5",
    "infinite": "1e999",
    "NaN": "NaN",
    "over 53 bits": str(2**53 + 1),
    "over 63 bits": str(2**63),
    "over a float": "1" + "0" * 400,
    "as a float": "1e308",
    "no end of digits": "1" + "0" * 5000,
}
STRINGS: Mapping[str, str] = {
    "nothing": '""',
    "null": "null",
    "NUL": '"a\\u0000b"',
    "surrogate": '"a\\ud800b"',
    "line end": '"a\\r\\nb"',
    "long": f'"{"a" * 300_000}"',
    "dots": '"../../../../etc"',
    "number": "5",
    "list": '["a"]',
    "object": '{"a": "b"}',
    "quotes": '"a\'b"',
    "other digits": '"٣"',
}
_NUMERIC = (
    '"schedule_timeout": {}',
    '"max_run_time_minutes": {}',
    '"http": {{"port": {}}}',
    '"resources": {{"shm": {}}}',
)
_RESOURCES = (
    '"cpu": {}, "memory": 33554432',
    '"cpu": 0.1, "memory": {}',
    '"cpu": 0.1, "memory_mb": {}',
    '"cpu": 0.1, "memory": 33554432, "gpu": {}',
)
_TEXTUAL = (
    '"name": {}',
    '"description": {}',
    '"tags": [{}]',
    '"tags": {}',
    '"cluster_name": {}',
    '"org_name": {}',
    '"preset_name": {}',
    '"priority": {}',
    '"restart_policy": {}',
    '"working_dir": {}',
    '"env": {{"A": {}}}',
    '"env": {{{}: "a"}}',
    '"env": {}',
    '"http": {{"port": 80, "health_check_path": {}}}',
    '"volumes": [{{"src_storage_uri": {}, "dst_path": "/a"}}]',
    '"volumes": [{{"src_storage_uri": "storage://default/user/a", "dst_path": {}}}]',
    '"secret_env": {{"A": {}}}',
    '"disk_volumes": [{{"src_disk_uri": {}, "dst_path": "/a"}}]',
    '"unknown": {}',
)
VOLUMES = (
    "storage://default/user/../other",
    "storage://default/user/%2e%2e/other",
    "storage://default/user%2f..%2fother",
    "storage://default/other",
    "storage://default/user/..%5cother",
    "storage://default/user\\\\..\\\\other",
    "storage://second/../default/other",
    "storage://default:99999/user/a",
    "storage://me@default/user/a",
    "storage://[::1/user/a",
    "storage:/user/a",
    "storage:a",
    "storage://..",
    "storage://default/user/" + "n" * 300,
    "storage://default/user/" + "n/" * 3000,
    "storage://default/user/%00",
    "storage://default/user/plain/below/a/file",
)
"""Places that no job of the user's may mount, or that there cannot be."""


def jobs(target: Target) -> Iterator[tuple[str, bytes]]:
    """Yield jobs with one impossible field each; what is taken nevertheless does nothing."""
    for field in _NUMERIC:
        for name, number in NUMBERS.items():
            yield _job(target, f"{field} {name}", field.format(number))
    for field in _RESOURCES:
        for name, number in NUMBERS.items():
            resources = f'"resources": {{{field.format(number)}}}'
            yield _job(target, f"{field} {name}", resources, preset=False)
    for field in _TEXTUAL:
        for name, text in STRINGS.items():
            yield _job(target, f"{field} {name}", field.format(text))
    for uri in VOLUMES:
        volumes = f'"volumes": [{{"src_storage_uri": "{uri}", "dst_path": "/a"}}]'
        yield _job(target, uri[:100], volumes)
    for name, number in NUMBERS.items():
        for field in ("max_run_time_minutes", "additional_max_run_time_minutes"):
            body = f'{{"{field}": {number}}}'.encode()
            path = "/api/v1/jobs/sitting/max_run_time_minutes"
            head = target.head("PUT", path, f"Content-Length: {len(body)}")
            yield f"{path} {field} {name}", head + body


def _job(target: Target, name: str, field: str, *, preset: bool = True) -> tuple[str, bytes]:
    inner = '"image": "x", "command": "true"'
    text = f"{inner}, {field}" if preset else f'"container": {{{inner}, {field}}}'
    body = f"{{{text}}}".encode()
    path = "/api/v1/jobs?from_preset" if preset else "/api/v1/jobs"
    return f"job: {name}", target.head("POST", path, f"Content-Length: {len(body)}") + body
