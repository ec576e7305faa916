"""The suites that fsspec has for every file system.

Without the tables of patterns, which try fsspec's own code and no file system; the two long suites
run on one file system each.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fsspec.implementations.local import LocalFileSystem
from fsspec.tests import abstract

pytestmark = pytest.mark.thorough


class _Fixtures(abstract.AbstractFixtures):  # type: ignore[misc]  # fsspec has no types
    @pytest.fixture
    def local_fs(self) -> LocalFileSystem:
        return LocalFileSystem(auto_mkdir=True)

    @pytest.fixture
    def fs(self, place: tuple[Any, str]) -> Any:
        return place[0]

    @pytest.fixture
    def fs_path(self, place: tuple[Any, str]) -> str:
        return place[1]

    @pytest.fixture
    def supports_empty_directories(self, fs: Any) -> bool:
        return bool(fs.protocol != "ais")

    @pytest.fixture
    def fs_join(self) -> Callable[..., str]:
        return posixpath.join

    @pytest.fixture
    def local_path(self, tmp_path: Path) -> str:
        return str(tmp_path)


@pytest.mark.parametrize("place", ["blob"], indirect=True)
class TestCopy(_Fixtures, abstract.AbstractCopyTests):  # type: ignore[misc]
    test_copy_glob_edge_cases = None


@pytest.mark.parametrize("place", ["storage"], indirect=True)
class TestGet(_Fixtures, abstract.AbstractGetTests):  # type: ignore[misc]
    test_get_glob_edge_cases = None


class TestPut(_Fixtures, abstract.AbstractPutTests):  # type: ignore[misc]
    test_put_glob_edge_cases = None


class TestPipe(_Fixtures, abstract.AbstractPipeTests):  # type: ignore[misc]
    pass


class TestOpen(_Fixtures, abstract.AbstractOpenTests):  # type: ignore[misc]
    pass
