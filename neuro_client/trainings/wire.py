"""Read what the control plane answers: tolerant of ids, nulls, unknown keys (§8.1)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin

import attrs
from cattrs.errors import AttributeValidationNote, ClassValidationError
from cattrs.gen import make_dict_structure_fn, override

from ..errors import ProtocolError
from ..wire import converter, structure
from .measurements import Metrics, Telemetry
from .models import (
    BatchFailure,
    BatchResult,
    Event,
    HistoryRecord,
    Id,
    Record,
    Training,
    TrainingCluster,
    TrainingPhase,
)
from .spec import wire_name

T = TypeVar("T", bound=Record)


def _record_hook(cls: type[Any]) -> Callable[[Any, Any], Any]:
    """Make what reads one class: keys in camel case, null as absent, the object kept."""
    names: dict[str, Any] = {
        item.name: override(rename=wire_name(item.name), struct_hook=_field_hook(item.type))
        for item in attrs.fields(cls)
    }
    names["raw"] = override(omit=True)
    read = make_dict_structure_fn(cls, converter(), **names)

    def hook(value: Any, target: Any) -> Any:
        if value.__class__ is not dict:
            raise TypeError("not an object")
        given = value
        if None in value.values():
            given = {key: item for key, item in value.items() if item is not None}
        try:
            record = read(given, target)
        except ClassValidationError as error:
            _name_keys(error)
            raise
        object.__setattr__(record, "raw", value)  # nobody has seen it yet
        return record

    return hook


def _field_hook(kind: Any) -> Callable[[Any, Any], Any] | None:
    """Return what reads a field that may be absent, but is not null; None for the usual way.

    A listing has hundreds of thousands of fields, nearly all of them of their kind already.
    """
    present = [item for item in get_args(kind) if item is not type(None)]
    if get_origin(kind) in (Union, UnionType):
        if len(present) != 1:
            return None
        [kind] = present
    if get_origin(kind) is tuple:
        return _tuple_hook(kind, present[0])
    if not isinstance(kind, type) and kind is not Id:
        return None
    usual = converter().get_structure_hook(kind)

    def hook(value: Any, _: Any) -> Any:
        return value if value.__class__ is kind else usual(value, kind)

    return hook


def _tuple_hook(kind: Any, of: Any) -> Callable[[Any, Any], Any]:
    """Return what reads an array; one that cannot be read is read again, for the place of that."""
    usual = converter().get_structure_hook(kind)
    one = _field_hook(of) or converter().get_structure_hook(of)

    def hook(value: Any, _: Any) -> Any:
        if value.__class__ is not list:
            raise TypeError("not an array")
        try:
            return tuple([one(item, of) for item in value])
        except Exception:
            return usual(value, kind)

    return hook


def _name_keys(error: ClassValidationError) -> None:
    """Let the places of an error be those of the JSON, not of the record."""
    for problem in error.exceptions:
        for note in getattr(problem, "__notes__", ()):
            if isinstance(note, AttributeValidationNote):
                note.name = wire_name(note.name)


def _id(value: Any, _: Any) -> Id:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise TypeError("not an id")
    return Id(str(value))


def decode(value: Any, cls: type[T]) -> T:
    """Read one record."""
    return structure(value, cls)


def items_of(page: Any, key: str) -> Sequence[Any]:
    """Return the list that a page of a listing holds.

    Raises:
        ProtocolError: it is no such page.
    """
    found = page.get(key) if isinstance(page, Mapping) else None
    if not isinstance(found, list):
        raise ProtocolError(f"The answer is not a page of {key}: $.{key} is not an array")
    return found


def next_offset(page: Any, offset: int, count: int) -> int | None:
    """Return where the next page begins, None after the last one (§8.6)."""
    following = page.get("next")
    if count == 0 or not isinstance(following, int) or following <= offset:
        return None
    return following


@attrs.frozen(kw_only=True)
class Count(Record):
    """Hold how many there are."""

    count: int


@attrs.frozen(kw_only=True)
class _Meta(Record):
    creation_timestamp: datetime
    type: str = ""


@attrs.frozen(kw_only=True)
class _PhaseUpdate(Record):
    phase: str | None = None
    phase_message: str | None = None


@attrs.frozen(kw_only=True)
class _HistorySpec(Record):
    event: Event | None = None
    phase_update: _PhaseUpdate | None = None


@attrs.frozen(kw_only=True)
class _HistoryRecord(Record):
    meta: _Meta
    spec: _HistorySpec = attrs.field(factory=_HistorySpec)


def decode_history(value: Any) -> HistoryRecord:
    """Read one step of a history."""
    found = decode(value, _HistoryRecord)
    update = found.spec.phase_update
    text = None if update is None else update.phase
    return HistoryRecord(
        created_at=found.meta.creation_timestamp,
        event=found.spec.event,
        phase=None if text is None else TrainingPhase(text),
        phase_text=text,
        phase_message=None if update is None else update.phase_message,
        raw=value,
    )


def decode_metrics(value: Any, *, partial: bool) -> Metrics:
    """Read series; a histogram stays raw."""
    return attrs.evolve(decode(value, Metrics), partial=partial)


def decode_telemetry(value: Any) -> Telemetry:
    """Read what was counted."""
    return decode(value, Telemetry)


def decode_training(value: Any) -> Training:
    """Read a training."""
    return decode(value, Training)


@attrs.frozen(kw_only=True)
class _BatchFailure(Record):
    id: Id
    code: int = 0
    message: str = ""


@attrs.frozen(kw_only=True)
class _Batch(Record):
    id: Id | None = None
    succeeded: tuple[Id, ...] = ()
    failed: tuple[_BatchFailure, ...] = ()


def decode_batch(value: Any) -> BatchResult:
    """Read what became of a batch."""
    found = decode(value, _Batch)
    failed = tuple(BatchFailure(item.id, item.code, item.message) for item in found.failed)
    return BatchResult(found.succeeded, failed, (found.id,) if found.id else ())


@attrs.frozen(kw_only=True)
class _Cluster(Record):
    uuid: Id | None = None
    id: Id | None = None
    name: str = ""


def decode_clusters(value: Any) -> tuple[TrainingCluster, ...]:
    """Read the clusters, from a bare array or from an object that holds it."""
    listed = value if isinstance(value, list) else items_of(value, "clusters")
    found = [decode(item, _Cluster) for item in listed]
    return tuple(
        TrainingCluster(id=item.uuid or item.id or "", name=item.name, raw=item.raw)
        for item in found
    )


def _register() -> None:
    converter().register_structure_hook(Id, _id)
    converter().register_structure_hook_factory(
        lambda cls: isinstance(cls, type) and issubclass(cls, Record), _record_hook
    )
    # The kinds of fields are looked up now: a public class soon says that it is from the root of
    # the package, where the names in its annotations mean nothing.
    pending: list[type[Any]] = [Record]
    while pending:
        cls = pending.pop()
        pending += cls.__subclasses__()
        attrs.resolve_types(cls)


_register()
