"""`ph why` on a cluster of store, API server, controllers and platform in this process."""

import asyncio
import time
from dataclasses import replace
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from pilothouse.cli.daemon.roles import NODE
from pilothouse.cli.durations import Duration
from pilothouse.cli.main import ph
from pilothouse.cli.session import Session
from pilothouse.cli.settings.home import Home
from pilothouse.cli.why.causes import explain
from pilothouse.cli.why.command import decided, document
from pilothouse.cli.why.look import look
from pilothouse.cli.why.target import kind_of, target
from pilothouse.client.client import Client
from pilothouse.client.transport import Call
from pilothouse.decisions.log import DecisionLog, Ref
from pilothouse.model import kinds, meta
from pilothouse.model.policy_refusals import DROPPED
from pilothouse.platform.apps.resource import APPS
from pilothouse.platform.builds.resource import BUILDS
from tests.cli.running import node, running
from tests.cli.test_ending import ph as ph_process
from tests.client.fake_cluster import FakeCluster, FakeTransport
from tests.engine.controllers.conftest import Cluster, kubelet
from tests.platform.apps.life import source
from tests.platform.live import platform


async def told(cluster: Cluster, folder: Path, what: str = "shop", ahead_s: float = 0, kubeconfig: str | None = None) -> str:
    """The sentence, `ahead_s` from now."""
    session, now = Session(Home(folder), kubeconfig, False), time.time() + ahead_s
    kind, name = target(what)
    scene = await look(
        cluster.client,
        kind or await kind_of(cluster.client, name, "default"),
        name,
        "default",
        now,
        decided(session, "default", now - 86400),
    )
    assert document(scene, explain(scene))["sentence"] == explain(scene).sentence
    return explain(scene).sentence


async def until_written(folder: Path) -> None:
    """Decisions reach the file a moment after they were made."""
    async with asyncio.timeout(5):
        while not any(note.reason == "BuildFailed" for note in decided(Session(Home(folder), None, False), "default", 0)):
            await asyncio.sleep(0.01)


async def test_an_app_that_serves_is_said_to(tmp_path: Path) -> None:
    async with platform(tmp_path) as cluster, kubelet(cluster):
        await cluster.create(APPS, {"metadata": {"name": "shop"}, "spec": {"image": "web:1", "replicas": 2}})
        await cluster.until_one(APPS, "shop", lambda app: meta.is_true(app, "Ready"))
        await cluster.until(kinds.ENDPOINTSLICES, lambda items: any(e["conditions"]["ready"] for s in items for e in s["endpoints"]))
        assert await told(cluster, tmp_path) == "shop serves revision 1 with 2 of 2 replicas at http://shop.localhost"
        assert await told(cluster, tmp_path, "deployment/shop") == "deployment shop serves with 2 of 2 replicas"


async def test_a_quota_is_found_behind_an_app_that_does_not_serve(tmp_path: Path) -> None:
    async with platform(tmp_path) as cluster, kubelet(cluster):
        await cluster.create(kinds.RESOURCEQUOTAS, {"metadata": {"name": "team"}, "spec": {"hard": {"pods": "0"}}})
        await cluster.create(APPS, {"metadata": {"name": "shop"}, "spec": {"image": "web:1"}})
        await cluster.until(kinds.EVENTS, lambda items: any(e["reason"] == "FailedCreate" for e in items))
        sentence = await told(cluster, tmp_path)
        assert sentence.startswith(
            "shop does not serve: quota team is used up (requested pods=1, used pods=0, limited to pods=0), so replicaset"
        )
        assert await told(cluster, tmp_path, kubeconfig="/another/cluster") == sentence


async def test_an_hour_later_and_without_events_the_failed_build_of_an_app_that_is_gone_is_still_known(tmp_path: Path) -> None:
    async with platform(tmp_path) as cluster:
        await cluster.create(APPS, {"metadata": {"name": "shop"}, "spec": {"source": source()}})
        builds = await cluster.until(BUILDS, lambda items: items)
        status = {"phase": "Failed", "reason": "BuildFailed", "message": "Dockerfile line 3: RUN false: it failed"}
        await cluster.client.patch(BUILDS, meta.name(builds[0]), {"status": status}, namespace="default", subresource="status")
        await cluster.until_one(APPS, "shop", lambda app: (meta.condition(app, "Ready") or {}).get("reason") == "BuildFailed")
        assert (await told(cluster, tmp_path)).startswith("shop does not serve: Dockerfile line 3: RUN false: it failed, so build shop-")
        await cluster.client.delete(APPS, "shop", "default", propagation="Background")
        await cluster.until(APPS, lambda items: not items)
        for event in await cluster.items(kinds.EVENTS):
            await cluster.client.delete(kinds.EVENTS, meta.name(event), "default")
        await until_written(tmp_path)
        sentence = await told(cluster, tmp_path, ahead_s=3600)
        assert sentence.startswith("shop is gone: 1h ago app shop: BuildFailed: Dockerfile line 3: RUN false: it failed")


async def test_a_service_that_has_the_apps_name_is_named(tmp_path: Path) -> None:
    async with platform(tmp_path) as cluster:
        await cluster.create(kinds.SERVICES, {"metadata": {"name": "shop"}, "spec": {"ports": [{"port": 9999}]}})
        await cluster.create(APPS, {"metadata": {"name": "shop"}, "spec": {"image": "web:1"}})
        await cluster.until_one(APPS, "shop", lambda app: (app.get("status") or {}).get("observedGeneration"))
        assert "service shop exists and is not this app's" in await told(cluster, tmp_path)


