"""Downloads: the layout, what is verified, and every kind of weather on the way."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest
from aiohttp import web

from neuro_client.artifacts import Artifacts, LinkExpiredError
from neuro_client.errors import (
    ChecksumMismatchError,
    NotSupportedError,
    ProtocolError,
    ResourceNotFound,
    ServerNotAvailable,
    SourceChangedError,
    TransferError,
    TransportError,
)
from neuro_client.transfer import NullProgress, StorageProgressStep, TransferOptions

from .grid import QUICK, Grid, cut, refused, serving

BIG = bytes(range(256)) * 4096 * 3  # 3 MiB
SMALL_PARTS = TransferOptions(part_size=2**18, parts=4, retry=QUICK)
WHOLE = TransferOptions(retry=QUICK)


def tree(folder: Path) -> dict[str, bytes]:
    """Return every file below a folder."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


async def test_runs_and_experiments_have_folders_of_their_own(tmp_path: Path) -> None:
    files = {
        "mnist-exp0": {"model.ckpt": b"0" * 10, "logs/a b%20&+é.txt": b"x", "empty": b""},
        "mnist-exp1": {"model.ckpt": BIG},
        "mnist-exp10": {"log.txt": b"10"},
    }
    async with serving(Grid(files, page=1)) as artifacts:
        done = await artifacts.download("mnist", tmp_path / "new" / "run", options=SMALL_PARTS)
        assert (done.files, done.bytes) == (5, 10 + 1 + len(BIG) + 2)
        assert tree(tmp_path / "new" / "run") == {
            f"mnist/{name}/{file}": data
            for name, found in files.items()
            for file, data in found.items()
        }
        await artifacts.download(["mnist-exp0"], tmp_path / "one", match=r"\.ckpt$|txt")
        assert tree(tmp_path / "one") == {
            "mnist-exp0/model.ckpt": b"0" * 10,
            "mnist-exp0/logs/a b%20&+é.txt": b"x",
        }
        # Whatever is there is replaced, and only that.
        (tmp_path / "one/mnist-exp0/model.ckpt").write_bytes(b"old")
        (tmp_path / "one/other").write_bytes(b"mine")
        await artifacts.download("01hf8a4m1x5wq2b3c4d5e6f7h0", tmp_path / "one", match="ckpt")
        assert tree(tmp_path / "one")["mnist-exp0/model.ckpt"] == b"0" * 10
        assert (tmp_path / "one/other").read_bytes() == b"mine"
        async with artifacts.list("mnist", match="model") as found:
            listed = [(item.experiment_name, item.size) async for item in found]
        assert listed == [("mnist-exp0", 10), ("mnist-exp1", len(BIG))]
        link = await artifacts.share("mnist", "log.txt")
        assert link.query["signature"] == "hush"
        with pytest.raises(ResourceNotFound, match="Several experiments"):
            await artifacts.share("mnist", "model.ckpt")
        with pytest.raises(ResourceNotFound, match="no artifact"):
            await artifacts.share("mnist", "none")
        with pytest.raises(NotSupportedError, match="'default'"):
            await artifacts.bucket_paths("mnist")


async def test_bad_input_is_refused_before_anything_is_sent(tmp_path: Path) -> None:
    grid = Grid()
    async with serving(grid) as artifacts:
        with pytest.raises(ValueError, match="regular expression"):
            await artifacts.download("mnist", tmp_path, match="(")
        assert not grid.asked
        with pytest.raises(ResourceNotFound, match="no run 'none'"):
            await artifacts.download(["mnist", "none"], tmp_path / "out")
        with pytest.raises(ResourceNotFound, match="no experiment 'none-exp3'"):
            await artifacts.download("none-exp3", tmp_path / "out")
        assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("options", [WHOLE, SMALL_PARTS], ids=["whole", "parts"])
async def test_a_link_that_expires_on_the_way_is_replaced(
    tmp_path: Path, options: TransferOptions
) -> None:
    grid = Grid({"mnist-exp0": {"big": BIG, "small": b"small"}})
    async with serving(grid) as artifacts:
        answered = 0

        async def before(request: web.Request) -> web.StreamResponse | None:
            nonlocal answered
            if not request.path.startswith("/links"):
                return None
            answered += 1
            if answered == 2:
                grid.links += 1  # from now on, the links that were listed are refused
            return None

        grid.before = before
        await artifacts.download("mnist-exp0", tmp_path, options=options)
    assert tree(tmp_path / "mnist-exp0") == {"big": BIG, "small": b"small"}
    assert grid.listed["mnist-exp0"] == 2  # one new listing serves all parts and files


