"""Drive the published client's disks, secrets, rights and service accounts; runs with it."""

# mypy: ignore-errors

from __future__ import annotations

import asyncio
import base64
import json
from datetime import timedelta

import neuro_sdk
from sdk_shared import Given, all_of, expected
from yarl import URL


class ResourceSteps(Given):
    """Each ``step_…`` is one scenario."""

    async def step_disks(self) -> None:
        async with self.client() as client:
            disks = client.disks
            made = await disks.create(2**20, timedelta(hours=1), "sdk-disk")
            assert (made.storage, made.name, made.owner) == (2**20, "sdk-disk", "user")
            assert made.timeout_unused == timedelta(hours=1)
            assert made.status == neuro_sdk.Disk.Status.READY
            assert made.uri == URL(f"disk://default/user/{made.id}")
            assert await disks.get("sdk-disk") == await disks.get(made.id) == made
            assert made.id in [disk.id for disk in await all_of(disks.list())]
            with expected(neuro_sdk.IllegalArgumentError):
                await disks.create(2**20, name="sdk-disk")
            volume = neuro_sdk.DiskVolume(made.uri, "/mnt/data", False)
            job = await self.start(client, "sh -c 'echo x > /mnt/data/x'", disk_volumes=[volume])
            assert (await self.ended(client, job.id)).history.exit_code == 0
            while not (await disks.get(made.id)).used_bytes:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
            await disks.rm("sdk-disk")
            with expected(neuro_sdk.ResourceNotFound):
                await disks.get(made.id)

    async def step_secrets(self) -> None:
        async with self.client() as client:
            secrets = client.secrets
            await secrets.add("sdk-secret", b"hush \xff")
            [found] = await all_of(secrets.list())
            assert (found.key, found.owner) == ("sdk-secret", "user")
            assert found.uri == URL("secret://default/user/sdk-secret")
            job = await self.start(
                client, "sh -c 'printf %s \"$S\" | cmp - /run/secret'",
                secret_env={"S": found.uri},
                secret_files=[neuro_sdk.SecretFile(found.uri, "/run/secret")],
            )  # fmt: skip
            assert (await self.ended(client, job.id)).history.exit_code == 0
            await secrets.rm("sdk-secret")
            with expected(neuro_sdk.ResourceNotFound):
                await secrets.rm("sdk-secret")
            with expected(neuro_sdk.IllegalArgumentError):
                await secrets.add("sdk-secret", b"")

    async def step_service_accounts(self) -> None:
        async with self.client() as client:
            accounts = client.service_accounts
            made, token = await accounts.create("sdk-account", "default")
            assert (made.name, made.default_cluster) == ("sdk-account", "default")
            assert await accounts.get(made.id) == await accounts.get("sdk-account") == made
            assert made in await all_of(accounts.list())
            with expected(neuro_sdk.IllegalArgumentError):
                await accounts.create("sdk-account")
            factory = neuro_sdk.Factory(self.folder / "robot")
            await factory.login_with_passed_config(token)
            bare = neuro_sdk.Factory(self.folder / "robot-bare")
            inner = json.loads(base64.b64decode(token))["token"]
            await bare.login_with_token(inner, url=self.url)
            async with await factory.get() as robot, await bare.get() as same:
                assert robot.username == same.username == made.role
                assert await all_of(robot.secrets.list()) == []
                await accounts.rm("sdk-account")
                with expected(neuro_sdk.AuthenticationError):
                    await all_of(robot.secrets.list())
            with expected(neuro_sdk.ResourceNotFound):
                await accounts.get("sdk-account")

    async def step_rights(self) -> None:
        async with self.client() as client, await self.as_bob() as bob:
            await client.storage.create(URL("storage:given"), b"shared")
            uri = URL("storage://default/user/given")
            wanted = neuro_sdk.Permission(uri, neuro_sdk.Action.READ)
            assert await client.users.share("bob", wanted) == wanted
            assert (await bob.storage.stat(uri)).size == 6
            assert neuro_sdk.Share("bob", wanted) in await client.users.get_shares("user")
            assert await bob.users.get_acl("bob", uri=uri) == [wanted]
            await client.users.revoke("bob", uri)
            with expected(neuro_sdk.ResourceNotFound, neuro_sdk.AuthorizationError):
                await bob.storage.stat(uri)
            await client.users.add("user/sdk")
            assert "user/sdk" in await client.users.get_subroles("user")
            await client.users.remove("user/sdk")
            assert "user/sdk" not in await client.users.get_subroles("user")
