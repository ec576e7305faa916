"""Archives read and written as a whole (aistore.md §8.3, §8.4, §11.3); all functions block."""

from __future__ import annotations

import io
import re
import tarfile
import zipfile
from collections.abc import Iterable, Sequence
from functools import cache
from importlib import import_module
from typing import Any

import attrs

from .errors import AISError, bad_request, unsupported

TAR, TGZ, TAR_GZ, ZIP, LZ4 = ".tar", ".tgz", ".tar.gz", ".zip", ".tar.lz4"
KINDS = (TGZ, TAR_GZ, LZ4, ZIP, TAR)
_MODES = ("regexp", "prefix", "suffix", "substr", "wdskey")


@attrs.frozen
class Member:
    """Hold a file of an archive."""

    name: str
    data: bytes


def kind_in(name: str) -> str:
    """Return the format by the end of a name, empty if it is none."""
    return next((kind for kind in KINDS if name.endswith(kind)), "")


def kind_of(name: str, mime: str = "") -> str:
    """Return the format of an archive; ``mime`` wins, and any text with a format's name does."""
    found = next((kind for kind in KINDS if kind.strip(".") in mime), "") or kind_in(name)
    if not found:
        raise bad_request(f'unknown filename extension of "{name}"', "errUnknownFileExt")
    return readable(found)


def strict_kind(name: str, mime: str = "") -> str:
    """Return the format of an archive to be made; ``mime`` must be the name's extension."""
    found = kind_in(name)
    if not found or (mime and mime != found):
        raise bad_request(f'unknown filename extension "{mime or name}"', "errUnknownFileExt")
    return readable(found)


def readable(kind: str) -> str:
    """Return a format that this server has a codec for."""
    if kind == LZ4 and _lz4() is None:
        raise unsupported("this server has no lz4; run `pip install lz4`")
    return kind


@cache
def _lz4() -> Any:
    try:
        return import_module("lz4.frame")
    except ImportError:
        return None


def members(data: bytes, kind: str) -> list[Member]:
    """Read all files of an archive."""
    try:
        if kind == ZIP:
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                files = [one for one in archive.infolist() if not one.is_dir()]
                return [Member(one.filename, archive.read(one)) for one in files]
        found = []
        if kind == LZ4:
            data = _lz4().decompress(data)
        with tarfile.open(
            fileobj=io.BytesIO(data), mode="r:gz" if _is_packed(kind) else "r:"
        ) as tar:
            for entry in tar:
                opened = tar.extractfile(entry) if entry.isfile() else None
                if opened is not None:
                    found.append(Member(entry.name.removeprefix("./"), opened.read()))
        return found
    # The codec of lz4 says RuntimeError.
    except (tarfile.TarError, zipfile.BadZipFile, EOFError, OSError, RuntimeError) as error:
        raise AISError(500, f"failed to read the archive: {error}") from None


def member(data: bytes, kind: str, path: str) -> bytes | None:
    """Read one file of an archive, None if it is not there."""
    return next((one.data for one in members(data, kind) if one.name == path), None)


def select(data: bytes, kind: str, pattern: str, mode: str) -> list[Member]:
    """Read the files whose names match."""
    if mode not in _MODES:
        raise bad_request(f'invalid archmode "{mode}"')
    try:
        expression = re.compile(pattern if mode == "regexp" else re.escape(pattern))
    except re.error as error:
        raise bad_request(f"invalid regular expression: {error}") from None

    def matches(name: str) -> bool:
        match mode:
            case "prefix":
                return name.startswith(pattern)
            case "suffix":
                return name.endswith(pattern)
            case "wdskey":
                folder, _, base = name.rpartition("/")
                return f"{folder}/{base.partition('.')[0]}".lstrip("/") == pattern
        return expression.search(name) is not None

    return [one for one in members(data, kind) if matches(one.name)]


def pack(files: Iterable[Member], kind: str) -> bytes:
    """Write an archive."""
    packed = io.BytesIO()
    if kind == ZIP:
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            for one in files:
                archive.writestr(one.name, one.data)
        return packed.getvalue()
    with tarfile.open(
        fileobj=packed, mode="w:gz" if _is_packed(kind) else "w:", format=tarfile.GNU_FORMAT
    ) as tar:
        for one in files:
            add(tar, one)
    return bytes(_lz4().compress(packed.getvalue())) if kind == LZ4 else packed.getvalue()


def add(tar: tarfile.TarFile, one: Member) -> None:
    """Write a file into a tar."""
    entry = tarfile.TarInfo(one.name)
    entry.size, entry.mode = len(one.data), 0o644
    tar.addfile(entry, io.BytesIO(one.data))


def names(data: bytes, kind: str) -> Sequence[tuple[str, int]]:
    """Return names and sizes of the files of an archive."""
    return [(one.name, len(one.data)) for one in members(data, kind)]


def _is_packed(kind: str) -> bool:
    return kind in (TGZ, TAR_GZ)
