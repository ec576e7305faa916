"""The ``aws`` command line against the S3 endpoint; runs in its environment."""

# mypy: ignore-errors

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from programs import Program
from shared import (
    MIB,
    ODD_KEYS,
    expected,
    plain_get,
    refused_plainly,
    run,
    same,
    tree,
)

# A path of two slashes in a row is one of its own to no shell.
KEYS = tuple(key for key in ODD_KEYS if "//" not in key)


class Aws(Program):
    def __init__(self, given) -> None:
        super().__init__(given)
        program = Path(sys.executable).parent / "aws"
        self.before = (sys.executable, str(program), "--endpoint-url", self.endpoint)
        os.environ["AWS_CONFIG_FILE"] = str(self.local("config", b""))  # not the user's own

    def api(self, operation, *words, **more):
        text = self.says("s3api", operation, "--bucket", self.bucket, *words, **more)
        return json.loads(text or b"{}")

    def step_objects(self) -> None:
        bodies = {self.key(f"objects/{name}"): name.encode() * 50 for name in KEYS}
        for key, body in bodies.items():
            path, back = self.local("body", body), self.local("body.back")
            put = self.api(
                "put-object", "--key", key, "--body", path, "--metadata", "who=aws",
            )  # fmt: skip
            head = self.api("head-object", "--key", key)
            same((head["ContentLength"], head["ETag"]), (len(body), put["ETag"]))
            same(head["Metadata"], {"who": "aws"})
            self.api("get-object", "--key", key, "--range", "bytes=3-9", back)
            same(back.read_bytes(), body[3:10])
        listed = self.api("list-objects-v2", "--prefix", self.key("objects/"), "--page-size", 2)
        same([one["Key"] for one in listed["Contents"]], sorted(bodies, key=str.encode))
        shown = self.says("s3", "ls", self.uri("objects/")).decode()
        same(sum("PRE " in line for line in shown.splitlines()), 2)
        assert " what?#then" in shown, shown
        shown = self.says("s3", "ls", "--recursive", "--summarize", self.uri("objects/")).decode()
        assert f"Total Objects: {len(KEYS)}" in shown, shown
        several = {"Objects": [{"Key": key} for key in list(bodies)[:2]]}
        self.api("delete-objects", "--delete", json.dumps(several))
        with expected(AssertionError, "404"):
            self.api("head-object", "--key", next(iter(bodies)))
        self.says("s3", "rm", "--recursive", self.uri("objects"))
        self.says("s3", "ls", self.uri("objects/"), code=1)

    def step_parts(self) -> None:
        body = self.body(17 * MIB)  # its parts are of 8 MiB
        path, back = self.local("parts", body), self.local("parts.back")
        self.says("s3", "cp", path, self.uri("parts"))
        assert self.api("head-object", "--key", self.key("parts"))["ETag"].endswith('-3"')
        self.says("s3", "cp", self.uri("parts"), back)
        same(back.read_bytes(), body)
        self.says("s3", "cp", "-", self.uri("stream"), stdin=body)
        same(self.says("s3", "cp", self.uri("stream"), "-"), body)
        begun = self.api("create-multipart-upload", "--key", self.key("left"))["UploadId"]
        told = ("--key", self.key("left"), "--upload-id", begun)
        self.api("upload-part", *told, "--part-number", 1, "--body", path)
        same([one["Size"] for one in self.api("list-parts", *told)["Parts"]], [len(body)])
        listed = self.api("list-multipart-uploads", "--prefix", self.key("left"))["Uploads"]
        same([one["UploadId"] for one in listed], [begun])
        self.api("abort-multipart-upload", *told)
        assert not self.api("list-multipart-uploads", "--prefix", self.key("left")).get("Uploads")

    def step_copy(self) -> None:
        body = self.body(17 * MIB)
        self.says("s3", "cp", self.local("origin", body), self.uri("copy/a ü%"))
        self.says("s3", "cp", self.uri("copy/a ü%"), self.uri("copy/b +"))
        same(self.says("s3", "cp", self.uri("copy/b +"), "-"), body)
        self.says("s3", "mv", self.uri("copy/b +"), self.uri("copy/moved"))
        same(self.api("head-object", "--key", self.key("copy/moved"))["ContentLength"], len(body))
        with expected(AssertionError, "404"):
            self.api("head-object", "--key", self.key("copy/b +"))

    def step_presign(self) -> None:
        self.says("s3", "cp", "-", self.uri("signed/a b+ü"), stdin=b"by an address")
        got = self.says("s3", "presign", self.uri("signed/a b+ü")).decode().strip()
        same(plain_get(got), b"by an address")
        refused_plainly(got.replace("signed", "other"), 403)

    def step_sync(self) -> None:
        self.says("s3", "sync", self.source, self.uri("tree"))
        wanted, back = tree(self.source), self.local("back")
        same(self.says("s3", "sync", self.source, self.uri("tree")), b"")
        self.says("s3", "sync", self.uri("tree"), back)
        same(tree(back), wanted)
        same(self.says("s3", "sync", self.uri("tree"), back), b"")
        (back / "one").unlink()
        self.says("s3", "sync", "--delete", back, self.uri("second"))
        (back / "empty").unlink()
        shown = self.says("s3", "sync", "--delete", back, self.uri("second")).decode()
        assert shown.count("delete: ") == 1, shown
        self.says("s3", "sync", f"s3://{self.bucket}/ours", self.local("ours"))
        same(tree(self.local("ours")), wanted)

    def step_refusals(self) -> None:
        path = self.local("refused", b"never")
        put = ("s3", "cp", path, self.uri("refused"))
        self.fails("SignatureDoesNotMatch", *put, code=1, given={"secret_access_key": "wrong"})
        self.fails("AccessDenied", *put, code=1, given=self.given["reader"])
        self.fails("404", "s3", "cp", self.uri("refused"), "-", code=1)
        foreign = f"s3://{self.given['foreign_bucket']}"
        self.fails("AccessDenied", "s3", "ls", foreign, code=255)


if __name__ == "__main__":
    run(Aws)
