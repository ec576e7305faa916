"""Archives and multipart answers are read as they arrive, however they are cut into chunks."""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuro_client.aistore.batch.answer import Member, Parts, members
from neuro_client.aistore.batch.tar import BrokenArchive, Stream, TarReader, tar_ending
from neuro_client.errors import NotSupportedError

FILES = [
    ("b1/empty", b""),
    ("b1/o3", b"abc"),
    ("b1/exact", b"x" * 512),
    ("b1/large", bytes(range(256)) * 100),
    (f"b1/{'long/' * 60}é文", b"deep"),
    ("b1/o3", b"twice"),
]


def tar(files: Sequence[Member] = FILES, kind: int = tarfile.GNU_FORMAT) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=kind) as archive:
        folder = tarfile.TarInfo("folder")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
        for name, data in files:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            info.mtime = 1.5 if kind == tarfile.PAX_FORMAT else 1
            archive.addfile(info, io.BytesIO(data))
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, "b1/o3"
        archive.addfile(link)
    return packed.getvalue()


def zipped(files: Sequence[Member]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.mkdir("folder")
        for name, data in files:
            archive.writestr(name, data)
    return packed.getvalue()


async def chunked(data: bytes, size: int) -> AsyncGenerator[bytes]:
    for offset in range(0, len(data), size):
        yield data[offset : offset + size]
        yield b""


async def read(data: bytes, ending: str = ".tar", size: int = 1000) -> list[Member]:
    async with (
        aclosing(chunked(data, size)) as chunks,
        aclosing(members(chunks, ending)) as found,
    ):
        return [member async for member in found]


@pytest.mark.parametrize("size", [1, 511, 512, 513, 10_000, 10**7])
@pytest.mark.parametrize("kind", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
async def test_any_chunks_give_the_same_members(kind: int, size: int) -> None:
    packed = tar(kind=kind)
    assert await read(packed, size=size) == FILES
    assert await read(gzip.compress(packed), ".tgz", size) == FILES


async def test_packed_streams_may_follow_one_another() -> None:
    packed = tar()
    halves = gzip.compress(packed[:1000]) + gzip.compress(packed[1000:]) + bytes(10)
    assert await read(halves, ".tar.gz") == FILES


async def test_a_large_member_is_unpacked_in_steps() -> None:
    files = [("a", bytes(5 * 2**20)), ("b", b"behind")]
    assert await read(gzip.compress(tar(files)), ".tgz", 2**16) == files


async def test_a_name_in_two_parts_is_joined() -> None:
    name = f"{'d' * 90}/{'n' * 90}"
    assert await read(tar([(name, b"x")], tarfile.USTAR_FORMAT)) == [(name, b"x")]


async def test_a_zip_is_read_in_its_order() -> None:
    assert await read(zipped(FILES[:-1]), ".zip") == FILES[:-1]
    with pytest.raises(BrokenArchive):
        await read(zipped(FILES[:-1])[:-30], ".zip")


@pytest.mark.parametrize("ending", [".tar", ".tgz"])
async def test_wherever_it_is_cut_the_members_before_are_right(ending: str) -> None:
    whole = tar(FILES[:3])
    packed = gzip.compress(whole, mtime=0) if ending == ".tgz" else whole
    marked = len(whole.rstrip(b"\0")) // 512 * 512 + 1024
    for size in range(0, len(packed), 3) if ending == ".tgz" else range(0, marked, 97):
        found: list[Member] = []
        with pytest.raises(BrokenArchive) as info:
            async with aclosing(members(chunked(packed[:size], 100), ending)) as source:
                async for member in source:
                    found.append(member)
        assert found == FILES[: len(found)]
        assert info.value.cut
    assert await read(whole[:marked], ".tar") == FILES[:3]


@pytest.mark.parametrize(
    ("data", "ending"),
    [(b"no archive at all" * 100, ".tar"), (b"nor this" * 100, ".tgz"), (b"nor this", ".zip")],
)
async def test_what_is_no_archive_is_told(data: bytes, ending: str) -> None:
    with pytest.raises(BrokenArchive) as info:
        await read(data, ending)
    assert not info.value.cut


def _header(**fields: object) -> bytes:
    info = tarfile.TarInfo("b1/o")
    for name, value in fields.items():
        setattr(info, name, value)
    return info.tobuf(tarfile.GNU_FORMAT)


@pytest.mark.parametrize(
    "data",
    [
        _header(type=b"x", size=5) + b"13 a=" + bytes(507),
        _header(type=b"x", size=2) + b"3 " + bytes(510),
        _header(type=b"x", size=14) + b"14 size=many1\n" + bytes(498) + _header(),
        _header(type=b"L", size=2**40),
        _header(size=-1),
        _header(type=tarfile.GNUTYPE_SPARSE),
    ],
)
async def test_damaged_headers_are_told(data: bytes) -> None:
    with pytest.raises(BrokenArchive):
        await read(data + bytes(1024))


async def test_what_is_not_read_is_passed_over() -> None:
    reader = TarReader(Stream(chunked(tar(), 700)))
    names = []
    while (entry := await reader.next()) is not None:
        names.append((entry.name, entry.size))
    assert names == [(name, len(data)) for name, data in FILES]
    assert reader.complete


async def test_lz4_is_refused_in_words() -> None:
    with pytest.raises(NotSupportedError, match="lz4"):
        await read(b"", ".tar.lz4")


def test_what_a_tar_is_called() -> None:
    names = ("a.tar", "a.TGZ", "d/b.tar.gz", "c.tar.lz4", "a.tar.txt", "tar", "a.zip")
    assert [tar_ending(name) for name in names] == [
        ".tar", ".tgz", ".tar.gz", ".tar.lz4", "", "", "",
    ]  # fmt: skip


BOUNDARY = b"b0undary"
Body = Callable[[bytes, bytes], bytes]


def multipart(first: bytes, second: bytes, preamble: bytes = b"") -> bytes:
    mark = b"--" + BOUNDARY
    head = b"Content-Type: application/json\r\nX: y"
    parts = (preamble, mark, head, b"", first, mark, b"Y: z", b"", second, mark + b"--", b"")
    return b"\r\n".join(parts).removeprefix(b"\r\n") if not preamble else b"\r\n".join(parts)


async def parts_of(body: bytes, size: int) -> list[bytes]:
    stream = Stream(chunked(body, size))
    stream.put_back(b"\r\n")
    parts = Parts(stream, BOUNDARY)
    found = []
    for _ in range(2):
        async with aclosing(parts.next()) as content:
            found.append(b"".join([chunk async for chunk in content]))
    return found


@given(
    st.binary(max_size=60),
    st.lists(st.sampled_from([b"\r\n", b"--", b"\r\n--b0undar", b"x", b"\r"])).map(b"".join),
    st.integers(1, 80),
    st.sampled_from([b"", b"to be ignored"]),
)
async def test_parts_are_found_in_any_chunks(
    first: bytes, second: bytes, size: int, preamble: bytes
) -> None:
    if BOUNDARY in first:
        return
    assert await parts_of(multipart(first, second, preamble), size) == [first, second]


async def test_parts_that_were_cut_off_are_told() -> None:
    whole = multipart(b"one", b"two")
    for size in range(len(whole) - len(b"\r\n--b0undary--\r\n") + 1):
        with pytest.raises(BrokenArchive) as info:
            await parts_of(whole[:size], 7)
        assert info.value.cut
