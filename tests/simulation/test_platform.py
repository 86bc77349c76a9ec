"""Whatever users do to apps, builds and routes: no controller of the platform spins, none breaks, and all comes to rest."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from pilothouse.model import kinds, meta
from pilothouse.model.errors import ApiError
from pilothouse.model.json import Object
from pilothouse.model.resource import Resource
from pilothouse.platform.apps.resource import APPS
from pilothouse.platform.builds.resource import BUILDS
from tests.simulation.cluster import Calm, Simulated, simulated
from tests.simulation.conftest import Play
from tests.simulation.fake_runtime import Program
from tests.simulation.platform import BUILDER, with_platform
from tests.simulation.strategies import PROGRAMS, THEN_S
from tests.simulation.test_anything import nothing_broke
from tests.simulation.virtual import virtually

STORIES_TOLD = int(os.environ.get("PILOTHOUSE_STORIES", "8"))
SETTLE_S = 150.0
QUIET_S = 55.0
WRITES_A_SECOND = 1.0
"""Of a cluster in which nothing happens but apps that crash and schedules that come."""

IMAGES = st.sampled_from([*PROGRAMS, "absent:1"])
NAMES = st.sampled_from(["shop", "blog"])
HOSTS = st.lists(st.sampled_from(["www.example.org", "shop.localhost", "not a host"]), max_size=2, unique=True)
PROCESS = st.fixed_dictionaries({"command": st.just(["x"])}, optional={"schedule": st.sampled_from(["* * * * *", "30 3 * * *", "at noon"])})
SOURCE = st.just({"git": {"url": "https://git.example.org/shop.git"}})
SPECS = st.fixed_dictionaries(
    {},
    optional={
        "image": IMAGES,
        "source": SOURCE,
        "replicas": st.integers(0, 3),
        "port": st.sampled_from([0, 80, 8080]),
        "hosts": HOSTS,
        "env": st.dictionaries(st.just("MODE"), st.sampled_from(["a", "b"])),
        "health": st.sampled_from([{"path": "/x"}, {"path": "x"}]),
        "processes": st.dictionaries(st.sampled_from(["worker", "release", "web"]), PROCESS, max_size=2),
        "resources": st.sampled_from([{"memory": "64Mi"}, {"memory": "1Ki"}]),
        "secrets": st.just(["keys"]),
        "history": st.integers(1, 3),
    },
)
OWNED = st.sampled_from(
    [kinds.DEPLOYMENTS, kinds.SERVICES, kinds.INGRESSES, kinds.JOBS, kinds.PODS, BUILDS, APPS, kinds.CONTROLLERREVISIONS]
)


@dataclass(frozen=True)
class Act:
    """what: as hypothesis shows it. What the API refuses is no fault of the story's."""

    what: str
    do: Callable[[Simulated], Awaitable[object]]
    then_s: float

    def __repr__(self) -> str:
        return f"{self.what}, {self.then_s} s"


def _creates(name: str, spec: Object, then_s: float) -> Act:
    return Act(f"create app {name} {spec}", lambda cluster: cluster.create(APPS, {"metadata": {"name": name}, "spec": spec}), then_s)


def _changes(name: str, spec: Object, then_s: float) -> Act:
    return Act(f"change app {name} {spec}", lambda cluster: cluster.patch(APPS, name, {"spec": spec}), then_s)


def _deletes(resource: Resource, number: int, then_s: float) -> Act:
    async def do(cluster: Simulated) -> None:
        if found := await cluster.items(resource):
            await cluster.client.delete(resource, meta.name(found[number % len(found)]), "default", propagation="Background")

    return Act(f"delete {resource.kind} {number}", do, then_s)


def _cancels(number: int, then_s: float) -> Act:
    async def do(cluster: Simulated) -> None:
        if found := await cluster.items(BUILDS):
            await cluster.patch(BUILDS, meta.name(found[number % len(found)]), {"spec": {"cancelled": True}})

    return Act(f"cancel build {number}", do, then_s)


