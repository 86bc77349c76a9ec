"""Images of containers: changed ones, and those that only a secret fetches."""

import asyncio

from pilothouse.client.transport import JSON_PATCH
from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.model.kinds import EVENTS, PODS, SECRETS
from tests.engine.node.builders import pull_secret
from tests.simulation.cluster import Simulated
from tests.simulation.conftest import Play
from tests.simulation.objects import IMAGE, container, pod
from tests.simulation.pods.looks import counts, now


def test_a_changed_image_restarts_its_container_and_no_other(play: Play) -> None:
    async def scene(cluster: Simulated) -> None:
        runtime = cluster.runtime
        runtime.holds(IMAGE, "app:2")
        await cluster.runs(pod("p", container(), container("other"), restartPolicy="Never"))
        await cluster.patch(PODS, "p", [{"op": "replace", "path": "/spec/containers/0/image", "value": "app:2"}], type=JSON_PATCH)
        found = await cluster.until(PODS, "p", lambda found: counts(found) == {"main": 1, "other": 0} and meta.is_true(found, "Ready"))
        assert {each["name"]: each["image"] for each in found["status"]["containerStatuses"]} == {"main": "app:2", "other": IMAGE}
        events = [each["message"] for each in await cluster.items(EVENTS) if each["reason"] == "Killing"]
        assert events == ["Container main definition changed, will be restarted"]

    play(scene)


def test_a_changed_image_ends_the_back_off_of_one_that_cannot_be_pulled(play: Play) -> None:
    async def scene(cluster: Simulated) -> float:
        cluster.runtime.holds(IMAGE)
        await cluster.create(PODS, pod("p", container(image="mistyped:1")))
        await asyncio.sleep(200)
        began = now()
        await cluster.patch(PODS, "p", [{"op": "replace", "path": "/spec/containers/0/image", "value": IMAGE}], type=JSON_PATCH)
        await cluster.until(PODS, "p", lambda found: meta.is_true(found, "Ready"))
        return now() - began

    assert play(scene) < 1


def test_a_changed_image_restarts_a_sidecar_and_nothing_else(play: Play) -> None:
    async def scene(cluster: Simulated) -> None:
        runtime = cluster.runtime
        runtime.holds(IMAGE, "app:2")
        sidecar = container("side", restartPolicy="Always")
        await cluster.runs(pod("p", initContainers=[sidecar]))
        await cluster.patch(PODS, "p", [{"op": "replace", "path": "/spec/initContainers/0/image", "value": "app:2"}], type=JSON_PATCH)
        found = await cluster.until(PODS, "p", lambda found: side(found)["restartCount"] == 1 and meta.is_true(found, "Ready"))
        assert (side(found)["image"], counts(found)) == ("app:2", {"main": 0})

    play(scene)


def side(found: Object) -> Object:
    (status,) = found["status"]["initContainerStatuses"]
    return dict(status)


def test_an_image_that_was_changed_while_nobody_looked_is_changed_by_the_next_worker(play: Play) -> None:
    async def scene(cluster: Simulated) -> None:
        runtime = cluster.runtime
        runtime.holds(IMAGE, "app:2")
        await cluster.runs(pod())
        worker = cluster.worker("p")
        worker.refresh()
        worker.state.started_at = "broken"  # type: ignore[assignment]
        await asyncio.sleep(1)
        await cluster.patch(PODS, "p", [{"op": "replace", "path": "/spec/containers/0/image", "value": "app:2"}], type=JSON_PATCH)
        found = await cluster.until(PODS, "p", lambda found: counts(found) == {"main": 1} and meta.is_true(found, "Ready"))
        assert cluster.worker("p") is not worker
        assert found["status"]["containerStatuses"][0]["image"] == "app:2"

    play(scene)


def test_what_one_pods_secret_fetched_serves_no_pod_without_it(play: Play) -> None:
    async def scene(cluster: Simulated) -> None:
        image = "registry.example/app:1"
        cluster.runtime.remote.add(image)
        cluster.runtime.private[image] = "me:word"
        secret = pull_secret("mine", "registry.example", "me", "word", namespace="default")
        await cluster.create(SECRETS, secret | {"metadata": {"name": "mine"}})
        mine: Object = {"imagePullSecrets": [{"name": "mine"}]}
        await cluster.runs(pod("first", container(image=image), **mine))
        await cluster.create(PODS, pod("without", container(image=image)))
        await cluster.until(PODS, "without", lambda each: waits_for(each) in ("ErrImagePull", "ImagePullBackOff"), 60)
        await cluster.create(PODS, pod("never", container(image=image, imagePullPolicy="Never")))
        await cluster.until(PODS, "never", lambda each: waits_for(each) == "ErrImageNeverPull", 60)
        pulls = len(cluster.runtime.called("PullImage"))
        await cluster.runs(pod("second", container(image=image), **mine))
        assert len(cluster.runtime.called("PullImage")) == pulls
        await cluster.create(PODS, pod("lost", container(image=image), imagePullSecrets=[{"name": "absent"}]))
        await cluster.until(PODS, "lost", lambda each: waits_for(each) in ("ErrImagePull", "ImagePullBackOff"), 60)
        events = [each["message"] for each in await cluster.items(EVENTS) if each["reason"] == "FailedToRetrieveImagePullSecret"]
        assert events == ["Unable to retrieve some image pull secrets (absent); attempting to pull the image may not succeed."]

    play(scene)


def waits_for(found: Object | None) -> str:
    statuses = ((found or {}).get("status") or {}).get("containerStatuses") or [{}]
    return str(((statuses[0].get("state") or {}).get("waiting") or {}).get("reason"))
