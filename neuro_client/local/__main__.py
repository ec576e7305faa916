"""``python -m neuro_client.local up|status|down``, for environments without the command line."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .platform import RUNNERS, AlreadyRunningError
from .serve import ServeOptions, StartError, down, status, up, up_detached, without_secrets


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m neuro_client.local", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    starting = commands.add_parser("up", help="start a platform")
    starting.add_argument("--port", type=int, help="port of the main listener, 0 for a free one")
    starting.add_argument("--runner", choices=RUNNERS, default="process", help="what runs the jobs")
    starting.add_argument("--cluster", action="append", metavar="NAME")
    starting.add_argument("--org", action="append", metavar="NAME", default=[])
    starting.add_argument("--ready-file", type=Path, metavar="FILE")
    starting.add_argument("--detach", action="store_true", help="return once it is ready")
    starting.add_argument("--host", default="127.0.0.1")
    starting.add_argument("--allow-remote", action="store_true")
    starting.add_argument("--tls-cert", type=Path, metavar="FILE")
    starting.add_argument("--tls-key", type=Path, metavar="FILE")
    starting.add_argument("--garage", metavar="URL", help="admin API of a Garage for workspaces")
    starting.add_argument("--garage-s3", metavar="URL", help="S3 endpoint of that Garage")
    starting.add_argument("--garage-region", default="garage", metavar="NAME")
    commands.add_parser("status", help="show a running platform")
    commands.add_parser("down", help="stop a running platform")
    for command in commands.choices.values():
        command.add_argument("--data", type=Path, metavar="DIR", help="where everything is kept")
    return parser


def main() -> int:
    """Run one command and return its exit code."""
    given = _parser().parse_args()
    try:
        if given.command == "status":
            ready = status(given.data)
            _tell(ready or {})
            return 0 if ready else 1
        if given.command == "down":
            return 0 if down(given.data) else 1
        options = ServeOptions(
            data=given.data,
            port=given.port,
            runner=given.runner,
            clusters=tuple(given.cluster or ("default",)),
            orgs=tuple(given.org),
            ready_file=given.ready_file,
            host=given.host,
            allow_remote=given.allow_remote,
            tls_cert=given.tls_cert,
            tls_key=given.tls_key,
            garage=given.garage,
            garage_s3=given.garage_s3,
            garage_region=given.garage_region,
        )
        if given.detach:
            _tell(up_detached(options))
        else:
            up(options, _tell)
    except (AlreadyRunningError, StartError, TimeoutError, ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _tell(ready: Mapping[str, Any]) -> None:
    print(json.dumps(without_secrets(ready), indent=2), flush=True)


if __name__ == "__main__":
    sys.exit(main())
