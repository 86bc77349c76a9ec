"""What a protected instance held is there again after its namespace was deleted, in real containers."""

import pytest

from tests.e2e.databases.test_single import IMAGE_S, Database
from tests.e2e.instance import Instance, eventually

pytestmark = [pytest.mark.containers, pytest.mark.slow, pytest.mark.timeout(900)]
COUNT = "select count(*) from orders.t"


def test_an_instance_is_made_of_the_volumes_that_one_left_when_its_namespace_went(instance: Instance, namespace: str) -> None:
    instance.kubectl("create", "namespace", "going")
    before = Database(instance, "going", "orders")
    before.apply(size="512Mi")
    before.reaches(".status.phase", "Online", IMAGE_S)
    assert before.sql("create table t (a int primary key); insert into t values (1), (2)", "-D", "orders").returncode == 0
    volume = instance.get("pvc", "data-orders-0", "-n", "going")["spec"]["volumeName"]
    eventually(lambda: instance.get("pv", volume)["spec"]["persistentVolumeReclaimPolicy"] == "Retain", 30, 0.5)

    instance.kubectl("delete", "namespace", "going", timeout=180)
    eventually(lambda: instance.get("pv", volume)["status"]["phase"] == "Released", 30, 0.5)
    instance.ph("mysql", "create", "sales", "-n", namespace, "--from-volumes", "going/orders", timeout=600)
    after = Database(instance, namespace, "sales")
    assert after.sql(COUNT).stdout.strip() == "2"
    assert instance.get("pvc", "data-sales-0", "-n", namespace)["spec"]["volumeName"] == volume

    instance.ph("mysql", "set", "sales", "-n", namespace, "--no-protection", "--no-final-backup")
    eventually(lambda: instance.get("pv", volume)["spec"]["persistentVolumeReclaimPolicy"] == "Delete", 30, 0.5)
    instance.ph("mysql", "delete", "sales", "-n", namespace, "--yes")
    eventually(lambda: instance.kubectl("get", "pv", volume, check=False).returncode != 0, 60, 0.5)
