"""The server: it leads the rounds, and keeps what comes out of them."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Mapping, Sequence
from typing import Any

from .common import (
    APP,
    EXCHANGE,
    OUT,
    SHARED,
    Failure,
    load,
    read_config,
    save,
    save_json,
    wait_for,
)
from .weights import average, read_checkpoint, write_checkpoint

_METRICS = OUT / "files_out" / "metrics.json"


class Server:
    """Lead the rounds."""

    def __init__(self, workers: Sequence[str], log: logging.Logger) -> None:
        self.workers = workers
        self.log = log
        arguments = _workflow(read_config("config_fed_server.json"))
        self.first = int(arguments.get("start_round", 0))
        self.rounds = int(arguments.get("num_rounds", 5))
        if self.rounds < 1:
            raise Failure("num_rounds must be at least 1")
        needed = int(arguments.get("min_clients", 1))
        if needed > len(workers):
            raise Failure(f"min_clients is {needed}, and there are {len(workers)} shards")

    def run(self) -> None:
        """Lead the rounds that are left, and store what comes out of each."""
        number, end = self._start(), self.first + self.rounds
        metrics = json.loads(_METRICS.read_text("utf-8")) if _METRICS.exists() else []
        while number < end:
            self.log.info("round %d of %d", number - self.first + 1, self.rounds)
            self._tell(number - self.first + 1)
            save(EXCHANGE / "next", number)
            answers = [load(wait_for(EXCHANGE / str(number) / name)) for name in self.workers]
            weights = self._averaged(answers)
            metrics = [one for one in metrics if one["round"] < number]
            metrics += [
                {"round": number, "worker": name, **answer["told"]}
                for name, answer in zip(self.workers, answers, strict=True)
            ]
            save_json(_METRICS, metrics)
            self._keep(weights)
            number += 1
            self._offer(number, weights)
        self.log.info("finished after %d rounds", self.rounds)
        save(EXCHANGE / "done", number)

    def _start(self) -> int:
        """Return the round to begin with: the first, or the one an earlier server was in."""
        known = [int(path.parent.name) for path in EXCHANGE.glob("*/global")]
        if known:
            self.log.info("going on with round %d", max(known) - self.first + 1)
            return max(known)
        weights = self._checkpoint()
        if weights is None:
            # All begin with the same model: that of the first worker.
            weights = load(wait_for(EXCHANGE / self.workers[0]))
        self._offer(self.first, weights)
        return self.first

    def _checkpoint(self) -> Any:
        for path in sorted((APP / "model").glob("*")):
            try:
                weights = read_checkpoint(path)
            except Exception as error:
                self.log.warning("model/%s cannot be read: %s", path.name, error)
            else:
                self.log.info("beginning with model/%s", path.name)
                return weights
        return None

    def _offer(self, number: int, weights: Any) -> None:
        folder = EXCHANGE / str(number)
        folder.mkdir(exist_ok=True)
        save(folder / "global", weights)
        shutil.rmtree(EXCHANGE / str(number - 2), ignore_errors=True)

    def _averaged(self, answers: Sequence[Mapping[str, Any]]) -> Any:
        samples = [float(answer["samples"]) for answer in answers]
        total = sum(samples)
        if min(samples) < 0 or total <= 0:
            raise Failure("the workers trained on no samples")
        return average([one["weights"] for one in answers], [one / total for one in samples])

    def _tell(self, number: int) -> None:
        told = {"current_round": number, "num_rounds": self.rounds}
        save_json(SHARED / "status.json", told)

    def _keep(self, weights: Any) -> None:
        folder = OUT / "model_out"
        folder.mkdir(exist_ok=True)
        write_checkpoint(folder, weights)


def _workflow(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the arguments of the workflow that has rounds."""
    for workflow in config.get("workflows") or []:
        arguments = workflow.get("args") or {}
        if "num_rounds" in arguments:
            return dict(arguments)
    return {}
