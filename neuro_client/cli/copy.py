"""``cp`` of the groups ``storage``, ``blob`` and ``ais``, and ``storage mv``."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from typing import Any

import attrs
import click
from yarl import URL

from ..buckets import Buckets
from ..copying import copy
from ..storage import Storage
from ..transfer import AsyncFilterFunc, FileFilter, TransferOptions
from . import errors
from .ends import AISTORE, Ends, read_target
from .output import print_json
from .places import Place, Target, read_place
from .progress import Tally, watch
from .session import async_command, open_client
from .settings import Settings, common_options

_RULES = "neuro_client.cli.copy.rules"
_IGNORE_FILE = ".neuroignore"


class OrderedRules(click.Command):
    """Keep ``--exclude`` and ``--include`` in the order in which they were typed."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse, and remember the rules as pairs of "excludes" and the pattern."""
        given, _, order = self.make_parser(ctx).parse_args(list(args))
        left = {name: iter(given.get(name) or ()) for name in ("exclude", "include")}
        ctx.meta[_RULES] = [
            (item.name == "exclude", next(left[item.name])) for item in order if item.name in left
        ]
        return super().parse_args(ctx, args)


@click.command(cls=OrderedRules, short_help="Copy files and directories.")
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE...")
@click.argument("destination")
@click.option("-r", "--recursive", is_flag=True, help="Copy directories and all below them.")
@click.option("-u", "--update", is_flag=True, help="Skip files that are newer at the destination.")
@click.option(
    "--continue", "continue_", is_flag=True, help="Go on with files that are there in part."
)
@click.option(
    "-T",
    "--no-target-directory",
    "exact",
    is_flag=True,
    help="DESTINATION is the copy itself, although it is a directory.",
)
@click.option(
    "--exclude",
    multiple=True,
    metavar="PATTERN",
    expose_value=False,
    help="Leave out what fits; a pattern as in .gitignore. Of several rules the last that fits "
    "counts.",
)
@click.option(
    "--include",
    multiple=True,
    metavar="PATTERN",
    expose_value=False,
    help="Take it although an earlier --exclude fits.",
)
@click.option(
    "--exclude-from-files",
    metavar="NAMES",
    help="Files in the uploaded directories that hold such patterns, separated by spaces; "
    f"default storage.cp-exclude-from-files of user.toml, else {_IGNORE_FILE}.",
)
@click.option(
    "-p/-P",
    "--progress/--no-progress",
    default=None,
    help="Show bars; default: if stderr is a terminal.",
)
@click.option("--keep-going", is_flag=True, help="Copy the rest when a file fails, then fail.")
@common_options
@async_command
async def cp(
    settings: Settings,
    sources: Sequence[str],
    destination: str,
    progress: bool | None,
    **options: Any,
) -> int:
    """Copy files between this machine, the storage, buckets and AIStore.

    An argument is a local path, a file: URL, or a URI of storage:, blob: or ais:. What is on this
    machine on neither side is streamed through it, and never put on its disk. As with the shell's
    cp, what is copied onto a directory that exists is put inside under its own name; -T makes
    DESTINATION the copy itself, which is what keeps two directories in step. SOURCE/. stands for
    the content of a directory. Missing directories above DESTINATION are not made for single
    files, except in buckets, which have none.

    With --json one document tells files, bytes, seconds and what was passed over (pipes, broken
    links); anything passed over makes the exit code 1.

    \b
    Examples:
      neuro-client storage cp model.pt storage:models/      models/ must exist
      neuro-client storage cp -r data storage:data          storage:data/data if storage:data exists
      neuro-client storage cp -ruT data storage:data        only what changed
      neuro-client storage cp -r --exclude '*' --include '*/' --include '*.json' storage:out .
      neuro-client blob cp -r storage:out blob:results/run-1
      neuro-client ais cp -r data ais:train/images
    """
    context = click.get_current_context()
    rules: list[tuple[bool, str]] = context.meta[_RULES]
    async with Ends.open(settings, (*sources, destination)) as ends:
        how = await _how(ends, rules, **options)
        places = [await ends.read(text) for text in sources]
        place = await ends.read(destination)
        if place.is_local and any(source.is_local for source in places):
            raise click.UsageError("Source and destination are both on this machine; use cp")
        target = await read_target(ends, places, place, exact=options["exact"])
        with watch(bars=progress, quiet=settings.quiet) as tally:
            for source in places:
                await _Copy(ends, how, tally).run(source, target)
    if settings.json:
        print_json(tally.document())
    else:
        settings.note(tally.account())
    return errors.FAILED if tally.failed else errors.DONE


@attrs.frozen
class _How:
    """Hold the options of the command."""

    recursive: bool
    accept: AsyncFilterFunc | None
    ignore_files: AbstractSet[str]
    options: TransferOptions


