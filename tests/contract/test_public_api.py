"""The published names, signatures, fields and members, held against ours.

``public_api.json`` lists them as the fact page does. Ours may add keyword-only parameters with a
default, and nothing else.
"""

from __future__ import annotations

import ast
import asyncio
import inspect
import json
import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
import attrs
import pytest
from yarl import URL

import neuro_client
from neuro_client.concurrency import ScopedIterator
from neuro_client.models import UNSET

FACTS = json.loads((Path(__file__).parent / "public_api.json").read_text("utf-8"))

LATER_MEMBERS = {"Client": {"version_checker"}}
"""Members that do not exist yet."""
# The published list of values of an enum's or a default's own kind.
_NAMES = {
    **{name: getattr(neuro_client, name) for name in neuro_client.__all__},
    "UNSET": UNSET,
    "URL": URL,
    "Decimal": Decimal,
}


def _now() -> Iterator[tuple[str, str, dict[str, str]]]:
    for cls, methods in FACTS["methods"].items():
        for name, facts in methods.items():
            if name not in LATER_MEMBERS.get(cls, ()):
                yield cls, name, facts


METHODS = list(_now())
FIELDS = [(cls, fields) for cls, fields in FACTS["fields"].items()]
PROPERTIES = [
    (cls, name)
    for cls, names in FACTS["properties"].items()
    for name in names
    if name not in LATER_MEMBERS.get(cls, ())
]


def _published(signature: str) -> list[tuple[str, str, str | None]]:
    """Return name, kind and default of every parameter of a signature written as text."""
    function = ast.parse(f"def f{signature}: ...").body[0]
    assert isinstance(function, ast.FunctionDef)
    given = function.args
    count = len(given.args) - len(given.defaults)
    found: list[tuple[str, str, str | None]] = []
    for index, argument in enumerate(given.args):
        default = given.defaults[index - count] if index >= count else None
        found.append((argument.arg, "positional", ast.unparse(default) if default else None))
    for argument, keyword_default in zip(given.kwonlyargs, given.kw_defaults, strict=True):
        text = ast.unparse(keyword_default) if keyword_default is not None else None
        found.append((argument.arg, "keyword", text))
    return found


def _same_default(ours: Any, text: str) -> bool:
    if text == "always-match" or ours is inspect.Parameter.empty:
        return text == "always-match"
    try:
        expected = eval(text, {"__builtins__": {"frozenset": frozenset, "dict": dict}}, _NAMES)
    except Exception:
        return False
    if isinstance(expected, URL):
        return bool(ours == expected)
    return bool(ours == expected) and type(ours) is type(expected)


def check_signature(function: Any, signature: str) -> None:
    ours = [p for p in inspect.signature(function).parameters.values() if p.name != "self"]
    published = _published(signature.replace("always-match", "None"))
    by_name = {parameter.name: parameter for parameter in ours}
    ordered = [p.name for p in ours if p.kind is not inspect.Parameter.KEYWORD_ONLY]
    wanted = [name for name, kind, _ in published if kind == "positional"]
    assert ordered[: len(wanted)] == wanted
    for name, kind, default in published:
        parameter = by_name.pop(name)
        assert (parameter.kind is inspect.Parameter.KEYWORD_ONLY) == (kind == "keyword"), name
        if default is None:
            # Where the text has another name of the argument too, none of the two is required.
            assert parameter.default in (inspect.Parameter.empty, None), name
        elif "always-match" not in signature:
            assert _same_default(parameter.default, default), (name, parameter.default)
    for extra in by_name.values():
        assert extra.kind is inspect.Parameter.KEYWORD_ONLY, extra
        assert extra.default is not inspect.Parameter.empty, extra


@pytest.mark.parametrize(("name", "signature"), FACTS["functions"].items())
def test_function(name: str, signature: str) -> None:
    check_signature(getattr(neuro_client, name), signature)


@pytest.mark.parametrize(("cls", "name", "facts"), METHODS, ids=lambda v: v if v else "")
def test_method(cls: str, name: str, facts: dict[str, str]) -> None:
    owner = getattr(neuro_client, cls)
    function = owner if name == "__init__" else getattr(owner, name)
    check_signature(function, facts["sig"])
    kind = facts["kind"]
    if kind == "async":
        assert asyncio.iscoroutinefunction(function)
    elif kind == "abstract":
        assert function.__isabstractmethod__
    elif kind == "iter":
        wrapped = inspect.unwrap(function)
        assert inspect.isasyncgenfunction(wrapped) or "Iterator" in str(
            inspect.signature(function).return_annotation
        )
    else:
        assert not asyncio.iscoroutinefunction(function)


