"""``config``: show and change what the client is configured to."""

from __future__ import annotations

from typing import Any

import click

from ..client import Client
from ..config import Preset
from .output import human_size, print_json, print_pairs, print_table
from .session import async_command, check_cluster, open_client
from .settings import Settings, common_options


@click.group(short_help="Show and change what the client is configured to.")
@common_options
def config() -> None:
    """Show and change what the client is configured to."""


@config.command("show")
@common_options
@async_command
async def show(settings: Settings) -> None:
    """Show the user, the cluster and its presets; the token is never shown."""
    async with open_client(settings) as client:
        _show(settings, client)


@config.command("fetch")
@common_options
@async_command
async def fetch(settings: Settings) -> None:
    """Read the clusters and presets from the platform anew."""
    async with open_client(settings) as client:
        await client.config.fetch()
        _changed(settings, client, "The clusters and presets are up to date")


@config.command("switch-cluster")
@click.argument("name")
@common_options
@async_command
async def switch_cluster(settings: Settings, name: str) -> None:
    """Make another cluster the current one."""
    async with open_client(settings) as client:
        check_cluster(settings, client, name)
        await client.config.switch_cluster(name)
        _changed(settings, client, f"The current cluster is {name}")


@config.command("switch-org")
@click.argument("name", required=False)
@click.option("--none", "leave", is_flag=True, help="Work without an organisation.")
@common_options
@async_command
async def switch_org(settings: Settings, name: str | None, leave: bool) -> None:
    """Make another organisation of the current cluster the current one."""
    if (name is None) != leave:
        raise click.UsageError("Name an organisation, or give --none")
    async with open_client(settings) as client:
        await client.config.switch_org(name)
        _changed(settings, client, f"The current organisation is {name or 'none'}")


def _changed(settings: Settings, client: Client, text: str) -> None:
    if settings.json:
        print_json(_document(client))
    settings.note(text)


def _show(settings: Settings, client: Client) -> None:
    if settings.json:
        print_json(_document(client))
        return
    found = client.config
    print_pairs(
        {
            "User": found.username,
            "Platform": found.api_url,
            "Cluster": found.cluster_name,
            "Organisation": found.org_name or "none",
            "Clusters": ", ".join(found.clusters),
            "Folder": found.path,
        }
    )
    click.echo()
    rows = [
        (
            name,
            f"{preset.cpu:g}",
            human_size(preset.memory),
            f"{preset.gpu} x {preset.gpu_model or 'GPU'}" if preset.gpu else "",
            "yes" if preset.scheduler_enabled else "",
            "yes" if preset.preemptible_node else "",
            preset.credits_per_hour,
        )
        for name, preset in found.presets.items()
    ]
    columns = ("PRESET", "CPU", "MEMORY", "GPU", "ROUND ROBIN", "PREEMPTIBLE", "CREDITS/H")
    print_table(columns, rows, right=("CPU", "MEMORY", "CREDITS/H"))


def _document(client: Client) -> dict[str, Any]:
    """Return the configuration as JSON values; the keys are a contract."""
    found = client.config
    return {
        "username": found.username,
        "api_url": str(found.api_url),
        "cluster": found.cluster_name,
        "org": found.org_name,
        "path": str(found.path),
        "clusters": {name: {"orgs": list(c.orgs)} for name, c in found.clusters.items()},
        "presets": {name: _preset(preset) for name, preset in found.presets.items()},
    }


def _preset(preset: Preset) -> dict[str, Any]:
    return {
        "cpu": preset.cpu,
        "memory": preset.memory,
        "gpu": preset.gpu,
        "gpu_model": preset.gpu_model,
        "scheduler_enabled": preset.scheduler_enabled,
        "preemptible_node": preset.preemptible_node,
        "credits_per_hour": str(preset.credits_per_hour),
    }
