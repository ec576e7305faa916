"""What one may say about a submission beside its files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypedDict, TypeVar

import attrs

from ..transfer import AbstractRecursiveFileProgress
from .naming import SlugStyle

T = TypeVar("T")


class StartOptions(TypedDict, total=False):
    """Say how the folder is called, and which workers a task gets (§4).

    ``slug`` replaces the one that is made of the name by ``slug_style`` (§2.1). ``worker_ids`` pins
    as many workers as there are shards; otherwise the platform selects them, by ``gpu_models`` in
    order of preference and up to ``max_price_per_gpu_hour_cents``, unless ``auto_select_workers``
    is False. ``only_mine_workers`` keeps to the user's own.
    """

    slug: str | None
    slug_style: SlugStyle | str
    worker_ids: Sequence[str]
    auto_select_workers: bool
    gpu_models: Sequence[str]
    max_price_per_gpu_hour_cents: int | None
    only_mine_workers: bool


class SubmitOptions(StartOptions, total=False):
    """Say beside that what a submission may do to what is there, and how it sends.

    With ``exist_ok`` a workspace with other content is overwritten. ``prune`` deletes shards in the
    bucket that are none of this submission; the platform would take each for one more worker. It
    also deletes checkpoints beside the one that is given, which is refused without it.
    ``force`` submits although the storage meter says that there is no room. With ``presigned`` the
    shards and the checkpoint go through links of the platform (§3.1). ``parts`` is how many are on
    their way at a time; they become fewer while the store answers 503. ``progress`` is told of the
    shards and the checkpoint as they are sent.
    """

    exist_ok: bool
    prune: bool
    force: bool
    presigned: bool
    parts: int
    progress: AbstractRecursiveFileProgress | None


def _texts(values: Iterable[str]) -> tuple[str, ...]:
    if isinstance(values, str):  # its letters would be taken for ids
        raise TypeError(f"ids are a list of texts, not the text {values!r}")
    return tuple(values)


@attrs.frozen
class Rules:
    """Hold what a submission may do; see `SubmitOptions`."""

    exist_ok: bool = False
    prune: bool = False
    force: bool = False
    presigned: bool = False
    parts: int = attrs.field(default=5, validator=attrs.validators.ge(1))
    progress: AbstractRecursiveFileProgress | None = None


@attrs.frozen
class TaskOptions:
    """Hold what the request for a task says beside its folders; see `StartOptions`.

    Raises:
        ValueError: the platform would refuse it after the upload.
    """

    estimated_memory_mb: int | None = None
    worker_ids: tuple[str, ...] = attrs.field(default=(), converter=_texts)
    auto_select_workers: bool = True
    gpu_models: tuple[str, ...] = attrs.field(default=(), converter=_texts)
    max_price_per_gpu_hour_cents: int | None = None
    only_mine_workers: bool = False

    def __attrs_post_init__(self) -> None:
        """Check the numbers and the workers."""
        for name in ("estimated_memory_mb", "max_price_per_gpu_hour_cents"):
            value = getattr(self, name)
            if value is not None and (
                isinstance(value, bool) or not isinstance(value, int) or value < 1
            ):
                raise ValueError(f"{name} must be a whole number from 1 up, not {value!r}")
        if len(set(self.worker_ids)) != len(self.worker_ids) or not all(self.worker_ids):
            raise ValueError("worker_ids names a worker twice, or has an empty id")


def chosen(cls: type[T], options: Mapping[str, Any], **more: Any) -> T:
    """Build a record of those options that are its fields."""
    names = {field.name for field in attrs.fields(cls)}  # type: ignore[arg-type]
    return cls(**{name: value for name, value in options.items() if name in names}, **more)


def check_names(options: Mapping[str, Any], known: type[Any]) -> None:
    """Raise ``TypeError`` for an option that there is not."""
    unknown = sorted(options.keys() - known.__annotations__.keys())
    if unknown:
        raise TypeError(f"there is no option {', '.join(unknown)}")
