"""Clients, the cluster, AuthN; runs in the environment of the published SDK, not in ours."""

# mypy: ignore-errors

from __future__ import annotations

from aistore.sdk import AuthNClient, Client
from aistore.sdk.authn.access_attr import AccessAttr
from aistore.sdk.authn.errors import AuthNError
from aistore.sdk.errors import AISError
from steps_shared import Given, expected


class ClusterSteps(Given):
    """Look at the cluster."""

    def step_cluster(self) -> None:
        cluster = self.client.cluster()
        assert cluster.is_ready()
        smap = cluster.get_info()
        assert (len(smap.pmap), len(smap.tmap)) == (1, 2)
        assert smap.proxy_si.public_net.direct_url == self.url
        assert all(len(str(node.id_digest)) > 15 for node in smap.tmap.values()), smap
        assert cluster.get_primary_url() == self.url
        assert cluster.get_uuid() == smap.uuid
        assert cluster.client is not None
        self.bucket()
        assert cluster.list_buckets()
        assert [bucket.name for bucket in cluster.list_buckets("aws")] == ["cloud"]
        assert isinstance(cluster.get_performance(), dict)
        logs = cluster.get_cluster_logs()
        assert set(logs) == set(smap.tmap)
        target = next(iter(smap.tmap))
        assert cluster.get_node_log(target)
        assert cluster.get_node_log_archive(target)

    def step_cluster_jobs(self) -> None:
        cluster = self.client.cluster()
        bucket = self.bucket()
        self.put(bucket, {"a": b"a"})
        job = bucket.copy(self.unmade())
        self.done(job)
        assert job in {status.uuid for status in cluster.list_jobs_status("copy-bck")}
        assert cluster.list_jobs_status("copy-bucket") == []
        bucket.list_all_objects()
        assert any(name.startswith("list[") for name in cluster.list_running_jobs())

    def step_semantic_urls(self) -> None:
        bucket = self.bucket()
        self.put(bucket, {"a/b": b"text"})
        url = bucket.object("a/b").get_semantic_url()
        assert self.client.get_object_from_url(url).get_reader().read_all() == b"text"

    def step_authn(self) -> None:
        authn = AuthNClient(self.url)
        with expected(AISError, AuthNError):
            authn.login("admin", "wrong")
        token = authn.login("admin", "admin", expires_in=3600)
        assert token and authn.client is not None
        clusters = authn.cluster_manager()
        assert clusters.client is not None
        made = clusters.register("here", [self.url])
        assert clusters.get(cluster_id=made.id).alias == "here"
        assert made.id in clusters.list().clusters
        assert clusters.update(made.id, cluster_alias="there").alias == "there"
        roles = authn.role_manager()
        assert roles.client is not None
        roles.create("reader", "may read", "there", [AccessAttr.GET])
        assert roles.get("reader").desc == "may read"
        assert "reader" in {role.name for role in roles.list()}
        roles.update("reader", desc="reads")
        users = authn.user_manager()
        assert users.client is not None
        users.create("ann", ["reader"], "secret")
        assert users.get("ann").id == "ann"
        assert "ann" in users.list().root
        users.update("ann", password="better")
        assert Client(self.url, token=AuthNClient(self.url).login("ann", "better"))
        users.delete("ann")
        roles.delete("reader")
        clusters.delete(cluster_id=made.id)
        tokens = authn.token_manager()
        assert tokens.client is not None
        tokens.revoke(token)
        authn.login("admin", "admin")
        authn.logout()
