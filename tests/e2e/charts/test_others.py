"""Charts that others wrote and published, as they are: fetched by name and hash, with images of our own where theirs cannot be had."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests.e2e.charts.fetched import Wheel
from tests.e2e.charts.release import Release
from tests.e2e.instance import eventually

pytestmark = [pytest.mark.containers, pytest.mark.slow, pytest.mark.timeout(500)]
GENERIC = Wheel("ragleap-app-chart", "0.3.2", "21dcc8960a8e5729247ee4afd8c2928251e3e2cd64fa23586421991df8301c49")
OPERATOR = Wheel("dask-kubernetes", "2026.3.0", "5cf138e03cb1851063b82b74e9fd4679251238e3867fcae1e3682aada6410728")


def service(name: str, image: str, script: str, **more: object) -> dict[str, object]:
    """A service as the generic chart's values have it: a page that the script has written."""
    command = ["sh", "-ec", f"mkdir -p /tmp/www && cd /tmp/www && {script}; exec python3 -u -m http.server 3000"]
    return {"name": name, "image": image, "port": 3000, "command": command, "securityContext": {"runAsUser": 1001}, **more}


def test_a_generic_chart_of_pypi_runs_two_services_with_a_claim_and_a_scaler(
    images: Callable[..., str], release: Callable[[str], Release], tmp_path: Path
) -> None:
    image = f"{images('python', '1')}/charts/python:1"
    store = {"persistent": True, "storage": "16Mi", "securityContext": {"runAsUser": 0, "runAsNonRoot": False}}
    web = service("web", image, "echo hello >index.html", dependsOn=["store"], replicaCount=2)
    store = service("store", image, "date +%N >>/data/starts; cp /data/starts index.html", **store)
    values = {"services": [web, store], "defaultResources": {"requests": {"cpu": "10m", "memory": "16Mi"}}}
    (tmp_path / "values.yaml").write_text(yaml.safe_dump(values))
    chart = GENERIC.unpack(tmp_path / "wheel") / "ragleap_app_chart" / "helm" / "ragleap-app-chart"
    made = release("g")
    text = made.helm("template", "g", str(chart), "-f", str(tmp_path / "values.yaml"))
    objects = [each for each in yaml.safe_load_all(text) if each]
    made.kubectl("apply", "--server-side", "-f", "-", input=yaml.safe_dump_all(objects))
    for name in (each["metadata"]["name"] for each in objects if each["kind"] == "Deployment"):
        made.kubectl("rollout", "status", f"deployment/{name}", "--timeout=90s")
    (found,) = [each["metadata"]["name"] for each in objects if each["kind"] == "Service" and "store" in each["metadata"]["name"]]
    ask = f"import urllib.request as u; print(u.urlopen('http://{found}:3000/').read().decode())"
    web_pod = made.get("pods", "-l", "app=web")["items"][0]["metadata"]["name"]
    assert len(made.kubectl("exec", web_pod, "--", "python3", "-c", ask).split()) == 1
    store_pod = made.get("pods", "-l", "app=store")["items"][0]["metadata"]["name"]
    made.kubectl("delete", "pod", store_pod)

    def has_started_twice() -> bool:
        return len(made.kubectl("exec", web_pod, "--", "python3", "-c", ask, check=False).split()) == 2

    eventually(has_started_twice, 60, 0.5)
    made.kubectl("delete", "-f", "-", input=yaml.safe_dump_all(objects))


CLUSTER = """
apiVersion: kubernetes.dask.org/v1
kind: DaskCluster
metadata: {name: sums}
spec:
  worker:
    replicas: 2
    spec:
      containers:
        - name: worker
          image: IMAGE
          command: [python3, -m, distributed.cli.dask_worker]
          args: [--name, $(DASK_WORKER_NAME), --nthreads, "1", --memory-limit, 200MB, --no-dashboard]
          env: [{name: TMPDIR, value: /tmp}]
          workingDir: /tmp
  scheduler:
    spec:
      containers:
        - name: scheduler
          image: IMAGE
          command: [python3, -m, distributed.cli.dask_scheduler, --no-dashboard]
          workingDir: /tmp
          ports: [{name: tcp-comm, containerPort: 8786}, {name: http-dashboard, containerPort: 8787}]
          readinessProbe: {tcpSocket: {port: tcp-comm}, periodSeconds: 1}
    service:
      type: ClusterIP
      selector: {dask.org/cluster-name: sums, dask.org/component: scheduler}
      ports:
        - {name: tcp-comm, protocol: TCP, port: 8786, targetPort: tcp-comm}
        - {name: http-dashboard, protocol: TCP, port: 8787, targetPort: http-dashboard}
"""
SUM = """
from distributed import Client
client = Client("tcp://sums-scheduler:8786", timeout=10)
print(len(client.scheduler_info(n_workers=-1)["workers"]), sum(client.gather(client.map(lambda n: n * n, range(10)))))
"""


@pytest.fixture
def operator(images: Callable[..., str], release: Callable[[str], Release], tmp_path: Path) -> Release:
    """The operator of Dask, installed by its own chart."""
    images("dask-operator", "1")
    found = release("d")
    chart = OPERATOR.unpack(tmp_path / "wheel") / "dask_kubernetes/operator/deployment/helm/dask-kubernetes-operator"
    chosen = [f"image.name={found.registry}/charts/dask-operator", "image.tag=1", "securityContext.runAsUser=1001"]
    options = [option for each in chosen for option in ("--set", each)]
    mounts = {"volumes": [{"name": "tmp", "emptyDir": {}}], "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}]}
    found.helm.install("d", chart, *options, *(o for key, value in mounts.items() for o in ("--set-json", f"{key}={json.dumps(value)}")))
    return found


def test_an_operator_of_pypi_makes_the_clusters_that_its_own_definitions_describe(operator: Release) -> None:
    image = f"{operator.registry}/charts/dask-operator:1"
    operator.kubectl("apply", "--server-side", "-f", "-", input=CLUSTER.replace("IMAGE", image))

    def sums(workers: int) -> bool:
        done = operator.kubectl("exec", "deployment/sums-scheduler", "--", "python3", "-c", SUM, check=False)
        return done.split()[-2:] == [str(workers), "285"]

    eventually(lambda: sums(2), 120, 2)
    operator.kubectl("scale", "daskworkergroup/sums-default", "--replicas=3")
    eventually(lambda: sums(3), 90, 2)
    operator.kubectl("delete", "daskcluster", "sums", "--timeout=60s")

    def nothing_is_left() -> bool:
        return operator.kubectl("get", "pods,services,deployments", "-l", "dask.org/cluster-name=sums", "-o", "name") == ""

    eventually(nothing_is_left, 60, 1)
    operator.helm.uninstall("d")
    operator.kubectl("delete", "crd", *(f"dask{each}.kubernetes.dask.org" for each in ("clusters", "workergroups", "jobs", "autoscalers")))
