"""Which claims of an instance's members are taken away while it is there."""

from pathlib import Path

from pilothouse.model import kinds, meta
from pilothouse.model.json import Object
from pilothouse.platform.databases.mysql import labels
from pilothouse.platform.databases.mysql.objects import claims
from pilothouse.platform.databases.resource import MYSQLS
from tests.platform.databases.live import instance, operated


def claim(member: str, *, volume: str = "") -> Object:
    spec = {"volumeName": volume} if volume else {}
    return {"metadata": {"name": f"data-{member}"}, "spec": spec, "status": {"phase": "Bound" if volume else "Pending"}}


def test_a_claim_that_never_had_a_volume_goes_with_its_member() -> None:
    found = [claim("orders-0", volume="v0"), claim("orders-1"), claim("orders-2", volume="v2"), claim("orders-3")]
    assert [meta.name(each) for each in claims.unneeded(found, ["orders-0", "orders-3"])] == ["data-orders-1"]
    assert claims.unneeded(found, ["orders-0", "orders-1", "orders-3"]) == []


async def test_a_claim_that_the_cluster_makes_in_place_of_one_that_was_deleted_is_the_instances(tmp_path: Path) -> None:
    async with operated(tmp_path) as (cluster, _):
        made = await cluster.create(MYSQLS, instance())
        found = await cluster.until_one(kinds.STATEFULSETS, "orders", lambda each: True)
        (template,) = found["spec"]["volumeClaimTemplates"]
        assert labels.is_of(made, template)
        assert meta.labels(template).items() >= labels.selector("orders").items()