async def test_a_file_is_cut_and_its_link_expires_in_the_middle(tmp_path: Path) -> None:
    grid = Grid({"mnist-exp0": {"big": BIG}})
    async with serving(grid) as artifacts:
        ranges: list[str | None] = []

        async def before(request: web.Request) -> web.StreamResponse | None:
            if not request.path.startswith("/links"):
                return None
            ranges.append(request.headers.get("Range"))
            if len(ranges) == 1:
                grid.links += 1
                headers = {"Content-Length": str(len(BIG)), "ETag": '"one"'}
                return await cut(request, BIG[: 2**20], headers)
            return None

        grid.before = before
        # The ETag changed with the link: whatever comes now is not known to be the same.
        with pytest.raises(SourceChangedError):
            await artifacts.download("mnist-exp0", tmp_path, options=WHOLE)
        assert tree(tmp_path) == {}
        ranges.clear()
        grid.before = None
        cuts = 0

        async def cutting(request: web.Request) -> web.StreamResponse | None:
            nonlocal cuts
            if not request.path.startswith("/links") or cuts:
                return None
            cuts += 1
            answer = await grid.link(request)
            assert isinstance(answer, web.Response) and isinstance(answer.body, bytes)
            grid.links += 1
            headers = {**answer.headers, "Content-Length": str(len(BIG))}
            return await cut(request, BIG[: 2**20], headers)

        grid.before = cutting
        await artifacts.download("mnist-exp0", tmp_path, options=WHOLE)
    assert tree(tmp_path / "mnist-exp0") == {"big": BIG}


async def test_links_that_stay_refused_end_the_download(tmp_path: Path) -> None:
    grid = Grid({"mnist-exp0": {"a": b"a"}})

    async def before(request: web.Request) -> web.StreamResponse | None:
        return refused() if request.path.startswith("/links") else None

    grid.before = before
    async with serving(grid) as artifacts:
        with pytest.raises(LinkExpiredError, match="Request has expired") as caught:
            await artifacts.download("mnist-exp0", tmp_path, options=WHOLE)
    assert "hush" not in str(caught.value)
    assert tree(tmp_path) == {}


async def test_a_new_listing_may_tell_that_a_file_changed_or_is_gone(tmp_path: Path) -> None:
    grid = Grid({"mnist-exp0": {"a": b"a", "b": b"b"}})
    async with serving(grid) as artifacts:

        async def before(request: web.Request) -> web.StreamResponse | None:
            if request.path.startswith("/links") and grid.links == 1:
                grid.links += 1
                grid.files["mnist-exp0"] = {"a": b"A"}
            return None

        grid.before = before
        options = TransferOptions(retry=QUICK, on_error="continue")
        with pytest.raises(TransferError) as caught:
            await artifacts.download("mnist-exp0", tmp_path, options=options)
    failed = {path: type(error) for path, error in caught.value.failures}
    assert failed == {"mnist-exp0/a": SourceChangedError, "mnist-exp0/b": ResourceNotFound}
    assert tree(tmp_path) == {}


@pytest.mark.parametrize("options", [WHOLE, SMALL_PARTS], ids=["whole", "parts"])
async def test_what_arrived_is_compared_with_the_listing(
    tmp_path: Path, options: TransferOptions
) -> None:
    grid = Grid({"mnist-exp0": {"big": BIG, "small": b"small"}})
    (tmp_path / "mnist-exp0").mkdir()
    (tmp_path / "mnist-exp0/big").write_bytes(b"the old one")
    async with serving(grid) as artifacts:
        grid.md5 = {"big": "0" * 32}
        with pytest.raises(ChecksumMismatchError, match="big"):
            await artifacts.download("mnist-exp0", tmp_path, match="big", options=options)
        grid.md5 = {"small": "F" * 32}
        with pytest.raises(ChecksumMismatchError, match="small"):
            await artifacts.download("mnist-exp0", tmp_path, match="small", options=options)
        assert tree(tmp_path) == {"mnist-exp0/big": b"the old one"}
        # A checksum of another form is none to compare with (§3.3).
        grid.md5 = {"big": "0" * 32 + "-2", "small": ""}
        await artifacts.download("mnist-exp0", tmp_path, options=options)
        assert tree(tmp_path / "mnist-exp0") == {"big": BIG, "small": b"small"}
        grid.sizes = {"big": len(BIG) + 1, "small": 4}
        for name in ("big", "small"):
            with pytest.raises(SourceChangedError):
                await artifacts.download("mnist-exp0", tmp_path, match=name, options=options)
    assert tree(tmp_path / "mnist-exp0") == {"big": BIG, "small": b"small"}