@pytest.mark.parametrize(("cls", "fields"), FIELDS, ids=lambda v: v if isinstance(v, str) else "")
def test_fields(cls: str, fields: str | list[list[str]]) -> None:
    record = getattr(neuro_client, cls)
    assert attrs.has(record)
    ours = attrs.fields(record)
    if isinstance(fields, str):
        published = [(name, default) for name, _, default in _published(fields)]
    else:
        published = [(name, None if d == "required" else d) for name, d in fields]
    assert [field.name for field in ours][: len(published)] == [name for name, _ in published]
    for field, (name, default) in zip(ours, published, strict=False):
        if default is None:
            assert field.default is attrs.NOTHING, name
        elif default.startswith("new "):
            assert isinstance(field.default, attrs.Factory), name  # type: ignore[arg-type]
        else:
            assert _same_default(field.default, default), (name, field.default)
    for field in ours[len(published) :]:
        assert field.default is not attrs.NOTHING
    methods = dict.fromkeys(getattr(record, "__abstractmethods__", ()))
    concrete = type(record.__name__, (record,), methods)
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        setattr(object.__new__(concrete), ours[0].name, 1)


@pytest.mark.parametrize(("name", "members"), FACTS["enums"].items())
def test_members(name: str, members: dict[str, str]) -> None:
    enum = getattr(neuro_client, name)
    assert {member: str(enum[member].value) for member in members} == members
    assert set(enum.__members__) == set(members)


@pytest.mark.parametrize(("cls", "name"), PROPERTIES)
def test_property(cls: str, name: str) -> None:
    owner = getattr(neuro_client, cls)
    if not hasattr(owner, name):
        pytest.fail(f"{cls}.{name} does not exist")
    assert not inspect.isfunction(getattr(owner, name))


def test_what_comes_later_is_not_here_yet() -> None:
    for cls, names in LATER_MEMBERS.items():
        assert not [name for name in names if hasattr(getattr(neuro_client, cls), name)]


@pytest.mark.parametrize("name", neuro_client.__all__)
def test_every_public_name_reports_the_package(name: str) -> None:
    value = getattr(neuro_client, name)
    if inspect.isclass(value) or inspect.isfunction(value):
        assert value.__module__ == "neuro_client"
        assert value.__doc__, f"{name} has no docstring"


def test_a_name_that_does_not_exist() -> None:
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = neuro_client.no_such_name
    assert set(neuro_client.__all__) <= set(dir(neuro_client))


@pytest.mark.parametrize(
    "cls",
    [
        *("Client", "Config", "Jobs", "Storage", "Parser"),
        *("Disks", "Secrets", "Users", "ServiceAccounts"),
    ],
)
def test_there_is_no_public_constructor(cls: str) -> None:
    with pytest.raises(TypeError):
        getattr(neuro_client, cls)()


def test_default_timeout() -> None:
    assert (
        aiohttp.ClientTimeout(total=None, connect=None, sock_connect=60, sock_read=60)
        == neuro_client.DEFAULT_TIMEOUT
    )


def test_constants() -> None:
    assert neuro_client.SCHEMES == ("storage", "image", "job", "secret", "disk", "blob", "flow")
    assert neuro_client.DEFAULT_CONFIG_PATH == "~/.neuro"
    assert neuro_client.CONFIG_ENV_NAME == "NEUROMATION_CONFIG"
    assert neuro_client.PASS_CONFIG_ENV_NAME == "NEURO_PASSED_CONFIG"
    assert neuro_client.login_with_headless is neuro_client.login_headless


def test_trace_ids() -> None:
    first, second = neuro_client.gen_trace_id(), neuro_client.gen_trace_id()
    assert re.fullmatch(r"[0-9a-f]{32}", first)
    assert first != second
    assert first[:6] == second[:6]


# public-api.md §2.1
async def test_the_protocol_of_iterators(local_platform: Any, client: Any) -> None:
    def listing() -> ScopedIterator[Any]:
        found: ScopedIterator[Any] = client.storage.list(URL("storage:"))
        return found

    await client.storage.create(URL("storage:x"), b"")
    with local_platform.intercept() as seen:
        unused = listing()
        async with listing() as entries:
            assert seen.calls == []
            assert [entry.name async for entry in entries] == ["x"]
        assert len(seen.calls) == 1
    with pytest.warns(DeprecationWarning, match="async with"):
        assert [entry.name async for entry in unused] == ["x"]
    with pytest.raises(RuntimeError, match="once"):
        async with unused as entries:
            pass
    with pytest.raises(TypeError):
        await listing()  # type: ignore[misc]


@pytest.mark.parametrize(
    "name", [name for name in neuro_client.__all__ if name.endswith(("Error", "Failed"))]
)
def test_errors_can_be_made_of_one_text(name: str) -> None:
    cls = getattr(neuro_client, name)
    assert issubclass(cls, neuro_client.NeuroError)
    if cls is not neuro_client.StdStreamError:
        assert str(cls("why")) == "why"


@pytest.mark.parametrize(
    ("name", "base"),
    [
        ("ConfigError", RuntimeError),
        ("AuthError", neuro_client.ClientError),
        ("AuthenticationError", neuro_client.AuthError),
        ("AuthorizationError", neuro_client.AuthError),
        ("IllegalArgumentError", ValueError),
        ("ResourceNotFound", ValueError),
        ("ServerNotAvailable", ValueError),
        ("NDJSONError", ValueError),
        ("NotSupportedError", NotImplementedError),
        ("TransportError", OSError),
        ("TransportTimeoutError", TimeoutError),
        ("ProtocolError", ValueError),
    ],
)
def test_bases_of_errors(name: str, base: type[Exception]) -> None:
    assert issubclass(getattr(neuro_client, name), base)