async def _how(
    ends: Ends,
    rules: list[tuple[bool, str]],
    *,
    recursive: bool,
    update: bool,
    continue_: bool,
    exact: bool,
    exclude_from_files: str | None,
    keep_going: bool,
) -> _How:
    section = (await ends.user_config()).get("storage", {})
    excluded: list[str] = section.get("cp-exclude", [])
    names = section.get("cp-exclude-from-files", [_IGNORE_FILE])
    if exclude_from_files is not None:
        names = exclude_from_files.split()
    accept = FileFilter()
    for pattern in excluded:
        # Written as in an ignore file, where an exclamation mark includes again.
        accept.append(not pattern.startswith("!"), pattern.removeprefix("!"))
    for excludes, pattern in rules:
        accept.append(excludes, pattern)
    return _How(
        recursive=recursive,
        accept=accept.match if rules or excluded else None,
        ignore_files=frozenset(names),
        options=TransferOptions(
            on_error="continue" if keep_going else "raise", update=update, continue_=continue_
        ),
    )


@attrs.frozen
class _Copy:
    """Copy one source after the other."""

    ends: Ends
    how: _How
    tally: Tally

    async def run(self, source: Place, target: Target) -> None:
        """Copy a file, or a directory if that was asked for."""
        directory = await self.ends.is_dir(source.uri)
        if directory is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), source.text)
        if directory and not self.how.recursive:
            raise IsADirectoryError(
                errno.EISDIR, "It is a directory; copy it with --recursive", source.text
            )
        if not directory and source.must_be_dir:
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), source.text)
        if not directory and target.place.must_be_dir and not target.into:
            raise FileNotFoundError(errno.ENOENT, "There is no such directory", target.place.text)
        uri = target.of(source)
        schemes = {source.uri.scheme, uri.scheme}
        if source.is_local and uri.scheme == AISTORE and directory:
            await self._upload_to_aistore(source.uri, uri)
        elif AISTORE in schemes or "file" not in schemes:
            await self._between(source.uri, uri)
        elif source.is_local:
            await self._upload(source.uri, uri, directory)
        else:
            await self._download(source.uri, uri, directory)

    def _service(self, uri: URL) -> Buckets | Storage:
        client = self.ends.client
        return client.buckets if uri.scheme == "blob" else client.storage

    async def _upload(self, src: URL, dst: URL, directory: bool) -> None:
        how, service = self.how, self._service(dst)
        if directory:
            await service.upload_dir(
                src,
                dst,
                filter=how.accept,
                ignore_file_names=how.ignore_files,
                progress=self.tally,
                options=how.options,
            )
        else:
            await service.upload_file(src, dst, progress=self.tally, options=how.options)

    async def _upload_to_aistore(self, src: URL, dst: URL) -> None:
        bucket, key = self.ends.aistore.parse_url(dst)
        await bucket.upload_dir(
            src,
            key,
            filter=self.how.accept,
            ignore_file_names=self.how.ignore_files,
            progress=self.tally,
            options=self.how.options,
        )

    async def _download(self, src: URL, dst: URL, directory: bool) -> None:
        how, service = self.how, self._service(src)
        if directory:
            await service.download_dir(
                src, dst, filter=how.accept, progress=self.tally, options=how.options
            )
        else:
            await service.download_file(src, dst, progress=self.tally, options=how.options)

    async def _between(self, src: URL, dst: URL) -> None:
        await copy(
            src,
            dst,
            stores=self.ends.stores,
            recursive=self.how.recursive,
            options=self.how.options,
            filter=self.how.accept,
            progress=self.tally,
        )


@click.command(short_help="Move or rename within a cluster.")
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE...")
@click.argument("destination")
@click.option(
    "-T",
    "--no-target-directory",
    "exact",
    is_flag=True,
    help="DESTINATION is the new name itself, although it is a directory.",
)
@common_options
@async_command
async def mv(settings: Settings, sources: Sequence[str], destination: str, exact: bool) -> None:
    """Move or rename files and directories of the storage, within one cluster.

    As with the shell's mv, what is moved onto a directory that exists goes inside under its own
    name, and a file that exists is replaced.

    \b
    Examples:
      neuro-client storage mv storage:out storage:run-1
      neuro-client storage mv storage:a storage:b storage:archive
    """
    async with open_client(settings) as client:
        places = [await read_place(settings, client, text, ("storage",)) for text in sources]
        place = await read_place(settings, client, destination, ("storage",))
        target = await read_target(Ends(settings, client, None), places, place, exact=exact)
        moved = []
        for source in places:
            uri = target.of(source)
            await client.storage.mv(source.uri, uri)
            moved.append({"src": str(source.uri), "dst": str(uri)})
    if settings.json:
        print_json({"moved": moved})