async def test_an_error_page_with_status_200_is_no_artifact(tmp_path: Path) -> None:
    text = "<Error><Code>AccessDenied</Code></Error>"
    grid = Grid({"mnist-exp0": {"page": b"x" * len(text), "short": b"x"}})

    async def before(request: web.Request) -> web.StreamResponse | None:
        return web.Response(text=text) if request.path.startswith("/links") else None

    grid.before = before
    async with serving(grid) as artifacts:
        with pytest.raises(ChecksumMismatchError):
            await artifacts.download("mnist-exp0", tmp_path, match="page", options=WHOLE)
        with pytest.raises(SourceChangedError):
            await artifacts.download("mnist-exp0", tmp_path, match="short", options=WHOLE)
    assert tree(tmp_path) == {}


@pytest.mark.parametrize(
    "status", [503, *(pytest.param(n, marks=pytest.mark.thorough) for n in (408, 429, 500, 502))]
)
async def test_what_may_pass_is_tried_again(tmp_path: Path, status: int) -> None:
    grid = Grid({"mnist-exp0": {"a": b"a", "big": BIG}})
    failed: set[str] = set()

    async def before(request: web.Request) -> web.StreamResponse | None:
        if request.path_qs in failed:
            return None
        failed.add(request.path_qs)
        return web.Response(status=status)

    grid.before = before
    async with serving(grid) as artifacts:
        await artifacts.download("mnist-exp0", tmp_path, options=SMALL_PARTS)
    assert tree(tmp_path / "mnist-exp0") == {"a": b"a", "big": BIG}


async def test_names_cannot_lead_out_of_the_folder(tmp_path: Path) -> None:
    bad = ["../up", "a/../../up", "/etc/passwd", "C:/x", "a\\..\\up", "a//b", ".", "x\0y"]
    files = dict.fromkeys(bad, b"bad") | {"good": b"good", "..fine": b"fine"}
    grid = Grid({"mnist-exp0": files})
    async with serving(grid) as artifacts:
        with pytest.raises(TransferError, match="leave the target directory") as caught:
            await artifacts.download("mnist-exp0", tmp_path / "out", options=WHOLE)
        assert len(caught.value.failures) == len(bad)
        assert not grid.sent and not (tmp_path / "out").exists()
        options = TransferOptions(retry=QUICK, on_error="continue")
        with pytest.raises(TransferError, match="8 of 10 artifacts") as caught:
            await artifacts.download("mnist-exp0", tmp_path / "out", options=options)
    assert {path for path, _ in caught.value.failures} == {f"mnist-exp0/{name}" for name in bad}
    assert tree(tmp_path) == {"out/mnist-exp0/good": b"good", "out/mnist-exp0/..fine": b"fine"}


async def test_a_file_and_a_folder_of_one_name_are_told_apart(tmp_path: Path) -> None:
    grid = Grid({"mnist-exp0": {"a": b"file", "a/b": b"below"}})
    async with serving(grid) as artifacts:
        with pytest.raises(NotADirectoryError):
            await artifacts.download("mnist-exp0", tmp_path, options=WHOLE)


