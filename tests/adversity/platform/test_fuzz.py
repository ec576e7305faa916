"""Whatever is sent to a described route, the answer is one of those described, and in time."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import hypothesis
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from ...contract.description import document
from ..luck import FULL, luck
from .target import PATIENCE, Target

pytestmark = pytest.mark.thorough

EXAMPLES = 250 if FULL else 12
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
# What makes a request meet something; else nearly every path would be that of nothing.
PLACES: Mapping[str, Sequence[str]] = {
    "cluster": ("default", "second"),
    "org": ("acme",),
    "user": ("user", "other", "user:role", "user:more"),
    "bucket": ("known", "others", "{bucket}", "{foreign}"),
    "credentials": ("known", "others"),
    "id": ("known", "others", "{known}", "{others}"),
    "path": ("user", "user/plain", "user/folder", "user/new/x", "other/secret", "other", ""),
}
CALLERS = ("user", "user", "user", "other", "nobody", "none")
_JOBS = ("POST", "/api/v1/jobs")


def _harmless() -> dict[str, Any]:
    """Return the description, with jobs that do nothing and end at once."""
    described = document()
    schemas = described["components"]["schemas"]
    schemas["ContainerFields"]["properties"]["command"] = {"const": "true"}
    del schemas["ContainerFields"]["properties"]["entrypoint"]
    schemas["RestartPolicy"]["enum"].remove("always")
    return described


def _examples(part: Any, name: str = "") -> Iterator[tuple[str, Sequence[str]]]:
    """Yield the parameters and fields whose description has examples of what meets something."""
    if isinstance(part, list):
        for item in part:
            yield from _examples(item)
    elif isinstance(part, dict):
        if "examples" in part:
            yield name, part["examples"]
        for key, value in part.items():
            yield from _examples(value, part.get("name", name) if key == "schema" else key)


SCHEMA = schemathesis.openapi.from_dict(_harmless())
FIELDS = dict(_examples(document()))
OPERATIONS: dict[str, Any] = {
    found.ok().label: found.ok() for found in SCHEMA.get_all_operations() if isinstance(found, Ok)
}


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Target, dict[str, str]]]:
    """Run a platform of its own, where each of two users has a job; give their ids too."""
    with Target.start(tmp_path_factory.mktemp("fuzzed"), jobs=3) as target:
        yield target, asyncio.run(_prepare(target))


async def _prepare(target: Target) -> dict[str, str]:
    ids = {}
    for name, user in (("known", "user"), ("others", "other")):
        job = {"image": "x", "name": name, "preset_name": "cpu-small", "command": "true"}
        body = json.dumps(job).encode()
        made = await target.call("POST", "/api/v1/jobs?from_preset", user=user, body=body)
        ids[name] = made.json["id"]
    for key, name, user in (("bucket", "known", "user"), ("foreign", "others", "other")):
        body = json.dumps({"name": name}).encode()
        path = "/api/v1/buckets/default"
        made = await target.call("POST", f"{path}/buckets", user=user, body=body)
        ids[key] = made.json["id"]
        body = json.dumps({"name": name, "bucket_ids": [made.json["id"]]}).encode()
        await target.call("POST", f"{path}/persistent_credentials", user=user, body=body)
    for name in ("role", "more"):
        body = json.dumps({"name": f"user/{name}"}).encode()
        await target.call("POST", "/api/v1/users", body=body)
    for path in ("plain", "folder/x"):
        await target.call("PUT", f"/api/v1/storage/default/user/{path}", body=b"plain text")
    return ids


@pytest.mark.timeout(300 if FULL else 60)
@pytest.mark.parametrize("label", OPERATIONS)
def test_every_answer_is_described(fuzzed: tuple[Target, dict[str, str]], label: str) -> None:
    target, ids = fuzzed
    operation = OPERATIONS[label]
    good = operation.as_strategy(GenerationMode.POSITIVE)
    cases = st.one_of(good, good, operation.as_strategy(GenerationMode.NEGATIVE))
    # What is described as the service's own way of refusing is no failure; the log tells those.
    checks = [
        check
        for check in CHECKS
        if check is not not_a_server_error or "500" not in operation.definition.raw["responses"]
    ]
    places = {f"{{{name}}}": job for name, job in ids.items()}
    mark = target.log.stat().st_size

    @hypothesis.seed(luck(f"fuzz {label}").randrange(2**32))
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    @hypothesis.given(case=cases, caller=st.sampled_from(CALLERS), data=st.data())
    def fuzz(case: Case[Any], caller: str, data: st.DataObject) -> None:
        for name in PLACES.keys() & (case.path_parameters or {}).keys():
            place = _chosen(data, name, PLACES[name], case.path_parameters[name])
            case.path_parameters[name] = places.get(place, place)
        _point(data, case.query)
        _point(data, case.body)
        _tame(case)
        # The generator has headers of its own; who calls is decided here.
        case.headers.pop("Authorization", None)
        headers = {}
        if caller != "none":
            headers["Authorization"] = f"Bearer {target.tokens.get(caller, 'unknown')}"
        base = f"http://127.0.0.1:{target.port}"
        response = case.call(base_url=base, headers=headers, timeout=PATIENCE)
        case.validate_response(response, checks=checks)
        if caller in ("nobody", "none") and operation.definition.raw.get("security") is None:
            assert response.status_code in (401, 404, 405), response.status_code

    fuzz()
    target.check_log(mark)


def _chosen(data: st.DataObject, name: str, values: Sequence[str], otherwise: Any) -> Any:
    """Draw one of the values, or rarely what the generator had."""
    chosen = data.draw(st.sampled_from((*values, *values, None)), label=name)
    return otherwise if chosen is None else chosen


def _point(data: st.DataObject, part: Any) -> None:
    """Let fields of which examples are known mostly be one of those."""
    for item in part if isinstance(part, list) else [part]:
        if isinstance(item, dict):
            for name, value in item.items():
                if name in FIELDS:
                    item[name] = _chosen(data, name, FIELDS[name], value)
                else:
                    _point(data, value)


def _tame(case: Case[Any]) -> None:
    """See to it that a job's command is ``true``, also where the generator breaks the rules."""
    if (case.method.upper(), case.path) != _JOBS or not isinstance(case.body, dict):
        return
    for part in (case.body, case.body.get("container")):
        if isinstance(part, dict):
            part.pop("entrypoint", None)
            if "command" in part:
                part["command"] = "true"
            if part.get("restart_policy") == "always":
                part["restart_policy"] = "never"
