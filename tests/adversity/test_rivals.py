"""Two programs make the same transfer at once, while a third one lists the tree."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from yarl import URL

from tests.unit.transfer.kit import grown

from .luck import FULL, luck
from .processes import Program, Site, Tree, mover, open_site

pytestmark = [pytest.mark.thorough, pytest.mark.slow, pytest.mark.timeout(300 if FULL else 60)]

ROUNDS = 6 if FULL else 1


async def _open(stack: AsyncExitStack, site: Site, tree: Tree, *actions: str) -> list[Program]:
    """Start programs, at the same time."""
    async with asyncio.TaskGroup() as group:
        programs = [
            group.create_task(
                stack.enter_async_context(mover(action, site.config, tree.near, tree.uri))
            )
            for action in actions
        ]
    return [program.result() for program in programs]


async def _round(site: Site, tree: Tree) -> None:
    await tree.plant()
    async with site.client() as client:
        await client.storage.mkdir(tree.uri, parents=True, exist_ok=True)
    async with AsyncExitStack() as stack:
        lister, *rivals = await _open(stack, site, tree, "list", tree.action, tree.action)
        for program in (lister, *rivals):
            await program.tell()
        said = [await rival.rest() for rival in rivals]
        await lister.tell()
        seen = await lister.rest()
    ends = [
        (lines[-1].partition(" ")[0], rival.process.returncode)
        for lines, rival in zip(said, rivals, strict=True)
    ]
    assert set(ends) <= {("end", 0), ("failed", 1)}, said
    assert ("end", 0) in ends, said
    for lines in said:
        await tree.check_whole([line.removeprefix("done ") for line in lines if "done " in line])
    await tree.check()
    assert seen.pop() == "end", seen
    _check_seen(tree, seen)


def _check_seen(tree: Tree, seen: list[str]) -> None:
    """Assert that whoever lists never sees a file by halves."""
    assert seen
    for line in seen:
        path, _, size = line.removeprefix("seen ").rpartition(" ")
        if path in tree.data:
            known = (tree.data[path], tree.old.get(path) if tree.action == "upload" else None)
            assert int(size) in {len(content) for content in known if content is not None}, line
        else:
            assert path.endswith(".part"), line


@pytest.mark.parametrize("action", ["upload", "download"])
async def test_the_same_transfer_twice_at_once(tmp_path: Path, action: str) -> None:
    chance = luck(f"rivals {action}")
    async with open_site(tmp_path) as site:
        for number in range(ROUNDS):
            await _round(site, Tree(site, action, number, chance))


async def test_different_trees_for_one_place(tmp_path: Path) -> None:
    """Each file is one program's, never a mixture of both."""
    chance = luck("different rivals")
    async with open_site(tmp_path) as site, AsyncExitStack() as stack:
        trees = [Tree(site, "upload", number, chance) for number in range(2)]
        target = URL("storage:both")
        programs = []
        for tree in trees:
            await tree.plant()
            programs.append(
                await stack.enter_async_context(mover("upload", site.config, tree.near, target))
            )
        for program in programs:
            await program.tell()
        said = [await program.rest() for program in programs]
        assert [lines[-1] for lines in said] == ["end", "end"]
        found = await asyncio.to_thread(grown, site.far(target))
    assert found.keys() == trees[0].data.keys()
    for path, content in found.items():
        assert content in [tree.data[path] for tree in trees], path
