"""What a placing costs: the scheduler alone, over nodes and pods that are simulated in this process, without an API.

Bindings are answered at once and told back as the API's watch would. Nodes have 32 processors in three zones; pods are those of Deployments
with a Service each, so that they are spread by default. `related`: besides, each Deployment spreads its pods over zones (DoNotSchedule),
keeps away from another one's nodes (required) and rather from its own (preferred). `decision`: processor time of one, in which nothing
else runs in this process.
"""

import asyncio
import gc
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager

from bench.rig.context import Context
from bench.rig.figures import Figures, latencies, now
from pilothouse.aio.collector import restrain
from pilothouse.client.client import Client
from pilothouse.client.informers import Informers
from pilothouse.client.recorder import Recorder
from pilothouse.client.transport import Call, Socket, Transport, WatchEvent
from pilothouse.engine.scheduler.cycle import Fit
from pilothouse.engine.scheduler.framework.plugin import Unfit
from pilothouse.engine.scheduler.scheduler import Scheduler
from pilothouse.engine.scheduler.snapshot.pod_info import PodInfo
from pilothouse.model.json import Object
from pilothouse.model.kinds import NODES, PODS, SERVICES
from pilothouse.model.scheduling import DEFAULT_SCHEDULER

HOST, ZONE = "kubernetes.io/hostname", "topology.kubernetes.io/zone"
DEPLOYMENTS = 100
PLACED_WITHIN_S = 600.0


async def run(context: Context) -> Figures:
    pods = context.pick(30_000, 2_000)
    restrain()  # the collector of cycles goes as it does in a control plane
    found: Figures = {"pods": pods}
    for nodes in (500, 5_000):
        for kind in ("plain", "related"):
            # 500 nodes have room for 55,000 pods.
            context.say(f"{pods} {kind} pods on {nodes} nodes")
            found[f"{kind}_on_{nodes}"] = await placed(nodes, pods, is_related=kind == "related")
    return found


async def placed(nodes: int, pods: int, *, is_related: bool) -> Figures:
    simulated = Simulated(nodes)
    scheduler = asyncio.create_task(simulated.scheduler.run())
    gc.collect()
    began, cpu = now(), time.process_time()
    for pod in made(pods, is_related):
        simulated.put(PODS, pod)
    async with asyncio.timeout(PLACED_WITHIN_S):
        while simulated.bound < pods:
            await asyncio.sleep(0.05)
    took, used = now() - began, time.process_time() - cpu
    scheduler.cancel()
    await asyncio.wait([scheduler])
    return {
        "per_second": round(pods / took, 1),
        "per_cpu_second": round(pods / used, 1),
        "decision": latencies(simulated.decisions),
    }


class Simulated(Transport):
    """The API's part in it. bound: pods that have got a node. decisions: how long each took, in seconds."""

    def __init__(self, nodes: int) -> None:
        self.bound = 0
        self.decisions: list[float] = []
        client = Client(self)
        self._informers = Informers(client)
        self._revision = 0
        self.scheduler = Scheduler(client, self._informers, Recorder(None, None, "bench"))
        for informer in self._informers.all():
            informer._synced.set()
        for number in range(nodes):
            self.put(NODES, node(number))
        for number in range(DEPLOYMENTS):
            self.put(SERVICES, service(number))
        self._time_decisions()

    def put(self, resource: object, obj: Object) -> None:
        """Tell everybody of the object as it is now."""
        self._revision += 1
        metadata = obj["metadata"] | {"resourceVersion": str(self._revision)}
        assert resource in (NODES, PODS, SERVICES)
        informer = next(each for each in self._informers.all() if each.resource == resource)
        key = f"{metadata['namespace']}/{metadata['name']}" if "namespace" in metadata else metadata["name"]
        informer._put(key, obj | {"metadata": metadata})

    async def call(self, call: Call) -> Object:
        assert call.path.endswith("/binding"), call.path
        assert isinstance(call.body, dict)
        pod = self.scheduler.pods.get(f"ns/{call.body['metadata']['name']}")
        assert pod is not None
        await asyncio.sleep(0)
        self.put(PODS, pod | {"spec": pod["spec"] | {"nodeName": call.body["target"]["name"]}})
        self.bound += 1
        return {}

    def watch(self, call: Call) -> AbstractAsyncContextManager[AsyncIterator[WatchEvent]]:
        raise NotImplementedError

    def stream(self, call: Call) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        raise NotImplementedError

    def connect(self, call: Call, subprotocols: tuple[str, ...]) -> AbstractAsyncContextManager[Socket]:
        raise NotImplementedError

    async def close(self) -> None:
        return

    def _time_decisions(self) -> None:
        cycle = self.scheduler.profiles.of(DEFAULT_SCHEDULER).cycle
        decide = cycle.decide

        def timed(pod: PodInfo) -> Fit | Unfit | None:
            began = time.thread_time()
            found = decide(pod)
            self.decisions.append(time.thread_time() - began)
            return found

        cycle.decide = timed  # type: ignore[method-assign]


def node(number: int) -> Object:
    name = f"node-{number}"
    labels = {HOST: name, ZONE: f"zone-{number % 3}"}
    return {
        "metadata": {"name": name, "labels": labels},
        "spec": {},
        "status": {"allocatable": {"cpu": "32", "memory": "128Gi", "pods": "110"}},
    }


def service(number: int) -> Object:
    return {"metadata": {"name": f"app-{number}", "namespace": "ns"}, "spec": {"selector": {"app": f"app-{number}"}}}


def made(pods: int, is_related: bool) -> Iterator[Object]:
    """Pods of all Deployments by turns."""
    for number in range(pods):
        app = number % DEPLOYMENTS
        spec = {
            "containers": [{"name": "c", "image": f"app-{app}:1", "resources": {"requests": {"cpu": "100m", "memory": f"{128 + app}Mi"}}}],
            "tolerations": [{"key": f"node.kubernetes.io/{key}", "operator": "Exists", "effect": "NoExecute"} for key in ("a", "b")],
            **(relations(app) if is_related else {}),
        }
        yield {
            "metadata": {"name": f"p-{number}", "namespace": "ns", "uid": f"{number}", "labels": {"app": f"app-{app}"}},
            "spec": spec,
            "status": {"phase": "Pending"},
        }


def relations(app: int) -> Object:
    def term(of: int) -> Object:
        return {"topologyKey": HOST, "labelSelector": {"matchLabels": {"app": f"app-{of}"}}}

    away = {
        "preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 10, "podAffinityTerm": term(app)}],
        "requiredDuringSchedulingIgnoredDuringExecution": [term(app ^ 1)],
    }
    spread = {
        "topologyKey": ZONE,
        "maxSkew": 2,
        "whenUnsatisfiable": "DoNotSchedule",
        "labelSelector": {"matchLabels": {"app": f"app-{app}"}},
    }
    return {"affinity": {"podAntiAffinity": away}, "topologySpreadConstraints": [spread]}
