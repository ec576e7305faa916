"""Send an image of this machine's engine to the platform, look at it, and fetch it again."""

import asyncio
import sys

from neuro_client import AbstractDockerImageProgress, get


class Lines(AbstractDockerImageProgress):
    """Print what happens to each layer."""

    def step(self, data):
        print(data.message)

    def push(self, data):
        print(f"pushing {data.src} to {data.dst}")

    def pull(self, data):
        print(f"pulling {data.src}")

    def save(self, data):
        pass

    commit_started = commit_finished = save


async def main(name: str) -> None:
    async with get() as client:
        local = client.parse.local_image(name)
        remote = await client.images.push(local, progress=Lines())
        print(remote, await client.images.size(remote), await client.images.digest(remote))
        print([image.tag for image in await client.images.tags(remote.with_tag(None))])
        await client.images.pull(remote, client.parse.local_image(f"{name}-copy"))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
