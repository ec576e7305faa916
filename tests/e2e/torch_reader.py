"""A training program: read a dataset through loaders of PyTorch, and print what was read.

Runs where PyTorch is installed: ``python torch_reader.py URL``. It prints one JSON object.
"""

from __future__ import annotations

import json
import multiprocessing
import pickle
import sys
import threading
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from neuro_client.aistore import AIStore, Dataset, Sample
from neuro_client.aistore.pytorch import IterableSamples

torch: Any = import_module("torch")
DataLoader: Any = import_module("torch.utils.data").DataLoader
FAR = {"fork": 2, "spawn": 2}


def key_of(sample: Sample) -> str:
    """Turn a sample into what the program prints."""
    return sample.key


def keys(batches: Iterable[Any]) -> list[str]:
    return [key for batch in batches for key in batch]


def loader(samples: Any, **options: Any) -> Any:
    return DataLoader(samples, batch_size=4, **options)


def plain(dataset: Dataset) -> dict[str, Any]:
    """Read without workers, in this process."""
    batches = list(DataLoader(IterableSamples(dataset), batch_size=3))
    members = {name: [bytes(item).decode() for item in batches[0][name]] for name in ("cls", "txt")}
    return {"keys": keys(batch["__key__"] for batch in batches), "first": members}


def workers(dataset: Dataset) -> dict[str, Any]:
    """Read with workers of both kinds, that stay for several epochs."""
    found: dict[str, Any] = {}
    for context, count in FAR.items():
        samples = IterableSamples(dataset, key_of)
        many = loader(
            samples, num_workers=count, persistent_workers=True, multiprocessing_context=context
        )
        epochs = []
        for epoch in (0, 1, 0):
            samples.set_epoch(epoch)
            epochs.append(keys(many))
        found[context] = epochs
    return found


def ranks(dataset: Dataset) -> list[list[str]]:
    """Read as two training processes would, one of which ``torch.distributed`` has told."""
    given = keys(loader(IterableSamples(dataset, key_of, rank=1, world_size=2)))
    store = Path(mkdtemp()) / "store"
    distributed = import_module("torch.distributed")
    distributed.init_process_group("gloo", init_method=f"file://{store}", rank=0, world_size=1)
    try:
        alone = keys(loader(IterableSamples(dataset, key_of)))
    finally:
        distributed.destroy_process_group()
    return [given, alone]


def early(dataset: Dataset) -> dict[str, Any]:
    """Leave loops early, and look what is left."""
    first = []
    for count in (0, 2):
        for batch in loader(IterableSamples(dataset, key_of), num_workers=count):
            first.append(batch[0])
            break
    threads = [one.name for one in threading.enumerate() if one.name == "neuro-samples"]
    return {"first": first, "threads": threads, "children": len(multiprocessing.active_children())}


def failing(client: AIStore) -> list[str]:
    """Read a bucket that does not exist."""
    found = []
    for count in (0, 1):
        try:
            list(loader(IterableSamples(client.bucket("nobody").dataset()), num_workers=count))
        except Exception as error:
            found.append(type(error).__name__)
    return found


def main() -> None:
    client = AIStore(sys.argv[1])
    dataset = client.bucket("train").dataset("shards/", shards=True, shuffle=True, seed=3)
    again = pickle.loads(pickle.dumps(IterableSamples(dataset, key_of)))
    found = {
        "plain": plain(dataset),
        "workers": workers(dataset),
        "ranks": ranks(dataset),
        "pickled": keys(loader(again)),
        "iterable": isinstance(again, import_module("torch.utils.data").IterableDataset),
        "early": early(dataset),
        "failing": failing(client),
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
