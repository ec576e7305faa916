"""s5cmd, on the SDK of Amazon for Go, against the S3 endpoint."""

# mypy: ignore-errors

from __future__ import annotations

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from programs import Program
from shared import (
    MIB,
    ODD_KEYS,
    plain_get,
    refused_plainly,
    run,
    same,
    tree,
)

KEYS = tuple(key for key in ODD_KEYS if "//" not in key and not set("*?") & set(key))


class S5Cmd(Program):
    def __init__(self, given) -> None:
        super().__init__(given)
        self.before = (given["s5cmd"], "--endpoint-url", self.endpoint, "--retry-count", "0")

    def listed(self, pattern):
        """Return sizes by keys, as the program lists them in JSON."""
        lines = self.says("--json", "ls", pattern).splitlines()
        return {one["key"]: one.get("size", 0) for one in map(json.loads, lines)}

    def head(self, key):
        return json.loads(self.says("--json", "head", self.uri(key)))

    def step_objects(self) -> None:
        for name in KEYS:
            body = name.encode() * 50
            self.says("cp", self.local("body", body), self.uri(f"objects/{name}"))
            same(self.says("cat", self.uri(f"objects/{name}")), body)
            head = self.head(f"objects/{name}")
            same(head["size"], len(body))
        wanted = {self.uri(f"objects/{name}"): len(name.encode()) * 50 for name in KEYS}
        same(self.listed(self.uri("objects/*")), wanted)
        shown = self.says("ls", self.uri("objects/"))
        same(shown.count(b" DIR "), sum("/" in name for name in KEYS))
        assert f"{sum(wanted.values())} ".encode() in self.says("du", self.uri("objects/*"))
        self.says("rm", self.uri("objects/plain"))
        self.fails("not found", "head", self.uri("objects/plain"), code=1)
        self.says("rm", self.uri("objects/*"))
        self.fails("no object found", "ls", self.uri("objects/*"), code=1)

    def step_parts(self) -> None:
        body, back = self.body(), self.local("parts.back")
        parts = ("--part-size", 5, "--concurrency", 4)
        self.says("cp", *parts, self.local("parts", body), self.uri("parts"))
        assert self.head("parts")["etag"].strip('"').endswith("-3")
        self.says("cp", *parts, self.uri("parts"), back)
        same(back.read_bytes(), body)
        self.says("pipe", self.uri("stream"), stdin=body)
        same(self.says("cat", self.uri("stream")), body)

    def step_copy(self) -> None:
        body = self.body(11 * MIB)
        self.says("cp", self.local("origin", body), self.uri("copy/a ü%"))
        self.says("cp", self.uri("copy/a ü%"), self.uri("copy/b +"))
        same(self.says("cat", self.uri("copy/b +")), body)
        self.says("mv", self.uri("copy/b +"), self.uri("copy/moved"))
        found = self.listed(self.uri("copy/*"))
        same(set(found), {self.uri("copy/a ü%"), self.uri("copy/moved")})

    def step_presign(self) -> None:
        self.says("pipe", self.uri("signed/a b+ü"), stdin=b"by an address")
        got = self.says("presign", self.uri("signed/a b+ü")).decode().strip()
        same(plain_get(got), b"by an address")
        refused_plainly(got.replace("signed", "other"), 403)

    def step_sync(self) -> None:
        wanted, back = tree(self.source), self.local("back")
        sent = self.says("sync", f"{self.source}/", self.uri("tree/"))
        same(sent.count(b"cp "), len(wanted))
        same(self.says("sync", f"{self.source}/", self.uri("tree/")), b"")
        self.says("sync", self.uri("tree/*"), f"{back}/")
        same(tree(back), wanted)
        self.says("sync", f"{back}/", self.uri("second/"))
        (back / "one").unlink()
        shown = self.says("sync", "--delete", f"{back}/", self.uri("second/"))
        same(shown.split(), [b"rm", self.uri("second/one").encode()])
        self.says("cp", f"s3://{self.bucket}/ours/*", f"{self.local('ours')}/")
        same(tree(self.local("ours")), wanted)

    def step_refusals(self) -> None:
        put = ("cp", self.local("refused", b"never"), self.uri("refused"))
        self.fails("SignatureDoesNotMatch", *put, code=1, given={"secret_access_key": "wrong"})
        self.fails("AccessDenied", *put, code=1, given=self.given["reader"])
        self.fails("not found", "cat", self.uri("refused"), code=1)
        self.fails("AccessDenied", "ls", f"s3://{self.given['foreign_bucket']}", code=1)


if __name__ == "__main__":
    run(S5Cmd)
