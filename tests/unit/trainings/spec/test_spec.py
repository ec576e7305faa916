"""The spec and the request as values: reading, writing, keeping, refusing."""

from __future__ import annotations

import builtins
import copy
import json
import pickle
import subprocess
import sys
from datetime import date
from typing import Any

import attrs
import pytest

from neuro_client.errors import ConfigError, IllegalArgumentError, ProtocolError
from neuro_client.trainings.spec import (
    Compute,
    EnvironmentVariable,
    ImagePullPolicy,
    InvalidSpecError,
    Part,
    Port,
    Quantity,
    Rule,
    SecretSource,
    ServiceType,
    Storage,
    TrainingRequest,
    TrainingSpec,
    Violation,
    wire_name,
)
from neuro_client.wire import structure, unstructure

from .rows import UUID

SAMPLE: dict[str, Any] = {
    "name": "mnist-0",
    "projectId": "7",
    "clusterId": UUID,
    "spec": {
        "image": "registry.example/trainer:1.4",
        "command": "python",
        "args": "train.py --epochs 3",
        "compute": {
            "gpuDevicesRequest": 1,
            "gpuRequestType": "portion",
            "gpuPortionRequest": 0.5,
            "cpuCoreRequest": 2,
            "cpuMemoryRequest": "8Gi",
        },
        "environmentVariables": [{"name": "SEED", "value": "1"}],
        "backoffLimit": 0,
    },
}
# As the vendor's own example, which combines what excludes each other (§9.2).
REFERENCE: dict[str, Any] = {
    "tty": True,
    "stdin": True,
    "environmentVariables": [
        {"name": "HOME", "value": "/home", "secret": {"name": "postgress_secret", "key": "home"}}
    ],
    "tolerations": [
        {"operator": "Equal", "key": "k", "value": "v", "effect": "NoSchedule", "seconds": 1}
    ],
    "exposedUrls": [
        {"container": 8080, "authorizedUsers": ["a@example"], "authorizedGroups": ["staff"]}
    ],
    "compute": {
        "gpuDevicesRequest": 1,
        "gpuRequestType": "portion",
        "gpuPortionRequest": 0.5,
        "gpuMemoryRequest": "10M",
        "migProfile": "1g.5gb",
        "extendedResources": [{"resource": "hardware-vendor.example/foo", "quantity": "2"}],
    },
    "security": {"uidGidSource": "fromTheImage", "runAsUid": 500, "runAsGid": 30},
}


def test_the_minimal_exchange_of_the_facts() -> None:
    """§5.10, built from records and read from JSON."""
    request = TrainingRequest(
        "mnist-0",
        7,
        UUID,
        TrainingSpec(
            image="registry.example/trainer:1.4",
            command="python",
            args="train.py --epochs 3",
            compute=Compute(
                gpu_devices_request=1,
                gpu_request_type="portion",
                gpu_portion_request=0.5,
                cpu_core_request=2,
                cpu_memory_request="8Gi",
            ),
            environment_variables=[EnvironmentVariable(name="SEED", value="1")],
            backoff_limit=0,
        ),
    )
    assert request.to_dict() == SAMPLE
    assert TrainingRequest.from_dict(SAMPLE) == request
    assert request.violations() == ()
    request.check()
    prefixed = attrs.evolve(request, use_given_name_as_prefix=True, template_id=UUID)
    assert prefixed.to_dict() == {**SAMPLE, "useGivenNameAsPrefix": True, "templateId": UUID}


def test_the_example_of_the_reference_goes_round_and_is_refused() -> None:
    spec = TrainingSpec.from_dict(REFERENCE)
    assert spec.to_dict() == REFERENCE
    found = {(violation.path, violation.rule) for violation in spec.violations()}
    assert found == {
        ("spec.environmentVariables[0].secret", Rule.ENV_SOURCE),
        ("spec.tolerations[0].seconds", Rule.TOLERATION_SECONDS),
        ("spec.exposedUrls[0].authorizedGroups", Rule.AUTHORIZED),
        ("spec.compute.gpuMemoryRequest", Rule.GPU_TYPE),
        ("spec.compute.migProfile", Rule.GPU_TYPE),
        ("spec.security.runAsUid", Rule.IDENTITY),
        ("spec.security.runAsGid", Rule.IDENTITY),
    }


