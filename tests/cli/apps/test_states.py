from pathlib import Path

import pytest

from pilothouse.cli.apps.lookup import no_app
from pilothouse.cli.apps.states import Standing, of_status, standings
from pilothouse.model import kinds
from pilothouse.model.json import Object
from pilothouse.platform.apps.resource import APPS
from tests.cli.apps.test_rollout import crash, deployed, shop, sick
from tests.engine.controllers.conftest import kubelet
from tests.platform.live import platform


def app(status: str, reason: str, **spec: object) -> Object:
    conditions = [{"type": "Ready", "status": status, "reason": reason}]
    return {"metadata": {"name": "shop", "namespace": "default"}, "spec": spec, "status": {"conditions": conditions}}


@pytest.mark.parametrize(
    ("given", "state"),
    [
        (app("True", "Serving"), "Serving"),
        (app("True", "Running", port=0), "Running"),
        (app("True", "Serving", replicas=0), "ScaledToZero"),
        (app("True", "Serving", replicas=0, processes={"web": {}, "worker": {"replicas": 2}}), "ScaledToZero"),
        (app("True", "Serving", processes={"web": {}, "worker": {"replicas": 0}}), "Serving"),
        (app("True", "Running", processes={"one": {"replicas": 0}, "two": {"replicas": 1}}), "Running"),
        (app("False", "BuildFailed"), "BuildFailed"),
        ({"metadata": {}, "spec": {}}, "Pending"),
    ],
)
def test_the_state_of_an_app_that_is_well_is_its_own(given: Object, state: str) -> None:
    assert of_status(given) == state


async def test_the_list_and_the_explanation_say_the_same(tmp_path: Path) -> None:
    async with platform(tmp_path) as cluster:
        before = await deployed(cluster, shop())
        async with sick(cluster, "web:2", crash(3)):
            await cluster.patch(APPS, "shop", {"spec": {"image": "web:2"}})
            await cluster.until(kinds.PODS, lambda items: any("CrashLoopBackOff" in str(pod) for pod in items))
            apps = await cluster.items(APPS)
            [found] = await standings(cluster.client, apps, sentences=False)
        assert found.state == "Crashing"
        assert found.sentence.startswith("shop still serves revision 1: container app ended with exit code 3")
        assert await standings(cluster.client, [before], sentences=False) == [Standing("Serving")]


async def test_a_name_that_is_not_there_is_answered_with_those_that_are(tmp_path: Path) -> None:
    async with platform(tmp_path) as cluster, kubelet(cluster):
        assert (await no_app(cluster.client, "shpo", "default")).endswith("`ph apps -A` lists those of all namespaces")
        await cluster.create(APPS, shop())
        assert "did you mean shop?" in await no_app(cluster.client, "shpo", "default")
        assert (await no_app(cluster.client, "blog", "default")).endswith("there are: shop")