async def test_links_on_the_disk_are_not_followed_out_of_the_folder(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (tmp_path / "out/mnist-exp0").mkdir(parents=True)
    (tmp_path / "out/mnist-exp0/sub").symlink_to(outside)
    async with serving(Grid({"mnist-exp0": {"sub/a": b"a"}})) as artifacts:
        with pytest.raises(TransferError, match="outside"):
            await artifacts.download("mnist-exp0", tmp_path / "out", options=WHOLE)
    assert tree(outside) == {}


async def test_a_stale_page_token_starts_the_listing_anew(tmp_path: Path) -> None:
    files = {f"f{number:02}": b"%d" % number for number in range(10)}
    grid = Grid({"mnist-exp0": files}, page=3)

    async def before(request: web.Request) -> web.StreamResponse | None:
        if "pageToken" in request.query and grid.listed["mnist-exp0"] == 2:
            grid.links += 1
        return None

    grid.before = before
    async with serving(grid) as artifacts:
        async with artifacts.list("mnist-exp0") as found:
            names = [item.filename async for item in found]
        assert names == sorted(files)
        grid.before = None
        await artifacts.download("mnist-exp0", tmp_path, options=WHOLE)
    assert tree(tmp_path / "mnist-exp0") == files


async def test_a_page_token_that_comes_again_ends_the_listing() -> None:
    grid = Grid({"mnist-exp0": {"a": b"a"}})

    async def before(request: web.Request) -> web.StreamResponse | None:
        if not request.path.endswith("/artifacts"):
            return None
        page = {"artifacts": [grid.artifact("mnist-exp0", "a")], "nextPageToken": "again"}
        return web.json_response(page)

    grid.before = before
    async with serving(grid) as artifacts:
        with pytest.raises(ProtocolError, match="goes round in circles"):
            async with artifacts.list("mnist-exp0") as found:
                async for _ in found:
                    pass


async def test_an_answer_that_cannot_be_read_names_its_place() -> None:
    grid = Grid({"mnist-exp0": {"a": b"a"}})

    async def before(request: web.Request) -> web.StreamResponse | None:
        if not request.path.endswith("/artifacts"):
            return None
        good = grid.artifact("mnist-exp0", "a")
        return web.json_response({"artifacts": [good, {**good, "sizeBytes": "many"}]})

    grid.before = before
    async with serving(grid) as artifacts:
        with pytest.raises(ProtocolError, match=re.escape("$[1].sizeBytes")):
            async with artifacts.list("mnist-exp0") as found:
                async for _ in found:
                    pass


async def test_a_cancelled_download_leaves_nothing(tmp_path: Path) -> None:
    grid = Grid({"mnist-exp0": {"big": BIG}})
    arrived, over = asyncio.Event(), asyncio.Event()

    class Steps(NullProgress):
        def step(self, data: StorageProgressStep) -> None:
            arrived.set()

    async def before(request: web.Request) -> web.StreamResponse | None:
        if request.path.startswith("/links") and grid.sent:
            await over.wait()  # the second part does not come
        return None

    grid.before = before
    async with serving(grid) as artifacts:
        task = asyncio.create_task(
            artifacts.download("mnist-exp0", tmp_path, options=SMALL_PARTS, progress=Steps())
        )
        await arrived.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert tree(tmp_path) == {}
        over.set()


async def test_an_outage_keeps_what_has_arrived_for_the_next_call(tmp_path: Path) -> None:
    grid = Grid({"mnist-exp0": {"big": BIG}})
    served: list[str] = []
    outage = True

    async def before(request: web.Request) -> web.StreamResponse | None:
        if not request.path.startswith("/links"):
            return None
        served.append(request.headers["Range"])
        return web.Response(status=503) if outage and len(served) > 2 else None

    grid.before = before
    options = TransferOptions(part_size=2**18, parts=1, retry=QUICK)
    async with serving(grid) as artifacts:
        with pytest.raises(ServerNotAvailable):
            await artifacts.download("mnist-exp0", tmp_path / "out", options=options)
        [draft] = tree(tmp_path / "out")
        assert draft.endswith(".part")
        arrived = served[:2]
        served.clear()
        outage = False
        await artifacts.download("mnist-exp0", tmp_path / "out", options=options)
    assert tree(tmp_path / "out") == {"mnist-exp0/big": BIG}
    assert served and not set(arrived) & set(served)


async def test_a_server_that_is_gone_is_named(tmp_path: Path) -> None:
    grid = Grid()
    async with serving(grid) as artifacts:
        pass
    with pytest.raises(RuntimeError, match="closed"):
        await artifacts.download("mnist", tmp_path)
    async with Artifacts.connect(
        grid.url, user_id="u", api_key="k", cluster_id="default", retry=QUICK
    ) as lost:
        with pytest.raises(TransportError, match="Cannot connect"):
            await lost.download("mnist", tmp_path)
