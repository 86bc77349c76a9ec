"""Clusters that hypothesis makes up: what users create, what they do to it, and what goes wrong meanwhile."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from pilothouse.client.transport import JSON_PATCH
from pilothouse.model import meta
from pilothouse.model.errors import ApiError
from pilothouse.model.json import Object
from pilothouse.model.kinds import CONFIGMAPS, DEPLOYMENTS, JOBS, PODS, REPLICASETS, SERVICES
from pilothouse.model.resource import Resource
from tests.simulation.cluster import Simulated
from tests.simulation.fake_runtime import Program
from tests.simulation.objects import container, deployment, job, pod, service

PROGRAMS = {
    "app:1": Program(),
    "app:2": Program(term_s=3),
    "polite:1": Program(term_s=1, term_code=0),
    "deaf:1": Program(term_s=None),
    "done:1": Program(runs_s=2),
    "crash:1": Program(runs_s=0.5, code=1),
    "oom:1": Program(runs_s=1, code=137, oom=True),
}
IMAGES = st.sampled_from([*PROGRAMS, "absent:1"])
SECONDS = st.sampled_from([0, 1, 2, 5, 20])
MAYBE_SECONDS = st.none() | SECONDS.map(lambda seconds: seconds + 1)
PROBE = st.sampled_from([{"exec": {"command": ["true"]}}, {"exec": {"command": ["false"]}, "periodSeconds": 1, "failureThreshold": 2}])
HOOK = st.sampled_from([{"exec": {"command": ["true"]}}, {"exec": {"command": ["false"]}}])
VERBS = st.sampled_from(
    ["", "RunPodSandbox", "StopPodSandbox", "RemovePodSandbox", "CreateContainer", "StartContainer", "StopContainer", "RemoveContainer",
     "ContainerStatus", "PodSandboxStatus", "ListContainers", "ImageStatus", "ExecSync"]
)  # fmt: skip


@st.composite
def containers(draw: st.DrawFn, name: str) -> Object:
    made = container(name, draw(IMAGES))
    for kind in draw(st.sets(st.sampled_from(["livenessProbe", "readinessProbe", "startupProbe"]), max_size=2)):
        made[kind] = draw(PROBE)
    if hooks := draw(st.dictionaries(st.sampled_from(["postStart", "preStop"]), HOOK, max_size=1)):
        made["lifecycle"] = hooks
    if draw(st.integers(0, 4)) == 0:
        made["envFrom"] = [{"configMapRef": {"name": "conf"}}]
    return made


@st.composite
def pod_specs(draw: st.DrawFn, policies: tuple[str, ...]) -> Object:
    names = ("a", "b")[: draw(st.integers(1, 2))]
    spec: Object = {"containers": [draw(containers(name)) for name in names], "restartPolicy": draw(st.sampled_from(policies))}
    spec["terminationGracePeriodSeconds"] = draw(SECONDS)
    deadline_s = draw(MAYBE_SECONDS)
    if deadline_s is not None and policies != ("Always",):
        spec["activeDeadlineSeconds"] = deadline_s
    if draw(st.integers(0, 2)) == 0:
        init = container("init", draw(IMAGES))
        spec["initContainers"] = [init | {"restartPolicy": "Always"} if draw(st.booleans()) else init]
    if draw(st.integers(0, 2)) == 0:
        spec["volumes"] = [{"name": "v", "configMap": {"name": "conf"}}]
    return spec


def _without_nothing(fields: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in fields.items() if value is not None}


@st.composite
def jobs(draw: st.DrawFn) -> Object:
    spec = {
        "activeDeadlineSeconds": draw(MAYBE_SECONDS),
        "ttlSecondsAfterFinished": draw(st.none() | SECONDS),
        "backoffLimit": draw(st.none() | st.integers(0, 3)),
        "completions": draw(st.none() | st.integers(1, 3)),
        "parallelism": draw(st.none() | st.integers(0, 3)),
        "suspend": draw(st.none() | st.booleans()),
        "podReplacementPolicy": draw(st.none() | st.sampled_from(["Failed", "TerminatingOrFailed"])),
    }
    if spec["completions"] is not None and draw(st.booleans()):
        spec |= {"completionMode": "Indexed", "backoffLimitPerIndex": draw(st.none() | st.integers(0, 2))}
    return job(pod=draw(pod_specs(("Never", "OnFailure"))), **_without_nothing(spec))


@st.composite
def deployments(draw: st.DrawFn) -> Object:
    spec = {
        "replicas": draw(st.integers(0, 3)),
        "minReadySeconds": draw(SECONDS),
        "progressDeadlineSeconds": draw(st.none() | st.sampled_from([21, 30])),
        "strategy": draw(st.none() | st.just({"type": "Recreate"})),
        "paused": draw(st.none() | st.booleans()),
    }
    return deployment(pod=draw(pod_specs(("Always",))), **_without_nothing(spec))


@st.composite
def replicasets(draw: st.DrawFn) -> Object:
    spec = {"replicas": draw(st.integers(0, 3)), "minReadySeconds": draw(SECONDS)}
    return deployment("r", pod=draw(pod_specs(("Always",))), **spec)


def pods() -> st.SearchStrategy[Object]:
    return pod_specs(("Always", "OnFailure", "Never")).map(lambda spec: pod(**{"name": "p", **spec}) | {"spec": spec})


MADE: st.SearchStrategy[tuple[Resource, Object]] = st.one_of(
    st.tuples(st.just(PODS), pods()),
    st.tuples(st.just(JOBS), jobs()),
    st.tuples(st.just(DEPLOYMENTS), deployments()),
    st.tuples(st.just(REPLICASETS), replicasets()),
    st.tuples(st.just(SERVICES), st.just(service())),
    st.tuples(st.just(CONFIGMAPS), st.just({"metadata": {"name": "conf"}, "data": {"a": "1"}})),
)


@dataclass(frozen=True)
class Deed:
    """Something done to the cluster, and how long it is left alone after that. what: as hypothesis shows it."""

    what: str
    do: Callable[[Simulated], Awaitable[None]]
    then_s: float

    def __repr__(self) -> str:
        return f"{self.what}, {self.then_s} s"


def _makes(made: tuple[Resource, Object], then_s: float) -> Deed:
    async def do(cluster: Simulated) -> None:
        await cluster.create(*made)

    return Deed(f"create {made[0].kind} {made[1]}", do, then_s)


def _deletes(what: tuple[Resource, int], grace_s: int | None, then_s: float) -> Deed:
    async def do(cluster: Simulated) -> None:
        found = await cluster.items(what[0])
        if found:
            await cluster.client.delete(what[0], meta.name(found[what[1] % len(found)]), "default", grace_s=grace_s)

    return Deed(f"delete {what[0].kind} {what[1]} with grace {grace_s}", do, then_s)


def _changes_image(number: int, image: str, then_s: float) -> Deed:
    async def do(cluster: Simulated) -> None:
        found = await cluster.items(PODS)
        if found:
            change = [{"op": "replace", "path": "/spec/containers/0/image", "value": image}]
            await cluster.patch(PODS, meta.name(found[number % len(found)]), change, type=JSON_PATCH)

    return Deed(f"set image of pod {number} to {image}", do, then_s)


def _breaks(verb: str, in_place: bool, then_s: float) -> Deed:
    async def do(cluster: Simulated) -> None:
        cluster.runtime.fail(verb, in_place=in_place)

    return Deed(f"the runtime refuses {verb or 'everything'} ({in_place=})", do, then_s)


def _crashes(number: int, silently: bool, then_s: float) -> Deed:
    async def do(cluster: Simulated) -> None:
        boxes = list(cluster.runtime.boxes)
        if boxes:
            cluster.runtime.crash_sandbox(boxes[number % len(boxes)], silently=silently)

    return Deed(f"sandbox {number} dies ({silently=})", do, then_s)


def _loses(number: int, then_s: float) -> Deed:
    async def do(cluster: Simulated) -> None:
        ids = [*cluster.runtime.inside, *cluster.runtime.boxes]
        if ids:
            cluster.runtime.lose(ids[number % len(ids)])

    return Deed(f"container or sandbox {number} is lost", do, then_s)


def _breaks_events(then_s: float) -> Deed:
    async def do(cluster: Simulated) -> None:
        cluster.runtime.break_events()

    return Deed("the runtime's events break off", do, then_s)


def _mends(then_s: float) -> Deed:
    async def do(cluster: Simulated) -> None:
        cluster.runtime.mend()

    return Deed("the runtime works again", do, then_s)


THEN_S = st.sampled_from([0.0, 0.003, 0.012, 0.05, 1.0, 7.0, 40.0])
NUMBER = st.integers(0, 5)
DELETABLE = st.sampled_from([PODS, PODS, JOBS, DEPLOYMENTS, REPLICASETS, CONFIGMAPS])
DEEDS = st.one_of(
    st.builds(_makes, MADE, THEN_S),
    st.builds(_makes, MADE, THEN_S),
    st.builds(_deletes, st.tuples(DELETABLE, NUMBER), st.none() | SECONDS, THEN_S),
    st.builds(_changes_image, NUMBER, IMAGES, THEN_S),
    st.builds(_breaks, VERBS, st.booleans(), THEN_S),
    st.builds(_mends, THEN_S),
    st.builds(_crashes, NUMBER, st.booleans(), THEN_S),
    st.builds(_loses, NUMBER, THEN_S),
    st.builds(_breaks_events, THEN_S),
)
STORIES = st.tuples(st.builds(_makes, MADE, THEN_S), st.lists(DEEDS, max_size=7)).map(lambda parts: [parts[0], *parts[1]])


async def done(cluster: Simulated, deed: Deed) -> None:
    """What the API refuses is a user's matter and ends no story."""
    try:
        await deed.do(cluster)
    except ApiError as error:
        if error.code >= 500:
            raise
