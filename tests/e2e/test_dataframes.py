"""pandas and pyarrow read and write through both fsspec file systems."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import fsspec
import pytest
from fsspec.asyn import get_loop, sync

from neuro_client.fs import BlobFileSystem, StorageFileSystem

from ..integration.cli.kit import Program

# They have no types.
pd, pa, ds, pq = (
    import_module(name) for name in ("pandas", "pyarrow", "pyarrow.dataset", "pyarrow.parquet")
)

FRAME = pd.DataFrame(
    {"step": range(1000), "loss": [1 / (1 + n) for n in range(1000)], "name": ["é"] * 1000}
)


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Start a platform with the bucket ``data`` and give the folder of a login to it."""
    get_loop()  # fsspec's own thread stays to the end of the process
    home = tmp_path_factory.mktemp("frames")
    program = Program(home, home / "config")
    data = str(home / "data")
    try:
        program.run("local", "up", "--detach", "--port", "0", "--data", data)
        program.run("login", "--local", "--data", data)
        program.run("bucket", "create", "data")
        program.run("storage", "mkdir", "storage:data")
        yield program.config
    finally:
        program.run("local", "down", "--data", data)


@pytest.fixture(params=["blob", "storage"])
def fs(request: pytest.FixtureRequest, config: Path) -> Iterator[Any]:
    """Give one file system after the other."""
    found = fsspec.filesystem(request.param, config=config)
    yield found
    for kind in (BlobFileSystem, StorageFileSystem):
        kind.clear_instance_cache()
    sync(found.loop, found.aclose)


def test_pandas_reads_and_writes_urls(fs: Any, config: Path) -> None:
    root = f"{fs.protocol}://default/user/data"
    options = {"config": config}
    FRAME.to_csv(f"{root}/a frame.csv", index=False, storage_options=options)
    FRAME.to_parquet(f"{root}/frame.parquet", storage_options=options)
    pd.testing.assert_frame_equal(
        pd.read_csv(f"{root}/a frame.csv", storage_options=options), FRAME
    )
    pd.testing.assert_frame_equal(
        pd.read_parquet(f"{root}/frame.parquet", storage_options=options), FRAME
    )
    some = pd.read_parquet(f"{root}/frame.parquet", columns=["loss"], storage_options=options)
    assert list(some) == ["loss"]


def test_pyarrow_reads_and_writes_tables_and_data_sets(fs: Any) -> None:
    table = pa.Table.from_pandas(FRAME, preserve_index=False)
    pq.write_table(table, "default/user/data/table.parquet", filesystem=fs)
    assert pq.read_table("default/user/data/table.parquet", filesystem=fs).equals(table)

    root = "default/user/data/many"
    parted = table.append_column("part", pa.array([n % 3 for n in range(1000)]))
    how = ds.partitioning(pa.schema([("part", pa.int64())]), flavor="hive")
    ds.write_dataset(parted, root, format="parquet", partitioning=how, filesystem=fs)
    found = ds.dataset(root, format="parquet", partitioning=how, filesystem=fs)
    assert found.count_rows() == 1000
    chosen = found.to_table(filter=ds.field("part") == 2).sort_by("step")
    assert chosen["step"].to_pylist() == list(range(2, 1000, 3))
