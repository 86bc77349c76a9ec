from typing import Any

from pilothouse.platform.apps import objects
from pilothouse.platform.apps.autoscale import autoscaler
from pilothouse.platform.apps.history import with_service
from pilothouse.platform.apps.objects import ROLLED_FIELDS, Surroundings
from tests.platform.apps.life import DIGESTS, Life, app, image_of, source

REPOSITORY = "127.0.0.1:5000/apps/default/shop"


def rolled_back(life: Life, number: int) -> None:
    """As `ph rollback` does: the remembered part of the spec is put back."""
    state = next(r["data"]["spec"] for r in life.of("ControllerRevision") if r["revision"] == number)
    life.app["spec"] = {key: value for key, value in life.app["spec"].items() if key not in ROLLED_FIELDS} | state
    life.app["metadata"]["generation"] += 1


def test_the_first_deploy_builds_and_makes_nothing_else_meanwhile() -> None:
    life = Life(app(source=source()))
    life.settle()
    assert [key[0] for key in life.objects] == ["Build"]
    assert life.condition("Built") == ("Unknown", "Building")
    assert life.condition("Ready") == ("Unknown", "Building")
    assert life.status["build"] == life.of("Build")[0]["metadata"]["name"]


def test_a_finished_build_is_rolled_out_and_served() -> None:
    life = Life(app(source=source()))
    life.settle()
    life.build("Succeeded", digest=DIGESTS[0])
    life.settle()
    assert {key[0] for key in life.objects} == {"Build", "ControllerRevision", "Deployment", "Service", "Ingress"}
    assert image_of(life) == f"{REPOSITORY}@{DIGESTS[0]}"
    assert life.condition("Ready") == ("False", "RollingOut")
    life.roll()
    life.settle()
    assert life.condition("Ready") == ("True", "Serving")
    assert (life.status["revision"], life.status["url"], life.status["readyReplicas"]) == (1, "http://shop.localhost", 1)


def test_a_running_build_leaves_the_old_revision_as_it_is() -> None:
    life = Life(app(source=source()))
    life.deploy(DIGESTS[0])
    life.change(source=source("next"), port=9000, env={"A": "1"})
    before = {key: obj for key, obj in life.objects.items() if key[0] in ("Deployment", "Service")}
    life.settle()
    assert {key: life.objects[key] for key in before} == before
    assert image_of(life).endswith(DIGESTS[0])
    assert life.status["revision"] == 1


def test_a_failed_build_leaves_the_running_revision_alone_and_says_so() -> None:
    life = Life(app(source=source()))
    life.deploy(DIGESTS[0])
    life.change(source=source("broken"))
    life.settle()
    life.build("Failed", reason="BuildFailed", message="Dockerfile line 3: RUN false: it failed")
    life.settle()
    assert image_of(life).endswith(DIGESTS[0])
    assert life.condition("Built") == ("False", "BuildFailed")
    assert life.condition("Ready") == ("False", "BuildFailed")
    ready = next(c for c in life.status["conditions"] if c["type"] == "Ready")
    assert ready["message"] == "the last good revision still serves; Dockerfile line 3: RUN false: it failed"
    assert len(life.of("ControllerRevision")) == 1


def test_an_app_can_be_scaled_while_its_newest_build_has_failed() -> None:
    life = Life(app(source=source()))
    life.deploy(DIGESTS[0])
    life.change(source=source("broken"))
    life.settle()
    life.build("Failed", reason="BuildFailed")
    life.change(replicas=3)
    life.settle()
    deployment = life.one("Deployment")
    assert deployment is not None
    assert deployment["spec"]["replicas"] == 3
    assert image_of(life).endswith(DIGESTS[0])


def test_an_image_is_run_as_it_is_without_a_build() -> None:
    life = Life(app(image="quay.io/someone/web:1"), Surroundings(registry=""))
    life.settle()
    assert life.of("Build") == []
    assert image_of(life) == "quay.io/someone/web:1"
    assert life.condition("Built") == ("True", "ImageGiven")


