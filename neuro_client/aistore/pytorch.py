"""A dataset for PyTorch; the only module that imports it (docs/howto/datasets.md)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

import attrs

from ..errors import ConfigError
from .dataset.api import Dataset
from .dataset.samples import Sample
from .dataset.threads import SampleThread

Transform = Callable[[Sample], Any]

_base: Any = object
try:
    _data: Any = import_module("torch.utils.data")
except ImportError:
    _data = None
else:
    _base = _data.IterableDataset


def as_dict(sample: Sample) -> dict[str, Any]:
    """Return a sample as loaders of WebDataset do: its members, and its key as ``__key__``."""
    return {"__key__": sample.key, **sample.members}


class IterableSamples(_base):  # type: ignore[misc]
    """Give the samples of a dataset to a ``DataLoader``.

    Each worker process reads its own share, in a thread with connections of its own. Of several
    training processes, say which this is by ``rank`` and ``world_size``; by default
    ``torch.distributed`` tells, if it was set up before. ``transform`` turns each sample into what
    the training takes, by default a dictionary. It must be possible to pickle what is given.

    Raises:
        ConfigError: PyTorch is not installed.
    """

    def __init__(
        self,
        dataset: Dataset,
        transform: Transform = as_dict,
        *,
        rank: int | None = None,
        world_size: int | None = None,
    ) -> None:
        if _data is None:
            raise ConfigError("IterableSamples needs PyTorch; run `pip install torch`")
        super().__init__()
        if (rank is None) != (world_size is None):
            raise ValueError("give both rank and world_size, or neither")
        if rank is None or world_size is None:
            rank, world_size = _place(dataset)
        self._dataset = dataset.detached(rank=rank, world_size=world_size)
        self._transform = transform
        # Workers that stay from one epoch to the next see what is set later, in shared memory.
        self._epoch = import_module("torch").tensor(dataset.epoch).share_memory_()

    def set_epoch(self, epoch: int) -> None:
        """Choose the order of the next iteration, where samples are shuffled."""
        self._epoch.fill_(epoch)

    def __iter__(self) -> Iterator[Any]:
        info = _data.get_worker_info()
        worker, workers = (0, 1) if info is None else (info.id, info.num_workers)
        share = attrs.evolve(
            self._dataset, epoch=int(self._epoch), worker=worker, num_workers=workers
        )
        with SampleThread(share) as samples:
            for sample in samples:
                yield self._transform(sample)


def _place(dataset: Dataset) -> tuple[int, int]:
    """Return rank and number of the training processes."""
    distributed = import_module("torch.distributed")
    if distributed.is_available() and distributed.is_initialized():
        return distributed.get_rank(), distributed.get_world_size()
    return dataset.rank, dataset.world_size
