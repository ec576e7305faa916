"""The layers of the package: no upward import, no cycle, nothing heavy on the way in."""

from __future__ import annotations

import ast
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

import neuro_client

PACKAGE = Path(neuro_client.__file__).parent

LAYERS = {
    "_version": 0,
    "errors": 0,
    "models": 0,
    "uris": 0,
    "image_names": 0,
    "image_progress": 0,
    "wire": 0,
    "retry": 0,
    "run": 0,
    "concurrency": 0,
    "threads": 0,
    "tracing": 0,
    "streaming": 1,
    "transfer": 1,
    "config": 2,
    "transport": 2,
    "json_service": 2,
    "auth": 3,
    "jobs": 3,
    "storage": 3,
    "buckets": 3,
    "trainings": 3,
    "aistore": 3,
    "images": 3,
    "disks": 3,
    "secrets": 3,
    "users": 3,
    "service_accounts": 3,
    "parsing": 3,
    "plugins": 3,
    "copying": 4,
    "workspaces": 4,
    "artifacts": 4,
    "client": 5,
    "factory": 5,
    "fs": 6,
    "": 5,
    "__main__": 6,
    "cli": 6,
    "testing": 6,
    "local": 6,
}
# Inside L0 only the vocabulary builds on itself.
L0_MAY_USE = {
    "errors": set(),
    "_version": set(),
    "models": {"errors"},
    "uris": {"errors", "models"},
    "image_names": {"errors", "models", "uris"},
    "image_progress": {"models"},
    "wire": {"errors", "models", "uris"},
    "retry": {"errors"},
    "run": {"errors", "models"},
    "concurrency": {"errors"},
    "threads": set(),
    "tracing": set(),
}
# The platform shares no code with the client, but for the capture of what a run writes: no wire is
# between the two sides of it, so there is nothing that a bug in both could hide.
LOCAL_MAY_USE = {"artifacts.capture"}
HTTP_USERS = {"transport", "auth.callback", "local"}
# Loaded once, before each of our modules is imported in a process of its own.
FOREIGN = [
    "aiohttp.web",
    "aiosqlite",
    "attrs",
    "cattrs",
    "click",
    "jinja2",
    "psutil",
    "pytest",
    "pytest_asyncio",
    "rich",
]
HEAVY = ("botocore", "aiobotocore", "rich", "click", "aiodocker", "azure", "sqlalchemy", "psutil")


def _modules() -> list[str]:
    names = []
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = list(path.relative_to(PACKAGE).with_suffix("").parts)
        if parts[-1] == "__init__":
            parts.pop()
        names.append(".".join(parts))
    return names


def _path(module: str) -> Path:
    path = PACKAGE.joinpath(*module.split(".")) if module else PACKAGE
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def _resolved(module: str, node: ast.ImportFrom) -> list[str]:
    """Return the modules of ours that a relative import names, without the package's name."""
    is_package = _path(module).name == "__init__.py"
    parts = module.split(".") if module else []
    keep = len(parts) - node.level + (1 if is_package else 0)
    base = [*parts[: max(keep, 0)], *(node.module.split(".") if node.module else [])]
    found = []
    for alias in node.names:
        candidate = [*base, alias.name]
        target = PACKAGE.joinpath(*candidate)
        is_module = target.is_dir() or target.with_suffix(".py").exists()
        found.append(".".join(candidate if is_module else base))
    return found


@cache
def _imports(module: str) -> set[str]:
    """Return what a module imports when it is imported itself, type checking left out."""
    tree = ast.parse(_path(module).read_text())
    found: set[str] = set()
    pending: list[ast.AST] = [tree]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            pending.extend(node.orelse)
            continue
        if isinstance(node, ast.ImportFrom):
            if node.level:
                found.update(_resolved(module, node))
            elif node.module and node.module.split(".")[0] == "neuro_client":
                found.add(node.module.removeprefix("neuro_client").lstrip("."))
            else:
                found.add(f"!{node.module}")
        elif isinstance(node, ast.Import):
            found.update(f"!{alias.name}" for alias in node.names)
        pending.extend(ast.iter_child_nodes(node))
    return found


MODULES = _modules()


def test_every_module_has_a_layer() -> None:
    assert {module.split(".")[0] for module in MODULES} == set(LAYERS)


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module or "neuro_client")
def test_no_upward_import(module: str) -> None:
    top = module.split(".")[0]
    for imported in _imports(module):
        if imported.startswith("!"):
            continue
        other = imported.split(".")[0]
        if other == top or (top != "" and other == "_version"):
            continue
        if top == "local":
            assert other == "uris" or imported in LOCAL_MAY_USE, f"{module} imports {imported}"
        elif top in L0_MAY_USE:
            assert other in L0_MAY_USE[top], f"{module} imports {imported}"
        elif LAYERS[top] in (3, 4):
            assert LAYERS[other] < LAYERS[top], f"{module} imports {imported} of its own layer"
        else:
            assert LAYERS[other] <= LAYERS[top], f"{module} imports {imported}"


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module or "neuro_client")
def test_only_transport_and_the_platform_speak_http(module: str) -> None:
    uses = any(name.split(".")[0] == "!aiohttp" for name in _imports(module))
    allowed = any(module == user or module.startswith(f"{user}.") for user in HTTP_USERS)
    assert allowed or not uses


def test_only_the_top_imports_the_local_platform() -> None:
    for module in MODULES:
        if LAYERS[module.split(".")[0]] == 6:
            continue
        assert not any(name.split(".")[0] == "local" for name in _imports(module)), module


def _run(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_each_module_can_be_imported_alone() -> None:
    """Import every module in an interpreter that knows none of ours: no cycle, no order.

    Python imports the packages around a module first, the outermost before the others. So what an
    outermost package loads by itself is tried with it, in the child that goes on to try the rest.
    """
    packages: dict[str, list[str]] = {}
    for module in MODULES:
        if module.endswith("__main__"):
            continue
        name = f"neuro_client.{module}" if module else "neuro_client"
        packages.setdefault(".".join(name.split(".")[:2]), []).append(name)
    code = f"""
import importlib, os, sys
for name in {FOREIGN!r}:
    importlib.import_module(name)

def alone(name, others=()):
    pid = os.fork()
    if pid:
        os.waitpid(pid, 0)
        return
    try:
        importlib.import_module(name)
    except BaseException as error:
        print(name, repr(error), flush=True)
        os._exit(1)
    for other in others:
        if other not in sys.modules:
            alone(other)
    os._exit(0)

for package, names in {packages!r}.items():
    alone(package, names)
"""
    assert _run(code) == ""


def test_nothing_heavy_comes_with_the_package() -> None:
    code = (
        "import sys, neuro_client\n"
        "for name in neuro_client.__all__: getattr(neuro_client, name)\n"
        f"print([m for m in sys.modules if m.split('.')[0] in {HEAVY!r}])"
    )
    assert _run(code).strip() == "[]"


def test_importing_the_package_touches_nothing() -> None:
    code = """
import socket, sqlite3
def refuse(*args, **kwargs): raise SystemExit("touched")
socket.socket.connect = refuse
sqlite3.connect = refuse
import neuro_client
for name in neuro_client.__all__: getattr(neuro_client, name)
"""
    _run(code)


def test_files_stay_readable() -> None:
    long = {
        module: count
        for module in MODULES
        if (count := _path(module).read_text().count("\n")) > 400
    }
    assert long == {}
