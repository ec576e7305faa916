"""s3cmd, which signs by itself, against the S3 endpoint; runs in its environment."""

# mypy: ignore-errors

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from urllib.parse import urlsplit

sys.path.insert(0, str(Path(__file__).parent))

from programs import Program
from shared import (
    MIB,
    ODD_KEYS,
    run,
    same,
    tree,
)

KEYS = tuple(key for key in ODD_KEYS if "//" not in key)


class S3Cmd(Program):
    def __init__(self, given) -> None:
        super().__init__(given)
        host = urlsplit(self.endpoint).netloc
        program = Path(sys.executable).parent / "s3cmd"
        self.before = (
            sys.executable, str(program), "--config", str(self.local("config", b"")), "--no-ssl",
            "--host", host, "--host-bucket", host, "--region", self.region, "--no-progress",
        )  # fmt: skip

    def says(self, *words, given=None, **more):
        opening = {**self.given, **(given or {})}
        keys = [
            f"--access_key={opening['access_key_id']}",
            f"--secret_key={opening['secret_access_key']}",
        ]
        if token := opening.get("session_token"):
            keys.append(f"--access_token={token}")
        return super().says(*keys, *words, given=given, **more)

    def read(self, key):
        back = self.local("back")
        self.says("get", "--force", self.uri(key), back)
        return back.read_bytes()

    def step_objects(self) -> None:
        for name in KEYS:
            body = name.encode() * 50
            self.says(
                "put", "--add-header", "x-amz-meta-who:s3cmd", self.local("body", body),
                self.uri(f"objects/{name}"),
            )  # fmt: skip
            same(self.read(f"objects/{name}"), body)
            shown = self.says("ls", "--list-md5", self.uri(f"objects/{name}")).decode()
            assert f" {len(body)} " in shown and hashlib.md5(body).hexdigest() in shown, shown
        shown = self.says("ls", "--recursive", self.uri("objects/")).decode()
        same(
            {line.partition("s3://")[2] for line in shown.splitlines()},
            {self.uri(f"objects/{name}").removeprefix("s3://") for name in KEYS},
        )
        same(self.says("ls", self.uri("objects/")).count(b" DIR "), 2)
        total = sum(len(name.encode()) * 50 for name in KEYS)
        assert f"{total} " in self.says("du", self.uri("objects/")).decode()
        self.says("rm", self.uri("objects/plain"))
        self.fails("does not exist", "get", self.uri("objects/plain"), "-", code=64)
        self.says("rm", "--recursive", "--force", self.uri("objects/"))
        same(self.says("ls", "--recursive", self.uri("objects/")), b"")

    def step_parts(self) -> None:
        body = self.body()
        parts = ("--multipart-chunk-size-mb", 5)
        self.says("put", *parts, self.local("parts", body), self.uri("parts"))
        same(self.read("parts"), body)
        self.local("back").write_bytes(body[:5_000_000])
        self.says("get", "--continue", self.uri("parts"), self.local("back"))
        same(self.local("back").read_bytes(), body)
        assert b"Initiated" in self.says("multipart", f"s3://{self.bucket}")

    def step_copy(self) -> None:
        body = self.body(11 * MIB)
        self.says("put", "--disable-multipart", self.local("origin", body), self.uri("copy/a ü%"))
        self.says("cp", self.uri("copy/a ü%"), self.uri("copy/b +"))
        same(self.read("copy/b +"), body)
        self.says("mv", self.uri("copy/b +"), self.uri("copy/moved"))
        same(self.read("copy/moved"), body)
        same(self.says("ls", self.uri("copy/")).count(b"s3://"), 2)

    def step_sync(self) -> None:
        self.says("sync", f"{self.source}/", self.uri("tree/"))
        wanted, back = tree(self.source), self.local("synced")
        again = self.says("sync", f"{self.source}/", self.uri("tree/"))
        assert b"upload:" not in again, again
        back.mkdir()
        self.says("sync", self.uri("tree/"), f"{back}/")
        same(tree(back), wanted)
        (back / "one").unlink()
        shown = self.says("sync", "--delete-removed", f"{back}/", self.uri("tree/"))
        assert shown.count(b"delete: ") == 1, shown
        self.says("put", self.source / "one", self.uri("tree/one"))
        ours = self.local("ours")
        ours.mkdir()
        self.says("sync", f"s3://{self.bucket}/ours/", f"{ours}/")
        same(tree(ours), wanted)

    def step_refusals(self) -> None:
        put = ("put", self.local("refused", b"never"), self.uri("refused"))
        self.fails("SignatureDoesNotMatch", *put, code=77, given={"secret_access_key": "wrong"})
        self.fails("AccessDenied", *put, code=77, given=self.given["reader"])
        self.fails("does not exist", "get", self.uri("refused"), "-", code=64)
        self.fails("AccessDenied", "ls", f"s3://{self.given['foreign_bucket']}", code=77)


if __name__ == "__main__":
    run(S3Cmd)
