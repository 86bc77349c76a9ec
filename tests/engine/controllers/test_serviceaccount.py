from pilothouse.model.kinds import CONFIGMAPS, NAMESPACES, SERVICEACCOUNTS
from tests.engine.controllers.conftest import Cluster


async def test_a_new_namespace_gets_an_account_and_the_clusters_certificate(cluster: Cluster) -> None:
    await cluster.create(NAMESPACES, {"metadata": {"name": "team"}})
    await cluster.until_one(SERVICEACCOUNTS, "default", lambda _: True, "team")
    found = await cluster.until_one(CONFIGMAPS, "kube-root-ca.crt", lambda _: True, "team")
    assert found["data"] == {"ca.crt": "PEM"}


async def test_what_somebody_deletes_or_changes_comes_back(cluster: Cluster) -> None:
    account = await cluster.until_one(SERVICEACCOUNTS, "default", lambda _: True)
    await cluster.until_one(CONFIGMAPS, "kube-root-ca.crt", lambda _: True)
    await cluster.client.delete(SERVICEACCOUNTS, "default", "default")
    uid = account["metadata"]["uid"]
    await cluster.until_one(SERVICEACCOUNTS, "default", lambda each: each["metadata"]["uid"] != uid)
    await cluster.patch(CONFIGMAPS, "kube-root-ca.crt", {"data": {"ca.crt": "forged"}})
    await cluster.until_one(CONFIGMAPS, "kube-root-ca.crt", lambda each: each["data"]["ca.crt"] == "PEM")