def test_going_back_makes_the_old_revision_the_newest_and_builds_nothing() -> None:
    life = Life(app(source=source()))
    life.deploy(DIGESTS[0])
    life.change(source=source("next"), env={"MODE": "new"})
    life.deploy(DIGESTS[1])
    builds = {b["metadata"]["name"] for b in life.of("Build")}
    rolled_back(life, 1)
    life.settle()
    assert image_of(life).endswith(DIGESTS[0])
    assert {b["metadata"]["name"] for b in life.of("Build")} == builds
    assert life.status["revision"] == 3
    assert [(r["number"], r["image"][-3:]) for r in life.status["revisions"]] == [(2, "bbb"), (3, "aaa")]
    assert "env" not in life.app["spec"]


def test_a_revision_keeps_whether_the_app_was_ready_with_it() -> None:
    numbers = [{"number": n} for n in (1, 2, 3)]
    before = [{"number": 2, "served": False}, {"number": 3, "served": True}]
    assert with_service(numbers, before, is_ready=False) == [{"number": 1}, *before]
    assert with_service(numbers[:2], (), is_ready=True)[-1] == {"number": 2, "served": True}
    assert with_service([], (), is_ready=True) == []


def test_history_is_trimmed_with_the_builds_that_only_it_needed() -> None:
    life = Life(app(source=source(), history=2))
    for number, digest in enumerate(DIGESTS[:4]):
        life.change(source=source(f"v{number}"))
        life.deploy(digest)
    assert [r["number"] for r in life.status["revisions"]] == [3, 4]
    assert len(life.of("ControllerRevision")) == 2
    assert len(life.of("Build")) == 2


def test_a_superseded_build_is_removed_while_it_runs() -> None:
    life = Life(app(source=source()))
    life.settle()
    life.build("Running")
    life.change(source=source("next"))
    life.settle()
    assert [b["spec"]["source"]["git"]["revision"] for b in life.of("Build")] == ["next"]


def test_a_change_of_settings_is_not_served_before_its_pods_are() -> None:
    life = Life(app(image="web:1"))
    life.settle()
    life.roll()
    life.settle()
    life.change(env={"GREETING": "Welcome"})
    life.step()
    assert life.condition("Ready") == ("False", "RollingOut")
    life.settle()
    life.roll()
    life.settle()
    assert life.condition("Ready") == ("True", "Serving")


def test_scaling_is_ready_when_the_instances_are() -> None:
    life = Life(app(image="web:1"))
    life.settle()
    life.roll()
    life.change(replicas=4)
    life.step()
    assert life.condition("Ready") == ("False", "RollingOut")
    life.settle()
    life.roll()
    life.settle()
    assert life.condition("Ready") == ("True", "Serving")
    assert life.status["revision"] == 1


