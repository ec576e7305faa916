"""The program of one member of a task."""

from __future__ import annotations

import contextlib
import io
import logging
import sys
import traceback
from collections.abc import Iterator, Sequence

from .common import APP, EXCHANGE, OUT, Failure, save_json
from .server import Server
from .worker import Worker

_LOG = OUT / "files_out" / "training_log.txt"


class Lines(io.TextIOBase):
    """Pass what is printed to the log, a line at a time."""

    def __init__(self, log: logging.Logger, level: int) -> None:
        self._log = log
        self._level = level
        self._rest = ""

    def write(self, text: str) -> int:
        """Take a text."""
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            self._log.log(self._level, "%s", line)
        return len(text)


@contextlib.contextmanager
def logging_as(name: str) -> Iterator[logging.Logger]:
    """Give the logger of a member; all write into one file."""
    _LOG.parent.mkdir(parents=True, exist_ok=True)
    log = logging.getLogger(name)
    form = f"%(asctime)s - %(levelname)s - {name}: %(message)s"
    logging.basicConfig(filename=_LOG, level=logging.INFO, format=form)
    printed = Lines(log, logging.INFO)
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        yield log
        printed.write("\n" if printed._rest else "")


def main(name: str, workers: Sequence[str]) -> int:
    """Be one member of a task; return the exit code."""
    sys.path.insert(0, str(APP / "scripts"))
    with logging_as(name) as log:
        try:
            (Server(workers, log) if name == "server" else Worker(name, log)).run()
        except Failure as failure:
            reason = str(failure)
        except Exception as error:
            log.error("%s", traceback.format_exc())
            reason = f"{type(error).__name__}: {error}"
        else:
            return 0
        log.error("%s", reason)
        save_json(EXCHANGE / f"failed-{name}", {"reason": reason})
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
