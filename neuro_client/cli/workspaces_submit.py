"""``workspace submit`` and ``workspace shard``: from files on this machine to a task."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from ..errors import ConflictError
from ..workspaces import Configs, SubmitPlan, shard
from . import errors
from .output import human_size, print_json
from .progress import watch
from .session import async_command
from .settings import Settings, common_options
from .workspaces_session import argument_errors, open_workspaces
from .workspaces_views import map_document, plan_document, print_map, print_plan, task_document

_FOLDER = click.Path(file_okay=False, path_type=Path)
_FILE = click.Path(dir_okay=False, path_type=Path)
_RENDERED = (
    "model_class",
    "num_rounds",
    "local_epochs",
    "batch_size",
    "learning_rate",
    "min_clients",
)
_JSON = {"model_arg": "model_args", "extra": "extras"}
_RULES = ("exist_ok", "prune", "force", "presigned")
_CHOICE = (
    "slug",
    "estimated_memory_mb",
    "gpu_models",
    "max_price_per_gpu_hour_cents",
    "worker_ids",
    "only_mine_workers",
)
_FLAGS = {
    "num_rounds": "rounds",
    "local_epochs": "epochs",
    "model_args": "model-arg",
    "extras": "extra",
}


@click.command("submit")
@click.argument("name")
@click.option(
    "--scripts",
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="model_def.py, or the folder that has it and other scripts.",
)
@click.option("--shards", type=_FOLDER, metavar="DIR", help="Folder of the zips, one a worker.")
@click.option("-r", "--requirements", type=_FILE, metavar="FILE", help="Default: torch, nvflare.")
@click.option("--checkpoint", type=_FILE, metavar="FILE", help="Weights to start from.")
@click.option("--configs", type=_FOLDER, metavar="DIR", help="Configurations of your own.")
@click.option("--model-class", metavar="NAME", help="Class in model_def.py; default Model.")
@click.option("--model-arg", multiple=True, metavar="NAME=JSON", help="For the class; repeatable.")
@click.option("--rounds", "num_rounds", type=click.IntRange(1), help="Default 5.")
@click.option("--epochs", "local_epochs", type=click.IntRange(1), help="Of each round; default 1.")
@click.option("--batch-size", type=click.IntRange(1), help="Default 32.")
@click.option("--learning-rate", type=click.FloatRange(0, min_open=True), help="Default 0.001.")
@click.option("--min-clients", type=click.IntRange(1), help="Workers a round needs; default 1.")
@click.option("--extra", multiple=True, metavar="NAME=JSON", help="For fl_train; repeatable.")
@click.option("--memory", "estimated_memory_mb", type=click.IntRange(1), metavar="MB")
@click.option("--gpu-model", "gpu_models", multiple=True, metavar="ID", help="Best first.")
@click.option(
    "--max-price",
    "max_price_per_gpu_hour_cents",
    type=click.IntRange(1),
    metavar="CENTS",
    help="At most so much for a GPU and hour.",
)
@click.option(
    "--worker", "worker_ids", multiple=True, metavar="ID", help="One a shard; repeatable."
)
@click.option("--only-mine", "only_mine_workers", is_flag=True, help="Workers of your own only.")
@click.option("--slug", metavar="SLUG", help="Folder in the bucket; default: made of the name.")
@click.option("--existing", is_flag=True, help="Start what is in the bucket, and upload nothing.")
@click.option("--exist-ok", is_flag=True, help="Overwrite a workspace that has other content.")
@click.option(
    "--prune", is_flag=True, help="Delete shards and checkpoints that are not among these."
)
@click.option("--force", is_flag=True, help="Upload although the quota looks too small.")
@click.option(
    "--presigned", is_flag=True, help="Upload by links of the platform, not with the key."
)
@click.option("--dry-run", is_flag=True, help="Print what would be sent, and send nothing.")
@click.option("--progress/--no-progress", "bars", default=None, help="Default: on a terminal.")
@common_options
@async_command
async def submit(settings: Settings, name: str, **options: Any) -> None:
    """Upload a workspace and start a task of it; print the id of the task.

    What is in the bucket already is not sent again, and a broken submission goes on where it was.
    Configurations and scripts that are not given are made of the options.

    \b
    Examples:
      neuro-client workspace submit mnist --scripts model_def.py --shards shards --rounds 3
      neuro-client workspace submit mnist --scripts src --shards shards --dry-run
      neuro-client workspace submit mnist --existing --memory 8000
    """
    choice = _choice(options)
    async with open_workspaces(settings) as workspaces:
        with argument_errors(), _in_words_of_a_shell():
            if options["existing"]:
                _check_existing(options)
                task = await workspaces.submit_existing(name, **choice)
            else:
                sources = _sources(name, options)
                with watch(bars=options["bars"], quiet=settings.quiet) as tally:
                    found = await workspaces.submit(
                        name, **sources, **choice, dry_run=options["dry_run"], progress=tally
                    )
                if isinstance(found, SubmitPlan):
                    _show_plan(settings, found)
                    return
                task = found
    if settings.json:
        print_json(task_document(task))
    else:
        click.echo(task.id)
    if task.plan is not None:
        _tell_sent(settings, task.plan)
    settings.note(f"Follow it with: {settings.command_line('workspace', 'logs', task.id)}")
    if task.dashboard_url:
        settings.note(f"See {task.dashboard_url}")


@contextmanager
def _in_words_of_a_shell() -> Iterator[None]:
    """Say with which options to go on where there is other content in the bucket."""
    try:
        yield
    except ConflictError as error:
        if error.status is not None:
            raise
        text = f"{error}\nThe options for that are --slug, --existing, --exist-ok and --prune"
        raise errors.CommandFailed(text, errors.REFUSED) from error


def _choice(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is said about the task itself, for both ways to start one."""
    return {name: options[name] for name in _CHOICE if options[name]}


