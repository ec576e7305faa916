"""Python code on its way to a cluster: functions and classes with all they need (aistore.md §14).

All functions block.
"""

from __future__ import annotations

import base64
import inspect
import re
import site
import sys
import sysconfig
import threading
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ..extras import pickling

_PROGRAM = """\
import base64
import importlib
import pickle

{imports}transform = pickle.loads(base64.b64decode("{pickle}"))
{call}"""
_REQUIREMENT = re.compile(r"[A-Za-z0-9._-]+")
_registering = threading.Lock()


def pickled(thing: Any) -> str:
    """Return a function or class as text.

    What belongs to a package of the user's goes along as code; what was installed is only named,
    and has to be among the dependencies.
    """
    cloudpickle = pickling()
    module = inspect.getmodule(thing)
    package = None if module is None else sys.modules.get(module.__name__.partition(".")[0])
    with _registering:
        own = (
            package is not None
            and package.__name__ not in ("__main__", *cloudpickle.list_registry_pickle_by_value())
            and not _is_installed(module)
        )
        if own:
            cloudpickle.register_pickle_by_value(package)
        try:
            return base64.b64encode(cloudpickle.dumps(thing)).decode()
        finally:
            if own:
                cloudpickle.unregister_pickle_by_value(package)


def _is_installed(module: Any) -> bool:
    file = getattr(module, "__file__", None)
    roots = {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    roots.add(site.getusersitepackages())
    return file is None or any(Path(file).is_relative_to(root) for root in roots)


def program(transform: Callable[..., Any], modules: Sequence[str], *, called: bool) -> str:
    """Return a Python program that defines ``transform``, and calls it if it reads and writes."""
    return _PROGRAM.format(
        imports="".join(f'importlib.import_module("{name}")\n' for name in modules),
        pickle=pickled(transform),
        call="transform()\n" if called else "",
    )


def requirements(given: Sequence[str]) -> list[str]:
    """Return dependencies with the one that reads `pickled`, in the release that wrote it.

    Other releases put their helpers elsewhere, so 2.x does not read what 3.x wrote.
    """
    names = {match[0].lower() for line in given if (match := _REQUIREMENT.match(line.strip()))}
    own = [] if "cloudpickle" in names else [f"cloudpickle=={version('cloudpickle')}"]
    return [*given, *own]


def encoded(text: str) -> str:
    """Return a text as the bodies of ETLs carry it."""
    return base64.b64encode(text.encode()).decode()
