"""``training submit``: a YAML file, flags, or a file changed by flags, as one request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from ..errors import AuthorizationError, ResourceNotFound
from ..threads import run_blocking
from ..trainings import TrainingRequest, Trainings, TrainingSpec
from ..trainings.spec.documents import read_yaml
from . import errors
from .output import print_json
from .session import async_command, usage_errors
from .settings import Settings, common_options
from .trainings_session import open_trainings
from .trainings_views import training_document

_TOP = ("name", "projectId", "clusterId", "useGivenNameAsPrefix", "templateId", "spec")


@click.command("submit")
@click.argument("file", required=False, type=click.Path(dir_okay=False, path_type=Path))
@click.option("-n", "--name", help="Name, unique in the project.")
@click.option("--prefix", is_flag=True, help="Let the control plane add a suffix to the name.")
@click.option("-p", "--project", metavar="PROJECT", help="Name or id; default: the only one.")
@click.option("--cluster", metavar="ID", help="Default: that of the project.")
@click.option("-i", "--image", help="Container image.")
@click.option("--command", metavar="TEXT", help="Program in place of the image's own.")
@click.option("--args", metavar="TEXT", help="Its arguments, in one text.")
@click.option("-w", "--workdir", metavar="PATH", help="Folder in which the command starts.")
@click.option("-e", "--env", multiple=True, metavar="NAME=VALUE", help="Variable; repeatable.")
@click.option("--gpus", type=click.IntRange(0), help="Whole GPUs, or with --gpu-portion shares.")
@click.option("--gpu-portion", type=click.FloatRange(0, 1), help="Share of each GPU.")
@click.option("--cpus", type=click.FloatRange(0), help="CPU cores.")
@click.option("--memory", metavar="QUANTITY", help="Memory, such as 8Gi.")
@click.option("--backoff-limit", type=click.IntRange(0), help="How often to start it again.")
@click.option("--parallelism", type=click.IntRange(1), help="Pods at the same time.")
@click.option("--completions", type=click.IntRange(1), help="Pods that must succeed.")
@click.option(
    "--submission-id",
    metavar="ID",
    help="Create at most one training of this id, however often the command is run.",
)
@click.option("--lenient", is_flag=True, help="Leave out rules that some servers do not know.")
@click.option("--dry-run", is_flag=True, help="Print the request as JSON and send nothing.")
@common_options
@async_command
async def submit(settings: Settings, file: Path | None, **options: Any) -> None:
    """Submit a training and print its id.

    FILE is YAML: a whole request (name, projectId, clusterId, spec), or a spec alone. What the
    flags say replaces what stands there.

    \b
    Examples:
      neuro-client training submit -n mnist -i python:3.11 --command python --args 'train.py'
      neuro-client training submit train.yaml --name mnist-2 -e EPOCHS=3
      neuro-client training submit train.yaml --dry-run | jq .spec
    """
    with usage_errors():
        document = {} if file is None else await run_blocking(_read, file)
        spec = _merged(document.get("spec") or {}, options)
    async with open_trainings(settings) as trainings:
        request = await _request(trainings, document, spec, options)
        chosen = {"submission_id": options["submission_id"], "strict": not options["lenient"]}
        with usage_errors():
            if options["dry_run"]:
                prepared = await trainings.create(request, dry_run=True, **chosen)
                print_json(prepared.json)
                return
            found = await trainings.create(request, **chosen)
    if settings.json:
        print_json(training_document(found))
    else:
        click.echo(found.id)
    settings.note(f"Follow it with: {settings.command_line('training', 'logs', found.id)}")


def _read(path: Path) -> dict[str, Any]:
    """Read a file as a request; one that is a spec alone becomes the spec of one."""
    found = read_yaml(path.read_bytes())
    if not isinstance(found, dict):
        raise errors.CommandFailed(f"{path} is not a request or a spec", errors.USAGE)
    if "spec" not in found and not {"projectId", "clusterId"} & found.keys():
        return {"spec": found}
    if unknown := found.keys() - set(_TOP):
        listed = ", ".join(sorted(map(str, unknown)))
        raise errors.CommandFailed(f"{path} has unknown keys: {listed}", errors.USAGE)
    return found


def _merged(spec: Mapping[str, Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the spec of the file with what the flags say; keys are those of the wire.

    Raises:
        ValueError: a variable has no value.
    """
    merged = dict(spec)
    merged |= _given(
        image=options["image"],
        command=options["command"],
        args=options["args"],
        workingDir=options["workdir"],
        backoffLimit=options["backoff_limit"],
        parallelism=options["parallelism"],
        completions=options["completions"],
    )
    portion = options["gpu_portion"]
    compute = _given(
        gpuDevicesRequest=options["gpus"],
        gpuRequestType=None if portion is None else "portion",
        gpuPortionRequest=portion,
        cpuCoreRequest=options["cpus"],
        cpuMemoryRequest=options["memory"],
    )
    if portion is not None and options["gpus"] is None:
        compute["gpuDevicesRequest"] = 1
    if compute:
        merged["compute"] = {**(merged.get("compute") or {}), **compute}
    if options["env"]:
        merged["environmentVariables"] = _environment(
            merged.get("environmentVariables") or (), options["env"]
        )
    return merged


def _given(**values: Any) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value is not None}


def _environment(present: Sequence[Any], words: Sequence[str]) -> list[dict[str, Any]]:
    variables = {item["name"]: dict(item) for item in present}
    for word in words:
        name, equals, value = word.partition("=")
        if not name or not equals:
            raise ValueError(f"--env is NAME=VALUE, not {name!r}")
        variables[name] = {"name": name, "value": value}
    return list(variables.values())


async def _request(
    trainings: Trainings,
    document: Mapping[str, Any],
    spec: Mapping[str, Any],
    options: Mapping[str, Any],
) -> TrainingRequest:
    """Complete the request: the project by its name, the cluster of the project."""
    name = options["name"] or document.get("name")
    if not name:
        raise click.UsageError("Give the training a name, with --name or in the file")
    project = options["project"] or document.get("projectId")
    cluster = options["cluster"] or document.get("clusterId")
    if options["project"] or not project or not cluster:
        project, cluster = await _place(trainings, project, cluster)
    with usage_errors():
        return TrainingRequest(
            name=name,
            project_id=str(project),
            cluster_id=str(cluster),
            spec=TrainingSpec.from_dict(dict(spec)),
            use_given_name_as_prefix=options["prefix"]
            or bool(document.get("useGivenNameAsPrefix")),
            template_id=document.get("templateId"),
        )


async def _place(trainings: Trainings, project: str | None, cluster: str | None) -> tuple[str, str]:
    """Return the ids of the project and of the cluster.

    Raises:
        ResourceNotFound: there is no such project.
        UsageError: there are several, or its cluster is not known.
    """
    try:
        known = await trainings.projects()
    except AuthorizationError:
        if project and cluster:
            return str(project), cluster  # taken for an id
        raise
    wanted = [item for item in known if project is None or str(project) in (item.id, item.name)]
    if not wanted:
        raise ResourceNotFound(
            f"There is no project {project!r} (known: {', '.join(item.name for item in known)})"
        )
    if len(wanted) > 1:
        names = ", ".join(item.name for item in wanted)
        raise click.UsageError(f"Choose a project with --project: {names}")
    found = cluster or wanted[0].cluster_id
    if not found:
        raise click.UsageError("The project does not tell its cluster; give it with --cluster")
    return wanted[0].id, found