def test_everything_that_is_wrong_is_said_at_once() -> None:
    request = TrainingRequest(
        "No Name",
        "",
        "not-a-uuid",
        TrainingSpec(
            tty=True,
            compute=Compute(cpu_memory_request="8Gj", cpu_core_request=-1),
            ports=[Port(container=0), Port(container=1, service_type="Tunnel")],
        ),
    )
    with pytest.raises(InvalidSpecError) as caught:
        request.check()
    error = caught.value
    assert isinstance(error, IllegalArgumentError)
    assert error.status is None
    assert {(violation.path, violation.rule) for violation in error.violations} == {
        ("name", Rule.PATTERN),
        ("projectId", Rule.LENGTH),
        ("clusterId", Rule.UUID),
        ("spec.tty", Rule.TTY_STDIN),
        ("spec.compute.cpuMemoryRequest", Rule.PATTERN),
        ("spec.compute.cpuCoreRequest", Rule.MINIMUM),
        ("spec.ports[0].container", Rule.MINIMUM),
        ("spec.ports[0].serviceType", Rule.REQUIRED),
        ("spec.ports[1].serviceType", Rule.OPTIONS),
    }
    assert len(error.violations) == 9
    for violation in error.violations:
        assert str(violation) in str(error)
    assert "2.18" in str(error)


@pytest.mark.parametrize("version", ["", "2", "newest", "2.18x", "2.x"])
def test_a_version_that_is_none(version: str) -> None:
    with pytest.raises(ValueError, match="is not a version"):
        TrainingRequest.from_dict(SAMPLE).violations(version)


@pytest.mark.parametrize("version", ["2.18", "v2.18", "2.18.33", "2.24", "3.0", "latest"])
def test_versions(version: str) -> None:
    TrainingRequest.from_dict(SAMPLE).check(version)


def test_fields_of_a_newer_server_are_kept_and_sent_back() -> None:
    document = {
        "image": "a",
        "rocket": {"fuel": [1, None, {"kind": "x"}]},
        "compute": {"tpu": 3, "nothing": None},
        "ports": [{"container": 1, "serviceType": "NodePort", "ipv6": True}],
    }
    original = copy.deepcopy(document)
    spec = TrainingSpec.from_dict(document)
    assert spec.to_dict() == original
    assert TrainingSpec.from_dict(spec.to_dict()) == spec
    assert spec.extra == {"rocket": {"fuel": [1, None, {"kind": "x"}]}}
    assert spec.violations("latest", strict=False) == ()
    assert [(found.path, found.rule) for found in spec.violations("latest")] == [
        ("spec.ports[0].ipv6", Rule.UNKNOWN),
        ("spec.compute.tpu", Rule.UNKNOWN),
        ("spec.rocket", Rule.UNKNOWN),
    ]
    # What was read and what is written belong to their owners.
    document["rocket"]["fuel"].clear()  # type: ignore[index]
    spec.to_dict()["rocket"]["fuel"].clear()
    assert spec.to_dict() == original


def test_a_misspelt_field_is_pointed_out() -> None:
    [found] = TrainingSpec.from_dict({"compute": {"cpuMemoryRequests": "1G"}}).violations()
    assert found.rule is Rule.UNKNOWN
    assert "cpuMemoryRequest is meant" in found.message


def test_values_that_do_not_fit_are_kept_out_of_the_attributes() -> None:
    document = {"backoffLimit": "six", "compute": [1], "tty": True, "stdin": True}
    spec = TrainingSpec.from_dict(document)
    assert spec.backoff_limit is None
    assert spec.compute is None
    assert spec.to_dict() == document
    mended = attrs.evolve(spec, backoff_limit=6, compute=Compute())
    assert mended.extra == {}
    assert mended.violations() == ()


