"""Who gets at the metrics of a database in real containers, and what `ph mysql metrics` makes of them."""

import json

import pytest

from tests.e2e.databases.test_single import IMAGE_S, Database
from tests.e2e.instance import Instance, eventually

pytestmark = [pytest.mark.containers, pytest.mark.slow, pytest.mark.timeout(900)]
FETCH = (
    "import ssl, sys, urllib.request\n"
    "answer = urllib.request.urlopen(sys.argv[1], timeout=3, context=ssl._create_unverified_context())\n"
    "print(answer.read().decode())\n"
)


def test_metrics_are_for_pods_that_the_instance_names(instance: Instance, namespace: str) -> None:
    database = Database(instance, namespace, "orders")
    database.apply(size="512Mi", deletionProtection=False, finalBackup=False)
    database.reaches(".status.phase", "Online", IMAGE_S)
    image = instance.get("mysql", "orders", "-n", namespace)["status"]["image"]
    pod = instance.get("pod", "orders-0", "-n", namespace)
    found = {key: value for key, value in pod["metadata"]["annotations"].items() if key.startswith("prometheus.io/")}
    assert found == {
        "prometheus.io/scrape": "true",
        "prometheus.io/scheme": "https",
        "prometheus.io/port": "8443",
        "prometheus.io/path": "/metrics",
    }

    spec = {"containers": [{"name": "main", "image": image, "command": ["sleep", "600"]}], "terminationGracePeriodSeconds": 0}
    watcher = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "watcher", "labels": {"app": "watcher"}}, "spec": spec}
    instance.kubectl("apply", "-n", namespace, "-f", "-", input=json.dumps(watcher))
    instance.kubectl("wait", "pod/watcher", "-n", namespace, "--for=condition=Ready", "--timeout=120s", timeout=130)
    address = f"https://{pod['status']['podIP']}:8443/metrics"

    def fetched() -> str:
        words = ("exec", "watcher", "-n", namespace, "--", "python3", "-c", FETCH, address)
        return instance.kubectl(*words, check=False).stdout

    assert not fetched()
    database.patch(access={"metrics": [{"labels": {"app": "watcher"}}]})
    eventually(lambda: f'mysql_up{{namespace="{namespace}",mysql="orders",member="orders-0"}} 1' in fetched(), 60, 1)
    assert instance.get("pod", "orders-0", "-n", namespace)["metadata"]["uid"] == pod["metadata"]["uid"]

    shown = instance.ph("mysql", "metrics", "orders", "-n", namespace).stdout
    assert "ORDERS-0" in shown.splitlines()[0]
    assert "primary" in next(line for line in shown.splitlines() if line.startswith("role"))
    database.sql("select sleep(1.2)")
    slow = instance.ph("mysql", "logs", "orders", "--slow", "-n", namespace).stdout
    assert "select sleep(1.2)" in slow
    raw = instance.kubectl("get", "--raw", "/metrics").stdout
    assert f'pilothouse_mysql_ready{{namespace="{namespace}",mysql="orders"}} 1' in raw