def _check_existing(options: Mapping[str, Any]) -> None:
    """Refuse what has no meaning where nothing is uploaded.

    Raises:
        UsageError: something of that was given.
    """
    names = ("scripts", "shards", "requirements", "checkpoint", "configs", *_RENDERED, *_JSON)
    given = [name for name in (*names, *_RULES, "dry_run") if options[name]]
    if given:
        flags = ", ".join(f"--{_FLAGS.get(name, name.replace('_', '-'))}" for name in given)
        raise click.UsageError(f"--existing uploads nothing, so it does not go with {flags}")


def _sources(name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the files of the workspace and what may be done with what is there.

    Raises:
        UsageError: an option is missing or does not go with another.
        ValueError: a value cannot be used.
    """
    for needed in ("scripts", "shards"):
        if options[needed] is None:
            raise click.UsageError(f"Give --{needed}, or start what is there with --existing")
    values = {field: options[field] for field in _RENDERED if options[field] is not None}
    for option, field in _JSON.items():
        if options[option]:
            values[field] = _pairs(option, options[option])
    if values and options["configs"] is not None:
        flags = ", ".join(f"--{_FLAGS.get(key, key.replace('_', '-'))}" for key in values)
        raise click.UsageError(f"--configs are taken as they are; leave out {flags}")
    return {
        "scripts": options["scripts"],
        "configs": options["configs"] or Configs(name, **values),
        "requirements": options["requirements"],
        "shards": options["shards"],
        "checkpoint": options["checkpoint"],
        **{rule: True for rule in _RULES if options[rule]},
    }


def _pairs(option: str, words: Sequence[str]) -> dict[str, Any]:
    """Read ``NAME=JSON``; what is no JSON is a text."""
    found = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not name or not equals:
            raise ValueError(f"--{option.replace('_', '-')} is NAME=JSON, not {name!r}")
        try:
            found[name] = json.loads(value)
        except ValueError:
            found[name] = value
    return found


def _show_plan(settings: Settings, plan: SubmitPlan) -> None:
    if settings.json:
        print_json(plan_document(plan))
        return
    print_plan(plan)
    settings.note(
        f"{human_size(plan.bytes_to_send)} to send; the bucket grows by "
        f"{human_size(max(0, plan.bytes_added))}"
    )


def _tell_sent(settings: Settings, plan: SubmitPlan) -> None:
    settings.note(
        f"Sent {len(plan.uploads)} of {len(plan.files)} files, {human_size(plan.bytes_to_send)}"
    )
    if plan.orphans and not plan.prune:
        settings.note(
            f"In the bucket are {len(plan.orphans)} shards that are not among these, and each "
            "counts as a worker; --prune deletes them"
        )


@click.command("shard")
@click.argument("dataset", type=_FOLDER)
@click.argument("number", type=click.IntRange(1))
@click.argument("destination", type=_FOLDER)
@click.option("--stratified", is_flag=True, help="Give each its share of every sub-directory.")
@click.option("--compress", is_flag=True, help="Compress the files in the zips.")
@common_options
@async_command
async def shard_(
    settings: Settings, dataset: Path, number: int, destination: Path, **options: bool
) -> None:
    """Split a data set into NUMBER zips with a map of them, in the folder DESTINATION.

    The same files give the same zips. What an earlier call made there is replaced when all the new
    ones are whole.

    \b
    Example:
      neuro-client workspace shard data 4 shards --stratified
    """
    with argument_errors():
        made = await shard(dataset, number, destination=destination, **options)
    if settings.json:
        print_json(map_document(made))
    else:
        print_map(made)
