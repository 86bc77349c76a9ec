from pathlib import Path

from pilothouse.model import kinds, meta
from pilothouse.platform.databases.mysql import labels, tls
from pilothouse.platform.databases.resource import MYSQLS
from tests.platform.databases.live import instance, operated, serves

CLAIMS = kinds.PERSISTENTVOLUMECLAIMS


async def test_an_instance_becomes_all_that_serves_it(tmp_path: Path) -> None:
    async with operated(tmp_path) as (cluster, _):
        await cluster.create(MYSQLS, instance())
        status = (await cluster.until_one(MYSQLS, "orders", serves))["status"]
        assert (status["phase"], status["primary"], status["version"]) == ("Online", "orders-0", "10.11.18")
        assert (status["host"], status["port"], status["binding"]) == ("orders.default.svc", 3306, {"name": "orders"})
        for resource in (kinds.STATEFULSETS, kinds.SERVICES, kinds.SECRETS, kinds.NETWORKPOLICIES, kinds.PODDISRUPTIONBUDGETS):
            assert await cluster.get(resource, "orders") is not None
        pod = await cluster.until_one(kinds.PODS, "orders-0", lambda each: meta.labels(each).get(labels.ROLE))
        assert meta.labels(pod)[labels.ROLE] == "primary"
        assert meta.labels(pod)[labels.READABLE] == "yes"


async def test_the_secret_opens_what_the_primary_is_told_to_have(tmp_path: Path) -> None:
    async with operated(tmp_path) as (cluster, nodes):
        await cluster.create(MYSQLS, instance("my-shop"))
        await cluster.until_one(MYSQLS, "my-shop", serves)
        secret = tls.files(await cluster.get(kinds.SECRETS, "my-shop"))
        (account,) = nodes.agents["my-shop-0"].wanted["accounts"]
        assert (account["name"], account["password"]) == ("my_shop", secret["password"].decode())
        assert secret["uri"].decode() == f"mysql://my_shop:{account['password']}@my-shop.default.svc:3306/my_shop"
