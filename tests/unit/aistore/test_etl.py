"""Code on its way to a cluster, and what is read of ETLs (aistore.md §14)."""

from __future__ import annotations

import base64
import json
import sys
from typing import Any

import cloudpickle  # type: ignore[import-untyped]
import pytest

from neuro_client.aistore import AIStore, ETLNodeMetrics, ETLObjectError
from neuro_client.aistore.etl import code as etl_code
from neuro_client.aistore.etl.api import seconds_of
from neuro_client.aistore.etl.records import read_details, read_logs, read_metrics
from neuro_client.errors import NotSupportedError, ProtocolError

from .helpers_of_etl import greeting


def greet(data: bytes) -> bytes:
    """Be a transform that needs another file of this package."""
    return greeting() + data


def test_code_of_the_user_goes_along_and_what_is_installed_is_named() -> None:
    own = base64.b64decode(etl_code.pickled(greet))
    assert b"hello from a helper" in own
    assert b"scan_once" not in base64.b64decode(etl_code.pickled(json.loads))
    assert b"Transport" not in base64.b64decode(etl_code.pickled(pytest.raises))
    assert not cloudpickle.list_registry_pickle_by_value()
    # What its user registered stays so.
    cloudpickle.register_pickle_by_value(sys.modules["tests"])
    try:
        assert etl_code.pickled(greet)
        assert cloudpickle.list_registry_pickle_by_value() == {"tests"}
    finally:
        cloudpickle.unregister_pickle_by_value(sys.modules["tests"])


def test_a_program_defines_the_transform() -> None:
    source = etl_code.program(greet, ["json", "os.path"], called=False)
    found: dict[str, Any] = {}
    exec(compile(source, "etl", "exec"), found)
    assert found["transform"](b"!") == b"hello from a helper!"
    assert 'importlib.import_module("os.path")' in source
    assert etl_code.program(greet, [], called=True).endswith("\ntransform()\n")


def test_the_release_that_reads_the_code_is_among_its_requirements() -> None:
    given = ["numpy>=2"]
    assert etl_code.requirements(given) == ["numpy>=2", f"cloudpickle=={cloudpickle.__version__}"]
    assert given == ["numpy>=2"]
    assert etl_code.requirements(["CloudPickle==3.0.0"]) == ["CloudPickle==3.0.0"]


@pytest.mark.parametrize(("text", "seconds"), [("5m", 300), ("1h30m", 5400), ("1.5s10ms", 1.51)])
def test_durations(text: str, seconds: float) -> None:
    assert seconds_of(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "5", "m", "5 m", "-5m", "5m!", "5d"])
def test_no_durations(text: str) -> None:
    with pytest.raises(ValueError, match="not a duration"):
        seconds_of(text)


async def test_a_python_without_an_image_is_told_before_anything_is_sent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("neuro_client.aistore.etl.api._IMAGES", range(1))
    etl = AIStore("http://127.0.0.1:9").etl("a-name")
    with pytest.raises(NotSupportedError, match="image="):
        await etl.init_class(type("Own", (), {}))


def test_both_descriptions_are_read() -> None:
    spec = base64.b64encode(b"kind: Pod").decode()
    old = read_details(
        {"id": "e", "timeout": "5m", "spec": spec, "runtime": "python3.11v2", "chunk_size": "8"}
    )
    assert (old.id, old.timeout, old.spec, old.runtime) == ("e", "5m", "kind: Pod", "python3.11v2")
    assert old.chunk_size == 8
    errors = [{"obj_name": "o", "msg": "no", "ecode": 500}]
    today = read_details(
        {"init_msg": {"name": "e", "init_timeout": "1m", "runtime": {}}, "obj_errors": errors}
    )
    assert (today.id, today.timeout, today.runtime) == ("e", "1m", {})
    assert today.obj_errors == (ETLObjectError("o", "no", 500),)
    assert read_logs(None) == [] == read_metrics(None)
    assert read_metrics([{"target_id": "t", "cpu": None}]) == [ETLNodeMetrics("t")]
    for read, wrong in (
        (read_details, {"code": "no base64!"}),
        (read_details, []),
        (read_metrics, [{"cpu": "much"}]),
        (read_logs, {}),
    ):
        with pytest.raises(ProtocolError):
            read(wrong)
