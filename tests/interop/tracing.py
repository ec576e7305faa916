"""Record which public members of the published client a program really used; runs beside it."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable
from typing import Any


class Recorder:
    """Count the uses of public methods and properties that come from *files* themselves."""

    def __init__(self, files: set[str]) -> None:
        self.members: set[str] = set()
        self.used: set[str] = set()
        self._files = files

    def _note(self, name: str) -> None:
        # A call that the published client makes itself proves nothing about ours to it.
        if sys._getframe(2).f_code.co_filename in self._files:
            self.used.add(name)

    def _wrapped(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            self._note(name)
            return function(*args, **kwargs)

        return wrapper

    def watch_class(self, cls: type) -> None:
        """Wrap the public members of a class."""
        for member in dir(cls):
            if member.startswith("_"):
                continue
            name = f"{cls.__name__}.{member}"
            found = inspect.getattr_static(cls, member)
            self.members.add(name)
            if isinstance(found, property) and found.fget is not None:
                setattr(cls, member, property(self._wrapped(name, found.fget)))
            elif callable(found):
                setattr(cls, member, self._wrapped(name, found))

    def watch_function(self, module: Any, function: str) -> None:
        """Wrap a public function of the package."""
        self.members.add(function)
        setattr(module, function, self._wrapped(function, getattr(module, function)))
