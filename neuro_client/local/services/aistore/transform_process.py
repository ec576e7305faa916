"""Run a transform on one object: instructions and bytes come on the standard input.

The first line is JSON, all the rest the object; the result goes to the standard output. What the
code prints itself goes to the standard error. Nothing of the package is imported here.
"""

from __future__ import annotations

import base64
import io
import json
import os
import pickle
import subprocess
import sys
from typing import Any


def main() -> None:
    """Read, transform, write."""
    head, _, data = sys.stdin.buffer.read().partition(b"\n")
    instructions = json.loads(head)
    with os.fdopen(os.dup(1), "wb") as out:
        os.dup2(2, 1)
        out.write(transformed(instructions, data))


def transformed(instructions: dict[str, Any], data: bytes) -> bytes:
    """Return the result of the code that came with the transform."""
    if "class" in instructions:
        made: Any = pickle.loads(base64.b64decode(instructions["class"]))
        # Its set-up belongs to a server that is not run here.
        server = object.__new__(made)
        return bytes(server.transform(data, instructions["path"], instructions["arguments"]))
    source = base64.b64decode(instructions["code"])
    if instructions["io"]:
        done = subprocess.run([sys.executable, "-c", source], input=data, stdout=-1, check=True)
        return done.stdout
    names: dict[str, Any] = {"__name__": "transform"}
    exec(compile(source, "transform", "exec"), names)
    function = names[instructions["function"]]
    if instructions["chunk_size"]:
        result = io.BytesIO()
        function(io.BytesIO(data), result)
        return result.getvalue()
    return bytes(function(data))


if __name__ == "__main__":
    main()
