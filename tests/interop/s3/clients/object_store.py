"""obstore, which speaks S3 in Rust, against the S3 endpoint; runs in its environment."""

# mypy: ignore-errors

from __future__ import annotations

import asyncio
import sys
from datetime import timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import obstore
from obstore.exceptions import (
    AlreadyExistsError,
    BaseError,
    NotModifiedError,
    PreconditionError,
)
from obstore.store import S3Store
from shared import (
    MIB,
    ODD_KEYS,
    PART,
    Scenario,
    expected,
    plain_get,
    plain_put,
    refused_plainly,
    run,
    same,
    tree,
)

# It takes no key with an empty part between slashes.
KEYS = tuple(key for key in ODD_KEYS if "//" not in key)


class ObjectStore(Scenario):
    def store(self, bucket=None, **changed):
        opening = {**self.given, **changed}
        return S3Store(
            bucket or self.bucket,
            endpoint=self.endpoint,
            region=self.region,
            access_key_id=opening["access_key_id"],
            secret_access_key=opening["secret_access_key"],
            **({"session_token": token} if (token := opening.get("session_token")) else {}),
            virtual_hosted_style_request=False,
            client_options={"allow_http": True},
            retry_config={"max_retries": 0},
        )

    def step_objects(self) -> None:
        store = self.store()
        bodies = {self.key(f"objects/{name}"): name.encode() * 50 for name in KEYS}
        for key, body in bodies.items():
            put = obstore.put(store, key, body, attributes={"Content-Type": "text/odd"})
            head = obstore.head(store, key)
            same((head["size"], head["e_tag"], head["path"]), (len(body), put["e_tag"], key))
            got = obstore.get(store, key)
            same((bytes(got.bytes()), got.attributes["Content-Type"]), (body, "text/odd"))
            same(bytes(obstore.get_range(store, key, start=3, length=7)), body[3:10])
            spans = obstore.get_ranges(store, key, starts=[0, 20], lengths=[5, 10])
            same([bytes(span) for span in spans], [body[:5], body[20:30]])
            with expected(NotModifiedError, "304"):
                obstore.get(store, key, options={"if_none_match": put["e_tag"]})
            with expected(PreconditionError, "412"):
                obstore.get(store, key, options={"if_match": '"another"'})
            with expected(AlreadyExistsError, "412"):
                obstore.put(store, key, b"again", mode="create")
            obstore.put(store, key, body, mode={"e_tag": put["e_tag"]})
        with expected(PreconditionError, "412"):
            obstore.put(store, key, b"again", mode={"e_tag": '"another"'})
        pages = obstore.list(store, self.key("objects"), chunk_size=3)
        same({one["path"] for page in pages for one in page}, set(bodies))
        grouped = obstore.list_with_delimiter(store, self.key("objects"))
        tops = {name.partition("/")[0] for name in KEYS if "/" in name}
        same(set(grouped["common_prefixes"]), {self.key(f"objects/{top}") for top in tops})
        same(len(grouped["objects"]), sum("/" not in name for name in KEYS))
        obstore.delete(store, list(bodies))
        same(list(obstore.list(store, self.key("objects"))), [])
        with expected(FileNotFoundError, "404", "not found"):
            obstore.head(store, next(iter(bodies)))

    def step_parts(self) -> None:
        store, key, body = self.store(), self.key("parts"), self.body()
        obstore.put(store, key, body, use_multipart=True, chunk_size=PART, max_concurrency=4)
        assert obstore.head(store, key)["e_tag"].endswith('-3"')
        chunks = obstore.get(store, key).stream(min_chunk_size=MIB)
        same(b"".join(bytes(chunk) for chunk in chunks), body)
        with obstore.open_writer(store, key, buffer_size=PART) as writer:
            for start in range(0, len(body), MIB):
                writer.write(body[start : start + MIB])
        same(bytes(obstore.get(store, key).bytes()), body)

    def step_copy(self) -> None:
        store, origin, target = self.store(), self.key("copy/a ü%"), self.key("copy/b +#")
        body = self.body(11 * MIB)
        obstore.put(store, origin, body, use_multipart=False)
        obstore.copy(store, origin, target)
        same(bytes(obstore.get(store, target).bytes()), body)
        obstore.rename(store, target, self.key("copy/moved"))
        same(obstore.head(store, self.key("copy/moved"))["size"], len(body))
        with expected(FileNotFoundError, "404", "not found"):
            obstore.head(store, target)

    def step_presign(self) -> None:
        store, key, life = self.store(), self.key("signed/a b+ü"), timedelta(minutes=5)
        plain_put(obstore.sign(store, "PUT", key, life), b"by an address")
        got = obstore.sign(store, "GET", key, life)
        same(plain_get(got), b"by an address")
        refused_plainly(got.replace("signed", "other"), 403)

    async def step_sync(self) -> None:
        store, wanted = self.store(), tree(self.source)
        sending = [
            obstore.put_async(store, self.key(f"tree/{name}"), self.source / name, chunk_size=PART)
            for name in wanted
        ]
        for result in asyncio.as_completed(sending):
            await result
        for prefix in (self.key("tree/"), "ours/"):
            found = {}
            async for page in obstore.list(store, prefix.rstrip("/"), chunk_size=3):
                for item in page:
                    name = item["path"].removeprefix(prefix)
                    if name not in _folders(wanted):  # their markers lose the slash here
                        got = await obstore.get_async(store, item["path"])
                        found[name] = bytes(await got.bytes_async())
            same(found, wanted)

    def step_refusals(self) -> None:
        key = self.key("refused")
        with expected(BaseError, "SignatureDoesNotMatch"):
            obstore.get(self.store(secret_access_key="wrong"), key)
        with expected(BaseError, "AccessDenied"):
            obstore.put(self.store(**self.given["reader"]), key, b"never")
        with expected(FileNotFoundError, "NoSuchKey", "404", "not found"):
            obstore.get(self.store(), key)
        with expected(BaseError, "AccessDenied"):
            list(obstore.list(self.store(self.given["foreign_bucket"])))


def _folders(names):
    below = {parent.as_posix() for name in names for parent in Path(name).parents}
    return {*below, "ours"}


if __name__ == "__main__":
    run(ObjectStore)