def test_an_enum_value_of_a_newer_server_stays_a_text() -> None:
    spec = TrainingSpec.from_dict({"imagePullPolicy": "Sometimes"})
    assert spec.image_pull_policy == "Sometimes"
    assert not isinstance(spec.image_pull_policy, ImagePullPolicy)
    assert TrainingSpec(image_pull_policy="Never").image_pull_policy is ImagePullPolicy.NEVER


def test_attributes_and_dictionaries_say_the_same() -> None:
    port = Port(container=80, service_type=ServiceType.NODE_PORT)
    assert TrainingSpec(ports=[port]) == TrainingSpec(ports=(port,))
    assert TrainingSpec(ports=[port]).to_dict() == {
        "ports": [{"container": 80, "serviceType": "NodePort"}]
    }
    assert TrainingSpec(ports=[]).to_dict() == {"ports": []}
    assert TrainingSpec(storage=Storage()).to_dict() == {"storage": {}}
    assert TrainingSpec(extra={"image": "a"}) == TrainingSpec(image="a")


def test_records_can_be_hashed_copied_and_sent_elsewhere() -> None:
    request = TrainingRequest.from_dict(SAMPLE)
    assert hash(request) == hash(TrainingRequest.from_dict(copy.deepcopy(SAMPLE)))
    assert pickle.loads(pickle.dumps(request)) == request
    assert copy.deepcopy(request) == request
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        request.name = "other"  # type: ignore[misc]


def test_secrets_are_not_shown() -> None:
    secret = "hunter2"
    spec = TrainingSpec(
        image="a",
        environment_variables=[
            EnvironmentVariable(name="A", value=secret),
            EnvironmentVariable(name="B", value="x", secret=SecretSource(name="s", key="k")),
            EnvironmentVariable.from_dict({"name": "C", "value": [secret], "valeu": secret}),
        ],
    )
    shown = repr(spec) + "".join(map(repr, spec.violations()))
    assert secret not in shown
    assert "name='A', value=..." in shown
    with pytest.raises(InvalidSpecError) as caught:
        TrainingRequest(secret.upper(), "7", UUID, spec).check()
    assert secret not in str(caught.value).lower()


def test_nested_records_are_found_by_the_one_converter() -> None:
    @attrs.frozen
    class Answer:
        spec: TrainingSpec | None = None

    assert structure({"spec": {"image": "a"}}, Answer) == Answer(TrainingSpec(image="a"))
    assert structure({"spec": None}, Answer) == Answer()
    assert unstructure(Answer(TrainingSpec(image="a"))) == {"spec": {"image": "a"}}
    with pytest.raises(ProtocolError, match=r"\$\.spec"):
        structure({"spec": [1]}, Answer)


@pytest.mark.parametrize("data", [None, [], "image: a", 5])
def test_what_is_no_object(data: Any) -> None:
    with pytest.raises(InvalidSpecError, match="must be an object") as caught:
        TrainingSpec.from_dict(data)
    assert caught.value.violations == (Violation("TrainingSpec", "must be an object", Rule.TYPE),)


@pytest.mark.parametrize("value", [object(), float("nan"), date(2024, 1, 1), {1, 2}])
def test_what_json_cannot_hold_is_refused(value: Any) -> None:
    unknown = TrainingSpec(extra={"rocket": value}).violations("latest", strict=False)
    assert [(found.path, found.rule) for found in unknown] == [("spec.rocket", Rule.TYPE)]
    known = TrainingSpec(compute=Compute(cpu_core_request=value)).violations()
    assert [found.rule for found in known] == [Rule.TYPE]


