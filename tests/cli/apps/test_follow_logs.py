import asyncio
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from pilothouse.aio.tasks import scope
from pilothouse.cli.apps.follow_logs import follow
from pilothouse.model import kinds, meta
from pilothouse.model.errors import NotFound
from pilothouse.platform.apps.resource import APPS
from tests.cli.apps.test_rollout import deployed, shop
from tests.engine.controllers.conftest import Cluster, kubelet
from tests.platform.live import platform


async def run_all(cluster: Cluster) -> None:
    """Plays the node's word that every pod's container runs."""
    while True:
        for pod in await cluster.items(kinds.PODS):
            if not (pod.get("status") or {}).get("containerStatuses"):
                seen = {"name": "app", "image": "", "imageID": "", "ready": True, "restartCount": 0, "state": {"running": {}}}
                with suppress(NotFound):
                    change = {"status": {"containerStatuses": [seen]}}
                    await cluster.client.patch(kinds.PODS, meta.name(pod), change, namespace="default", subresource="status")
        await asyncio.sleep(0.05)


async def test_following_goes_on_with_the_replicas_of_the_next_revision(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shown: list[tuple[str, bool, bool]] = []

    async def show(pod: str, is_new: bool, is_one_of_several: bool) -> None:
        shown.append((pod, is_new, is_one_of_several))

    async with platform(tmp_path) as cluster:
        app = await deployed(cluster, shop())
        async with kubelet(cluster), scope() as tasks:
            tasks.spawn(run_all(cluster))
            await cluster.until(kinds.PODS, lambda items: all((pod.get("status") or {}).get("containerStatuses") for pod in items))
            capsys.readouterr()
            following = tasks.spawn(follow(cluster.client, app, None, show))
            await until(lambda: len(shown) == 1)
            await cluster.patch(APPS, "shop", {"spec": {"env": {"MODE": "live"}}})
            await until(lambda: len(shown) == 2)
            await cluster.client.delete(APPS, "shop", "default", propagation="Background")
            await following
            tasks.cancel()
    assert [flags for _, *flags in shown] == [[False, False], [True, True]]
    assert capsys.readouterr().err == "--- revision 2 of shop takes over\n--- shop is removed\n"


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not holds():
            await asyncio.sleep(0.05)