async def test_an_ingress_that_has_the_host_is_named(tmp_path: Path) -> None:
    async with platform(tmp_path) as cluster, kubelet(cluster):
        await cluster.create(kinds.INGRESSCLASSES, {"metadata": {"name": "pilothouse"}, "spec": {"controller": "pilothouse.dev/gateway"}})
        backend = {"service": {"name": "x", "port": {"number": 80}}}
        rules = [{"host": "shop.localhost", "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}]
        await cluster.create(kinds.INGRESSES, {"metadata": {"name": "a-first"}, "spec": {"ingressClassName": "pilothouse", "rules": rules}})
        await cluster.create(APPS, {"metadata": {"name": "shop"}, "spec": {"image": "web:1"}})
        await cluster.until_one(APPS, "shop", lambda app: (app.get("status") or {}).get("conditions"))
        assert "the host shop.localhost is ingress a-first's" in await told(cluster, tmp_path)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("shop", (None, "shop")),
        ("pod/x", ("Pod", "x")),
        ("pods/x", ("Pod", "x")),
        ("deployment.apps/x", ("Deployment", "x")),
        ("Deploy/x", ("Deployment", "x")),
        ("builds/x", ("Build", "x")),
        ("ingresses/x", ("Ingress", "x")),
        ("rs/x", ("ReplicaSet", "x")),
        ("sts/x", ("StatefulSet", "x")),
        ("pvc/x", ("PersistentVolumeClaim", "x")),
        ("cronjobs.batch/x", ("CronJob", "x")),
        ("daemonsets.apps/x", ("DaemonSet", "x")),
    ],
)
def test_objects_are_named_as_kubectl_names_them(given: str, expected: tuple[str | None, str]) -> None:
    assert target(given) == expected


@pytest.mark.parametrize("given", ["gadget/x", "pod/", "/x"])
def test_a_kind_that_is_not_known_is_refused_with_those_that_are(given: str) -> None:
    with pytest.raises(click.UsageError, match=r"app, build, cronjob, daemonset, deployment, .*, statefulset"):
        target(given)


@pytest.mark.parametrize(("given", "seconds"), [("30s", 30), ("5m", 300), ("2h", 7200), ("1d", 86400)])
def test_durations_have_a_unit(given: str, seconds: float) -> None:
    assert Duration().convert(given, None, None) == seconds
    with pytest.raises(click.BadParameter, match="30m, 12h or 2d"):
        Duration().convert(given[:-1], None, None)


def test_without_a_cluster_the_way_to_one_is_named(tmp_path: Path) -> None:
    done = CliRunner().invoke(ph, ["--home", str(tmp_path), "why", "shop"])
    assert done.exit_code == 1
    assert f"start one with `ph --home {tmp_path} up`" in done.output


async def test_a_node_that_does_not_run_is_named_beside_what_the_cluster_says(tmp_path: Path) -> None:
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "p", "namespace": "default"},
        "spec": {"nodeName": "a"},
        "status": {"phase": "Pending"},
    }
    async with running(tmp_path, node("a"), failing={}) as cluster:
        await cluster.call(Call("POST", "/api/v1/namespaces/default/pods", body=pod))
        works = await asyncio.to_thread(ph_process, "--home", str(tmp_path), "why", "pod/p")
        NODE.pid(Home(tmp_path)).unlink()
        stands = await asyncio.to_thread(ph_process, "--home", str(tmp_path), "why", "pod/p")
    assert (works.returncode, works.stderr) == (0, "")
    assert (stands.returncode, stands.stdout) == (0, works.stdout)
    assert stands.stderr.startswith("\nthe node does not run: `")


async def test_decisions_of_further_nodes_on_this_machine_are_read(tmp_path: Path) -> None:
    about = Ref("Pod", "default", "web", "u")
    for home, said in ((Home(tmp_path), "first"), (Home(tmp_path / "nodes" / "2"), "second")):
        home.path.mkdir(parents=True, exist_ok=True)
        with DecisionLog(home.decisions) as log:
            log.record(about, "kube-proxy", DROPPED, f"packets are dropped on the {said}", {})
            await log.query("Pod")
    notes = decided(Session(Home(tmp_path), None, False), "default", 0)
    assert {note.message for note in notes} == {"packets are dropped on the first", "packets are dropped on the second"}


async def test_packets_that_a_node_elsewhere_drops_are_told_of_the_pods_by_the_events_of_the_policy() -> None:
    client = Client(FakeTransport(FakeCluster()))
    containers = [{"name": "c", "image": "i"}]
    for name in ("db", "db-2"):
        await client.create(kinds.PODS, {"metadata": {"name": name}, "spec": {"containers": containers}}, "default")
    event = {
        "metadata": {"name": "e"},
        "involvedObject": {"kind": "NetworkPolicy", "name": "deny", "namespace": "default"},
        "reason": DROPPED,
        "message": "ingress: dropped 3 packets to default/db (tcp 5432) from default/web in the last 5 s",
        "type": "Warning",
    }
    await client.create(kinds.EVENTS, event, "default")
    scene = await look(client, "Pod", "db", "default", time.time(), [])
    assert [note.message for note in scene.notes] == [f"NetworkPolicy deny, {event['message']}"]
    assert not (await look(client, "Pod", "db-2", "default", time.time(), [])).notes
    own = replace(scene.notes[0], message="packets are dropped")
    assert (await look(client, "Pod", "db", "default", time.time(), [own])).notes == [own]