YAML = """
name: mnist-0
projectId: 7
clusterId: 6f6f0b1e-0f6e-4c39-9d3e-1f2d3c4b5a69
spec: &spec
  image: registry.example/trainer:1.4
  command: python
  args: train.py --epochs 3
  compute:
    gpuDevicesRequest: 1
    gpuRequestType: portion
    gpuPortionRequest: 0.5
    cpuCoreRequest: 2
    cpuMemoryRequest: 8Gi
  environmentVariables:
    - {name: SEED, value: "1"}
  backoffLimit: 0
"""


def test_yaml() -> None:
    assert TrainingRequest.from_yaml(YAML).to_dict() == SAMPLE
    assert TrainingRequest.from_yaml(YAML.encode()) == TrainingRequest.from_yaml(YAML)
    spec = TrainingSpec.from_yaml("image: a\nnodePools: [x, y]\nports:\n")
    assert spec == TrainingSpec(image="a", node_pools=["x", "y"])


def test_what_yaml_takes_for_something_else_is_pointed_out() -> None:
    spec = TrainingSpec.from_yaml(
        "environmentVariables:\n"
        "- {name: DAY, value: 2024-01-01}\n"
        "- {name: FLAG, value: yes}\n"
        "- {name: COUNT, value: 5}\n"
        "storage: {hostPath: [{path: /a, mountPath: /b, mountPropagation: None}]}\n"
    )
    assert spec.environment_variables is not None
    assert spec.environment_variables[0].value == "2024-01-01"
    assert [(found.path, found.rule) for found in spec.violations()] == [
        ("spec.environmentVariables[1].value", Rule.TYPE),
        ("spec.environmentVariables[2].value", Rule.TYPE),
    ]


@pytest.mark.parametrize(
    "document",
    [
        "image: [a",
        "image: a\n---\nimage: b",
        "a: &a [*a]",
        "!!python/object/apply:os.getcwd []",
        "",
        "- image",
        b"\xff\xfe\x00\xd8",
        "image: \x00",
        "[" * 500,
    ],
)
def test_what_is_no_document(document: str | bytes) -> None:
    with pytest.raises(InvalidSpecError) as caught:
        TrainingSpec.from_yaml(document)
    assert caught.value.status is None


def test_an_unreadable_document_is_not_repeated() -> None:
    with pytest.raises(InvalidSpecError, match=r"in line 2, column \d+$") as caught:
        TrainingSpec.from_yaml("value: hunter2\nother: hunter2: hunter2")
    assert "hunter2" not in str(caught.value)


def test_yaml_needs_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without_yaml(name: str, *args: Any, **kwargs: Any) -> Any:
        if name == "yaml":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without_yaml)
    with pytest.raises(ConfigError, match=r"pip install 'neuro_client\[trainings\]'"):
        TrainingSpec.from_yaml("image: a")


def test_importing_the_spec_loads_no_yaml() -> None:
    code = (
        "import sys, neuro_client.trainings.spec\n"
        "print([m for m in ('yaml', 'jsonschema', 'botocore') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")


def test_wire_names() -> None:
    assert wire_name("image") == "image"
    assert wire_name("s3") == "s3"
    assert wire_name("secret_key_of_access_key_id") == "secretKeyOfAccessKeyId"


def test_numbers_and_quantities_keep_how_they_were_written() -> None:
    document = {"compute": {"cpuCoreRequest": 2, "cpuCoreLimit": 2.0, "cpuMemoryRequest": "0.5Gi"}}
    spec = TrainingSpec.from_dict(document)
    assert json.dumps(spec.to_dict()) == json.dumps(document)
    assert spec.compute is not None
    assert spec.compute.cpu_memory_request == Quantity("512Mi")
    listed = {"compute": {"extendedResources": [{"resource": "a", "quantity": 2}]}}
    [written] = TrainingSpec.from_dict(listed).to_dict()["compute"]["extendedResources"]
    assert written == {"resource": "a", "quantity": "2"}


def test_parts_can_be_read_alone() -> None:
    assert isinstance(Port.from_dict({"container": 80}), Part)
    assert repr(Port(container=80)) == "Port(container=80)"
