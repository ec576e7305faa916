"""The conformance suite of `ObjectStore`: whoever implements the protocol runs these checks.

With pytest::

    @pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
    async def test_store(check):
        async with open_my_store() as store:
            await check(store)

Each check wants an empty store.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager

from ..errors import SourceChangedError
from ..transfer.models import MISSING, Entry, Part, Upload
from ..transfer.plan import plan_parts
from ..transfer.store import Body, Chunk, ObjectStore

Check = Callable[[ObjectStore], Awaitable[None]]

NAMES = (
    "plain.txt",
    "two words",
    "per%cent %41",
    "hash#mark",
    "question?mark",
    "plus+and&equals=",
    "ünïcödé-文件-🙂",
    "line\nbreak",
    "back\\slash",
    ".hidden",
    "~tilde",
    "n" * 255,
)
"""Names that a store with directories must keep as they are."""


def _expect(fact: bool, claim: str) -> None:
    if not fact:
        raise AssertionError(claim)


async def read(store: ObjectStore, key: str, start: int = 0, end: int | None = None) -> bytes:
    """Return a range of an object."""
    async with store.get(key, start=start, end=end) as chunks:
        return b"".join([chunk async for chunk in chunks])


async def entries(store: ObjectStore, prefix: str, *, recursive: bool = False) -> list[Entry]:
    """Return a listing."""
    async with store.list(prefix, recursive=recursive) as found:
        return [entry async for entry in found]


async def _missing(work: Awaitable[object], what: str) -> None:
    try:
        await work
    except MISSING:
        return
    raise AssertionError(f"{what} of an absent key must raise one of {MISSING}")


def _content(size: int) -> bytes:
    return bytes(range(251)) * (size // 251) + bytes(range(size % 251))


async def check_put_and_get(store: ObjectStore) -> None:
    """What is put is read back, whole and in ranges."""
    data = _content(200_000)
    await store.put("file", data)
    _expect(await read(store, "file") == data, "get must return what put wrote")
    for start, end in ((0, 1), (5, 70_000), (199_999, 200_000), (7, 7), (100_000, None)):
        got = await read(store, "file", start, end)
        _expect(got == data[start:end], f"get must return bytes {start} to {end}")
    found = await store.head("file")
    _expect(found.is_file and found.size == len(data), "head must tell kind and size")


async def check_replace(store: ObjectStore) -> None:
    """A second put replaces the first; an empty object is one."""
    await store.put("file", b"long content")
    await store.put("file", b"short")
    _expect(await read(store, "file") == b"short", "put must replace the whole object")
    await store.put("file", b"")
    _expect(await read(store, "file") == b"", "an empty object reads as nothing")
    _expect((await store.head("file")).size == 0, "an empty object has size 0")


async def check_missing(store: ObjectStore) -> None:
    """A key without an object is told by one kind of error."""
    await _missing(store.head("absent"), "head")
    await _missing(read(store, "absent"), "get")
    await _missing(store.delete("absent"), "delete")


async def check_version(store: ObjectStore) -> None:
    """A read that is pinned to a version refuses another content."""
    await store.put("file", b"first content")
    version = (await store.head("file")).version
    _expect(version is not None, "head must tell a version")
    async with store.get("file", start=2, version=version) as chunks:
        rest = b"".join([chunk async for chunk in chunks])
    _expect(rest == b"rst content", "a read pinned to the present version must succeed")
    await store.put("file", b"another, longer content")
    try:
        async with store.get("file", start=2, version=version) as chunks:
            async for _ in chunks:
                pass
    except SourceChangedError:
        return
    raise AssertionError("get must raise SourceChangedError for a version that is gone")


async def check_list(store: ObjectStore) -> None:
    """A listing names the children, a recursive one all below."""
    for key in ("top", "dir/one", "dir/sub/two"):
        await store.put(key, key.encode())
    names = {entry.key: entry for entry in await entries(store, "")}
    _expect(set(names) == {"top", "dir"}, f"list('') must name the children, not {set(names)}")
    _expect(names["dir"].is_dir and names["top"].is_file, "list must tell the kinds")
    _expect(names["top"].size == 3, "list must tell sizes")
    below = {entry.key for entry in await entries(store, "dir")}
    _expect(below == {"dir/one", "dir/sub"}, "keys in a listing are full keys")
    everything = {entry.key for entry in await entries(store, "", recursive=True) if entry.is_file}
    _expect(everything == {"top", "dir/one", "dir/sub/two"}, "recursive must descend")


async def check_list_version(store: ObjectStore) -> None:
    """The version in a listing pins a read as well as that of head."""
    await store.put("file", b"content")
    (entry,) = await entries(store, "")
    async with store.get("file", version=entry.version) as chunks:
        data = b"".join([chunk async for chunk in chunks])
    _expect(data == b"content", "a read pinned to a listed version must succeed")


async def check_directories(store: ObjectStore) -> None:
    """Directories exist by themselves where the store says so."""
    if not store.capabilities.directories:
        return
    await store.make_dir("a/b")
    await store.make_dir("a/b")
    _expect((await store.head("a/b")).is_dir, "make_dir must make a directory")
    _expect(await entries(store, "a/b") == [], "a new directory is empty")
    await _missing(entries(store, "a/absent"), "list")
    await store.put("file", b"x")
    for work in (store.make_dir("file"), entries(store, "file")):
        try:
            await work
        except (NotADirectoryError, FileExistsError):
            continue
        raise AssertionError("a file must not be taken for a directory")


async def check_names(store: ObjectStore) -> None:
    """Names keep every character."""
    for name in NAMES:
        await store.put(f"names/{name}", name.encode())
        _expect(await read(store, f"names/{name}") == name.encode(), f"get of {name!r}")
    found = {entry.name for entry in await entries(store, "names")}
    _expect(found == set(NAMES), f"list lost or changed {found ^ set(NAMES)}")


async def check_delete(store: ObjectStore) -> None:
    """Delete removes an object, or a directory with what is below."""
    await store.put("dir/one", b"1")
    await store.put("dir/two", b"2")
    await store.delete("dir/one")
    await _missing(store.head("dir/one"), "head")
    _expect([entry.key for entry in await entries(store, "dir")] == ["dir/two"], "delete one only")
    if store.capabilities.directories:
        await store.delete("dir")
        await _missing(store.head("dir/two"), "head")


def _body(data: bytes) -> Body:
    async def chunks() -> AsyncIterator[Chunk]:
        for offset in range(0, len(data), 50_000):
            yield memoryview(data)[offset : offset + 50_000]

    return Body(len(data), chunks)


async def _begin(store: ObjectStore, key: str, data: bytes) -> tuple[Upload, list[Part]]:
    limits = store.capabilities
    plan = plan_parts(len(data), max(limits.min_part, -(-len(data) // 3)), limits)
    upload = await store.begin(key, len(data))
    return upload, [plan.part(number) for number in range(1, plan.count + 1)]


async def _put(store: ObjectStore, upload: Upload, part: Part, data: bytes) -> Part:
    body = _body(data[part.offset : part.offset + part.size])
    return await store.put_part(upload, part.number, part.offset, body)


async def check_parts(store: ObjectStore) -> None:
    """Parts join in the right order and the object appears with the last call."""
    data = _content(max(300_001, 2 * store.capabilities.min_part + 1))
    upload, plan = await _begin(store, "dir/big", data)
    upload = Upload.from_json(upload.to_json())
    backwards = store.capabilities.random_parts and not upload.serial
    done = [await _put(store, upload, part, data) for part in (plan[::-1] if backwards else plan)]
    if not upload.serial:
        await _missing(store.head("dir/big"), "before complete, head")
    await store.complete(upload, sorted(done, key=lambda part: part.number))
    _expect(await read(store, "dir/big") == data, "complete must join the parts")
    _expect([entry.key for entry in await entries(store, "dir")] == ["dir/big"], "nothing is left")


async def check_part_again(store: ObjectStore) -> None:
    """A part that is sent twice counts once."""
    data = _content(max(300_001, 2 * store.capabilities.min_part + 1))
    upload, plan = await _begin(store, "big", data)
    first = await _put(store, upload, plan[0], bytes(len(data)))
    first = await _put(store, upload, plan[0], data)
    rest = [await _put(store, upload, part, data) for part in plan[1:]]
    await store.complete(upload, [first, *rest])
    _expect(await read(store, "big") == data, "the second sending of a part must win")


async def check_abort(store: ObjectStore) -> None:
    """An aborted upload leaves the old object and nothing else."""
    await store.put("dir/big", b"old")
    data = _content(max(300_001, 2 * store.capabilities.min_part + 1))
    upload, plan = await _begin(store, "dir/big", data)
    await _put(store, upload, plan[0], data)
    await store.abort(upload)
    await store.abort(upload)
    if not upload.serial:
        _expect(await read(store, "dir/big") == b"old", "abort must leave the old object")
        found = [entry.key for entry in await entries(store, "dir")]
        _expect(found == ["dir/big"], f"abort must leave nothing, not {found}")


async def check_known_parts(store: ObjectStore) -> None:
    """The parts a store reports are parts it got; an upload that is gone has none."""
    data = _content(max(300_001, 2 * store.capabilities.min_part + 1))
    upload, plan = await _begin(store, "big", data)
    if upload.serial:
        await store.abort(upload)
        return
    sent = await _put(store, upload, plan[0], data)
    never = plan[-1]
    found = list(await store.parts(upload, [sent, never]))
    _expect(found == [sent], f"parts must tell {sent} only, not {found}")
    rest = [await _put(store, upload, part, data) for part in plan[1:]]
    await store.complete(upload, [*found, *rest])
    _expect(await read(store, "big") == data, "an upload must go on with the parts it has")
    upload, plan = await _begin(store, "big", data)
    await store.abort(upload)
    await _missing(store.parts(upload, [sent]), "parts")


async def check_announce(store: ObjectStore) -> None:
    """A store that names uploads itself tells the name before it makes anything."""
    told: list[Upload] = []

    async def announce(upload: Upload) -> None:
        told.append(upload)
        raise InterruptedError("stop here")

    try:
        upload = await store.begin("dir/big", 300_001, announce=announce)
    except InterruptedError:
        await store.abort(told[0])
        found = [entry.key for entry in await entries(store, "", recursive=True) if entry.is_file]
        _expect(not found, f"announce must come before anything is made, there is {found}")
        return
    await store.abort(upload)


async def check_incomplete(store: ObjectStore) -> None:
    """Completing with a part missing raises and leaves the old object."""
    await store.put("big", b"old")
    data = _content(max(300_001, 2 * store.capabilities.min_part + 1))
    upload, plan = await _begin(store, "big", data)
    sent = await _put(store, upload, plan[0], data)
    if upload.serial:
        await store.abort(upload)
        return
    try:
        await store.complete(upload, [sent])
    except Exception:
        _expect(await read(store, "big") == b"old", "the old object must stay")
        await store.abort(upload)
        return
    raise AssertionError("complete must not accept an object with a hole")


async def check_keep(store: ObjectStore) -> None:
    """An object is continued after its first bytes where the store says so."""
    if not store.capabilities.keeps:
        return
    data = _content(200_000)
    await store.put("file", data[:70_000])
    upload = await store.begin("file", len(data), keep=70_000)
    part = await store.put_part(upload, 1, 70_000, _body(data[70_000:]))
    await store.complete(upload, [part])
    _expect(await read(store, "file") == data, "begin(keep=…) must go on after the kept bytes")


CHECKS: tuple[Check, ...] = (
    check_put_and_get,
    check_replace,
    check_missing,
    check_version,
    check_list,
    check_list_version,
    check_directories,
    check_names,
    check_delete,
    check_parts,
    check_part_again,
    check_abort,
    check_known_parts,
    check_announce,
    check_incomplete,
    check_keep,
)


async def check_store(factory: Callable[[], AbstractAsyncContextManager[ObjectStore]]) -> None:
    """Run all checks, each on a store of its own."""
    for check in CHECKS:
        async with factory() as store:
            await check(store)