def _takes_a_host(team: str, host: str, then_s: float) -> Act:
    async def do(cluster: Simulated) -> None:
        await cluster.create(kinds.NAMESPACES, {"metadata": {"name": team}})
        backend = {"service": {"name": "web", "port": {"number": 80}}}
        paths = [{"path": "/x", "pathType": "Prefix", "backend": backend}]
        spec = {"ingressClassName": "pilothouse", "rules": [{"host": host, "http": {"paths": paths}}]}
        await cluster.create(kinds.INGRESSES, {"metadata": {"name": "rival"}, "spec": spec}, team)

    return Act(f"{team} takes {host}", do, then_s)


def _has_a_secret(value: str, then_s: float) -> Act:
    async def do(cluster: Simulated) -> None:
        if await cluster.get(kinds.SECRETS, "keys") is None:
            await cluster.create(kinds.SECRETS, {"metadata": {"name": "keys"}, "stringData": {"A": value}})
        await cluster.patch(kinds.SECRETS, "keys", {"stringData": {"A": value}})

    return Act(f"secret keys has {value}", do, then_s)


ACTS = st.one_of(
    st.builds(_creates, NAMES, SPECS, THEN_S),
    st.builds(_creates, NAMES, SPECS, THEN_S),
    st.builds(_changes, NAMES, SPECS, THEN_S),
    st.builds(_deletes, OWNED, st.integers(0, 5), THEN_S),
    st.builds(_cancels, st.integers(0, 3), THEN_S),
    st.builds(_takes_a_host, st.just("team"), st.sampled_from(["www.example.org", "shop.localhost"]), THEN_S),
    st.builds(_has_a_secret, st.sampled_from(["1", "2"]), THEN_S),
)


async def played(cluster: Simulated, folder: Path, story: list[Act]) -> None:
    cluster.runtime.programs |= PROGRAMS | {BUILDER: Program(runs_s=3)}
    cluster.runtime.holds(*PROGRAMS, BUILDER)
    async with with_platform(cluster, folder) as envoy:
        for act in story:
            try:
                await act.do(cluster)
            except ApiError:
                continue
            finally:
                await asyncio.sleep(act.then_s)
        await asyncio.sleep(SETTLE_S)
        asked, revision = envoy.asked, cluster.store.revision
        await asyncio.sleep(QUIET_S)
        assert envoy.asked - asked < QUIET_S
        assert cluster.store.revision - revision < QUIET_S * WRITES_A_SECOND


@pytest.mark.timeout(120 + 15 * STORIES_TOLD)
@settings(
    deadline=None,
    max_examples=STORIES_TOLD,
    phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink],
    print_blob=False,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(story=st.lists(ACTS, min_size=1, max_size=8))
def test_no_story_of_apps_makes_a_controller_spin(state: Path, story: list[Act]) -> None:
    async def whole() -> None:
        async with simulated(Path(folder, "node"), state) as cluster:
            await played(cluster, Path(folder), story)

    calm = Calm()
    try:
        with TemporaryDirectory() as folder, capture_logs() as logs:
            virtually(whole)
        calm.holds()
        nothing_broke(logs)
    except BaseException as error:
        error.add_note("\n".join(["The story:", *map(repr, story)]))
        raise


def test_an_app_has_its_route_and_its_runs_and_a_quarter_of_an_hour_passes_in_peace(play: Play, tmp_path: Path) -> None:
    async def scene(cluster: Simulated) -> Any:
        every_five = {"web": {}, "often": {"command": ["x"], "schedule": "*/5 * * * *"}}
        story = [_creates("shop", {"image": "app:1", "processes": every_five}, 900.0)]
        await played(cluster, tmp_path, story)
        return await cluster.items(kinds.INGRESSES), await cluster.items(kinds.JOBS)

    routes, jobs = play(scene)
    assert [meta.name(each) for each in routes] == ["shop"]
    assert jobs
