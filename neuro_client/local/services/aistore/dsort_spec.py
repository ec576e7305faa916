"""What a dSort is asked for, in the form of today and of old (aistore.md §13)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import count
from typing import Any

import aiohttp
import attrs

from . import archives
from .archives import Member
from .errors import AISError, bad_request
from .groups import Selection
from .messages import size_of
from .names import Bck
from .templates import Template, parse

_KINDS = ("", "alphanumeric", "none", "md5", "shuffle", "content")
_CONVERSIONS = {"int": int, "float": float, "string": str}
_SORTERS = ("", "dsort_general", "dsort_mem")


@attrs.frozen
class Record:
    """Hold the files of one sample, which share the name before the last dot."""

    key: str
    members: list[Member]

    @property
    def size(self) -> int:
        """Return the number of bytes."""
        return sum(len(member.data) for member in self.members)


@attrs.frozen
class Spec:
    """Hold what to sort, by what, into what."""

    source: Bck
    target: Bck
    input_extension: str
    output_extension: str
    shards: Selection
    output: str
    shard_size: int
    kind: str
    decreasing: bool
    seed: str
    content_extension: str
    content_type: str
    key_map: str
    key_map_separator: str
    description: str
    dry_run: bool

    @classmethod
    def of(cls, given: Mapping[str, Any], *, old: bool) -> Spec:
        """Read a spec; 400 about what is wrong."""
        source = Bck.of_model(given.get("bck" if old else "input_bck"))
        to = given.get("output_bck")
        extension = str(given.get("extension" if old else "input_extension") or "")
        if archives.kind_in(extension) != extension:
            raise bad_request(f'invalid extension "{extension}"')
        algorithm = given.get("algorithm") or {}
        if not isinstance(algorithm, Mapping) or algorithm.get("kind", "") not in _KINDS:
            raise bad_request(f"invalid algorithm {algorithm!r}")
        sorter = given.get("dsorter_type") or ""
        if sorter not in _SORTERS:
            raise AISError(500, f'invalid dsorter type "{sorter}"')
        content_type = algorithm.get("format_type" if old else "content_key_type") or "string"
        if content_type not in _CONVERSIONS:
            raise bad_request(f'invalid content key type "{content_type}"')
        spec = cls(
            source,
            Bck.of_model(to) if isinstance(to, Mapping) and to.get("name") else source,
            archives.readable(extension),
            archives.readable(str(given.get("output_extension") or extension)),
            _shards(given.get("input_format"), extension),
            str(given.get("output_format") or ""),
            size_of(given.get("output_shard_size") or 0),
            algorithm.get("kind") or "",
            bool(algorithm.get("decreasing")),
            str(algorithm.get("seed") or ""),
            str(algorithm.get("extension") or ""),
            content_type,
            str(given.get("order_file" if old else "ekm_file") or ""),
            str(given.get("order_file_sep" if old else "ekm_file_sep") or "\t"),
            str(given.get("description") or ""),
            bool(given.get("dry_run")),
        )
        if not spec.key_map and not spec.output:
            raise bad_request("output_format is missing")
        if (
            spec.output
            and parse(spec.output, strict=True).prefix is not None
            and "%" not in (spec.output)
        ):
            raise bad_request(f'invalid output format "{spec.output}"')
        return spec

    def content_key(self, record: Record) -> Any:
        """Return what a record is sorted by if that is the content of a file."""
        for member in record.members:
            if member.name.endswith(self.content_extension):
                try:
                    return _CONVERSIONS[self.content_type](member.data.decode().strip())
                except ValueError:
                    raise bad_request(
                        f'{member.name} is not of type "{self.content_type}"'
                    ) from None
        raise bad_request(f'the record "{record.key}" has no "{self.content_extension}"')

    async def order(self) -> Mapping[str, str] | None:
        """Read which record goes into which shards, if that is given from outside."""
        if not self.key_map:
            return None
        try:
            async with (
                aiohttp.ClientSession() as session,
                session.get(self.key_map) as answer,
            ):
                text = await answer.text()
                if answer.status != 200:
                    raise bad_request(f"the key map {self.key_map} answers {answer.status}")
        except (aiohttp.ClientError, ValueError) as error:
            raise bad_request(f"the key map {self.key_map} cannot be read: {error}") from None
        try:
            lists = json.loads(text)
            return {key: form for form, keys in lists.items() for key in keys}
        except ValueError:
            lines = [line.split(self.key_map_separator) for line in text.splitlines() if line]
        if any(len(line) != 2 for line in lines):
            raise bad_request("a line of the key map has not two columns")
        return {line[0]: line[1] for line in lines}

    def divided(
        self, records: Sequence[Record], order: Mapping[str, str] | None
    ) -> list[tuple[str, list[Member]]]:
        """Return names and files of the new shards."""
        if order is None:
            return self._filled(records, self.output)
        groups: dict[str, list[Record]] = {}
        for record in records:
            if (form := order.get(record.key)) is not None:
                groups.setdefault(form, []).append(record)
        return [shard for form, group in groups.items() for shard in self._filled(group, form)]

    def _filled(self, records: Sequence[Record], form: str) -> list[tuple[str, list[Member]]]:
        names = _names(form)
        shards: list[tuple[str, list[Member]]] = []
        size = 0
        for record in records:
            if not shards or (self.shard_size and size >= self.shard_size):
                name = next(names, None)
                if name is None:
                    raise bad_request(f'"{form}" has too few names for the shards')
                shards.append((name + self.output_extension, []))
                size = 0
            shards[-1][1].extend(record.members)
            size += record.size
        return shards


def _names(form: str) -> Any:
    template = parse(form, strict=False)
    if template.prefix is None:
        return template.names()
    if "%" in form:  # without an end
        return (form % number for number in count())
    return iter([form])


def _shards(given: Any, extension: str) -> Selection:
    if isinstance(given, str):
        given = {"template": given}
    if not isinstance(given, Mapping):
        raise bad_request("input_format is missing")
    chosen = Selection.of(given, strict=True)
    if chosen.names is not None:
        return Selection([_with(name, extension) for name in chosen.names])
    template: Template = parse(chosen.template, strict=True)
    if template.prefix is not None:
        return chosen
    return Selection(None, _with(chosen.template, extension))


def _with(name: str, extension: str) -> str:
    return name if name.endswith(extension) else name + extension