def test_a_stuck_rollout_is_told_and_not_held_against_the_next_one() -> None:
    life = Life(app(image="web:1"))
    life.settle()
    deployment = life.one("Deployment")
    assert deployment is not None
    stuck = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "timed out progressing"}
    deployment["status"] = {"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "conditions": [stuck]}
    life.settle()
    assert life.condition("Ready") == ("False", "ProgressDeadlineExceeded")
    life.change(image="web:2")
    life.step()
    assert life.condition("Ready") == ("False", "RollingOut")
    life.settle()
    assert life.condition("Ready") == ("False", "RollingOut")


def test_without_a_registry_a_source_cannot_be_built_and_the_way_out_is_named() -> None:
    life = Life(app(source=source()), Surroundings(registry=""))
    life.settle()
    assert life.objects == {}
    assert life.condition("Ready") == ("False", "NoRegistry")
    assert "--registry" in life.status["conditions"][0]["message"]


def test_an_app_without_image_and_source_says_what_is_missing() -> None:
    life = Life(app())
    life.settle()
    assert life.condition("Built") == ("False", "NoSource")
    assert "spec.image" in life.status["conditions"][0]["message"]


def test_the_time_of_a_condition_changes_only_with_its_status() -> None:
    life = Life(app(image="web:1"))
    life.settle()
    before = life.status["conditions"]
    life.change(hosts=["shop.example.org"])
    life.settle()
    assert [c["lastTransitionTime"] for c in life.status["conditions"]] == [c["lastTransitionTime"] for c in before]
    assert all(c["observedGeneration"] == 2 for c in life.status["conditions"])


def stored_by_the_first_release(**spec: Any) -> Life:
    """An App with the fields that its server filled in, and the Build that was made of it."""
    shop = app(source={**source(), "path": ""}, build={"dockerfile": "Dockerfile", "inline": "", "args": {}}, **spec)
    life = Life(shop)
    name = objects.legacy_build_name(shop)
    life.objects["Build", name] = {"kind": "Build", "metadata": {"name": name}, "status": {"phase": "Succeeded", "digest": DIGESTS[0]}}
    return life


def test_what_an_earlier_release_has_built_is_not_built_again() -> None:
    life = stored_by_the_first_release(port=9000)
    life.settle()
    assert (len(life.of("Build")), image_of(life)[-3:]) == (1, "aaa")


def test_an_earlier_build_that_does_not_say_its_port_is_built_again_when_the_port_is_asked_of_it() -> None:
    life = stored_by_the_first_release()
    life.settle()
    assert life.condition("Built") == ("Unknown", "Building")


def test_an_internal_app_is_reached_by_name_and_port_and_has_no_route() -> None:
    life = Life(app(image="redis:7", port=6379, internal=True))
    life.settle()
    service = life.one("Service")
    assert service is not None
    assert [port["port"] for port in service["spec"]["ports"]] == [80, 6379]
    assert (life.one("Ingress"), life.status["url"]) == (None, "")


def test_a_password_in_a_repositorys_url_is_not_in_the_list_of_revisions() -> None:
    life = Life(app(source={"git": {"url": "https://me:s3cret@git.example.org/shop.git", "revision": "main"}}))
    life.deploy(DIGESTS[0])
    assert life.status["revisions"][0]["note"] == "https://git.example.org/shop.git main"


def serve(life: Life) -> None:
    """An app of an image that is there."""
    life.settle()
    life.roll()
    life.settle()


def test_an_app_that_scales_with_its_load_has_an_autoscaler_of_its_own_until_it_does_not_any_more() -> None:
    life = Life(app(image="web:1", autoscale={"min": 2, "max": 10, "cpu": 70}))
    serve(life)
    (made,) = life.of("HorizontalPodAutoscaler")
    assert made["spec"]["scaleTargetRef"] == {"apiVersion": "apps.pilothouse.dev/v1", "kind": "App", "name": "shop"}
    assert (made["spec"]["minReplicas"], made["spec"]["maxReplicas"]) == (2, 10)
    assert made["metadata"]["ownerReferences"][0]["uid"] == life.app["metadata"]["uid"]
    life.change(autoscale={"min": 2, "max": 20, "memory": 60}, resources={"memory": "256Mi"})
    life.settle()
    (made,) = life.of("HorizontalPodAutoscaler")
    assert made["spec"]["maxReplicas"] == 20
    assert [each["resource"]["name"] for each in made["spec"]["metrics"]] == ["memory"]
    life.change(autoscale=None, source=source(), image="")
    life.settle()
    assert life.of("HorizontalPodAutoscaler") == []


def test_what_an_autoscaler_sets_is_carried_out() -> None:
    life = Life(app(image="web:1", autoscale={"max": 10}))
    serve(life)
    life.change(replicas=7)
    life.settle()
    assert life.of("Deployment")[0]["spec"]["replicas"] == 7


def test_cpu_is_a_share_of_the_limit_or_of_one_core() -> None:
    def target(**spec: Any) -> Any:
        made = autoscaler(app(image="web:1", **spec))
        assert made is not None
        return [each["resource"]["target"] for each in made["spec"]["metrics"]]

    assert target(autoscale={"max": 3, "cpu": 70}) == [{"type": "AverageValue", "averageValue": "700m"}]
    assert target(autoscale={"max": 3}, resources={"cpu": "250m"}) == [{"type": "Utilization", "averageUtilization": 80}]
    assert target(autoscale={"max": 3, "cpu": 50}, processes={"web": {"resources": {"cpu": "1"}}}) == [
        {"type": "Utilization", "averageUtilization": 50}
    ]
