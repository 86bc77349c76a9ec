"""An app of several processes: workers, a release process, runs on a schedule, no port at all."""

from typing import Any

import pytest

from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.platform.apps import processes
from tests.platform.apps.life import DIGESTS, Life, app, source

WORKER = {"command": ["python", "worker.py"]}


def served(**spec: Any) -> Life:
    life = Life(app(image="web:1", **spec))
    life.settle()
    life.roll()
    life.settle()
    return life


def container(life: Life, name: str) -> Object:
    found: Object = life.objects["Deployment", name]["spec"]["template"]["spec"]["containers"][0]
    return found


def test_each_process_is_a_deployment_and_only_web_has_a_port() -> None:
    life = served(processes={"web": {"command": ["serve"]}, "worker": WORKER | {"replicas": 2}}, env={"A": "1"})
    assert {name for kind, name in life.objects if kind == "Deployment"} == {"shop", "shop-worker"}
    web, worker = container(life, "shop"), container(life, "shop-worker")
    assert (web["command"], worker["command"]) == (["serve"], ["python", "worker.py"])
    assert worker["ports"] == []
    assert "readinessProbe" not in worker
    assert {"name": "A", "value": "1"} in worker["env"]
    assert [(p["name"], p["readyReplicas"]) for p in life.status["processes"]] == [("web", 1), ("worker", 2)]


def test_the_service_finds_no_replica_of_a_worker() -> None:
    life = served(processes={"web": {}, "worker": WORKER})
    service, worker = life.one("Service"), life.objects["Deployment", "shop-worker"]
    assert service is not None
    assert not service["spec"]["selector"].items() <= worker["spec"]["template"]["metadata"]["labels"].items()


def test_an_app_of_workers_has_no_route_and_runs() -> None:
    life = served(processes={"worker": WORKER})
    assert {kind for kind, _ in life.objects} == {"ControllerRevision", "Deployment"}
    assert life.condition("Ready") == ("True", "Running")
    assert life.status["url"] == ""


def test_port_zero_takes_the_route_away() -> None:
    life = served()
    assert life.one("Ingress") is not None
    life.change(port=0)
    life.settle()
    assert (life.one("Service"), life.one("Ingress")) == (None, None)
    assert container(life, "shop")["ports"] == []


def test_a_process_that_is_gone_from_the_spec_ends() -> None:
    life = served(processes={"web": {}, "worker": WORKER})
    life.change(processes={})
    life.settle()
    assert [name for kind, name in life.objects if kind == "Deployment"] == ["shop"]


def test_it_is_ready_when_all_its_processes_are() -> None:
    life = served(processes={"web": {}, "worker": WORKER})
    life.change(processes={"web": {}, "worker": WORKER | {"replicas": 3}})
    life.settle()
    assert life.condition("Ready") == ("False", "RollingOut")
    life.roll()
    life.settle()
    assert life.condition("Ready") == ("True", "Serving")


def test_the_release_process_runs_before_the_new_revision() -> None:
    life = Life(app(image="web:1", processes={"web": {}, "release": {"command": ["migrate"]}}))
    life.settle()
    (job,) = life.of("Job")
    assert job["spec"]["template"]["spec"]["containers"][0]["image"] == "web:1"
    assert life.of("Deployment") == []
    assert life.condition("Ready") == ("False", "Releasing")
    life.end_job(meta.name(job), "Complete")
    life.settle()
    life.roll()
    life.settle()
    assert life.condition("Ready") == ("True", "Serving")


def test_a_release_that_fails_leaves_the_running_revision_as_it_is() -> None:
    life = served()
    before = life.one("Deployment")
    life.change(image="web:2", processes={"web": {}, "release": {"command": ["/bin/bash", "-c", "exec migrate now"]}})
    life.settle()
    life.end_job(meta.name(life.of("Job")[0]), "Failed")
    life.settle()
    assert life.condition("Ready") == ("False", "ReleaseFailed")
    assert str((meta.condition(life.app, "Ready") or {})["message"]).endswith("so nothing was rolled out: migrate now")
    assert (life.one("Deployment"), life.status["revision"]) == (before, 1)


def test_a_release_is_tried_again_by_a_new_attempt_and_not_by_a_restart_or_a_scale() -> None:
    life = Life(app(image="web:1", processes={"web": {}, "release": {"command": ["migrate"]}}))
    life.settle()
    first = meta.name(life.of("Job")[0])
    life.end_job(first, "Complete")
    life.settle()
    life.change(replicas=3, restarts={"web": "2026-01-02T00:00:00Z"})
    life.settle()
    assert [meta.name(job) for job in life.of("Job")] == [first]
    life.change(attempt=1)
    life.settle()
    assert meta.name(life.of("Job")[-1]) != first


def test_a_finished_release_is_not_run_again_when_its_job_is_removed() -> None:
    life = Life(app(image="web:1", processes={"web": {}, "release": {"command": ["migrate"]}}))
    life.settle()
    life.end_job(meta.name(life.of("Job")[0]), "Complete")
    life.settle()
    life.objects = {key: obj for key, obj in life.objects.items() if key[0] != "Job"}
    life.settle()
    assert life.of("Job") == []


def test_a_release_waits_for_the_one_of_an_earlier_deploy_that_still_runs() -> None:
    life = Life(app(image="web:1", processes={"web": {}, "release": {"command": ["migrate"]}}))
    life.settle()
    first = meta.name(life.of("Job")[0])
    life.change(image="web:2")
    life.settle()
    assert [meta.name(job) for job in life.of("Job")] == [first]
    assert life.condition("Ready") == ("False", "Releasing")
    life.end_job(first, "Failed")
    life.settle()
    assert len(life.of("Job")) == 2


def scheduled() -> Life:
    life = served(processes={"web": {}, "nightly": {"command": ["clean"], "schedule": "30 3 * * *"}})
    life.now = "2026-01-01T03:30:05Z"
    return life


def test_a_scheduled_process_runs_at_its_time_and_is_looked_at_again_at_the_next() -> None:
    life = scheduled()
    todo = life.step()
    (job,) = life.of("Job")
    assert job["spec"]["template"]["spec"]["containers"][0]["command"] == ["clean"]
    assert todo.again_s == 24 * 3600 - 5
    life.settle()
    assert len(life.of("Job")) == 1


@pytest.mark.parametrize("reason", ["InvalidApp", "HostTaken"])
def test_the_newest_revisions_schedule_goes_on_while_the_spec_is_not_carried_out(reason: str) -> None:
    life = scheduled()
    if reason == "InvalidApp":
        life.change(env={"MODE": "new"}, processes={"web": {}, "nightly": {"command": ["other"], "schedule": "at noon"}})
    else:
        life.taken = "the host shop.localhost is app book's"
    life.step()
    assert life.condition("Ready") == ("False", reason)
    (job,) = life.of("Job")
    assert job["spec"]["template"]["spec"]["containers"][0]["command"] == ["clean"]
    life.settle()
    life.end_job(meta.name(job), "Complete")
    life.now = "2026-01-02T03:30:05Z"
    assert life.settle().again_s == 24 * 3600 - 5
    assert len(life.of("Job")) == 2


def test_a_run_that_still_works_is_not_joined_by_the_next() -> None:
    life = scheduled()
    life.settle()
    life.now = "2026-01-02T03:30:05Z"
    life.settle()
    assert len(life.of("Job")) == 1


def test_of_missed_times_only_the_last_is_made_up_for() -> None:
    life = scheduled()
    life.now = "2026-01-09T12:00:00Z"
    life.settle()
    assert len(life.of("Job")) == 1
    assert life.status["processes"][-1]["lastScheduledAt"] == "2026-01-09T03:30:00Z"


def test_after_a_month_away_what_runs_each_minute_runs_once() -> None:
    life = served(processes={"web": {}, "often": {"command": ["look"], "schedule": "* * * * *"}})
    life.now = "2026-02-01T12:00:30Z"
    life.settle()
    life.end_job(meta.name(life.of("Job")[0]), "Complete")
    life.settle()
    assert len(life.of("Job")) == 1
    assert life.status["processes"][-1]["lastScheduledAt"] == "2026-02-01T12:00:00Z"


def test_scheduled_processes_whose_names_begin_alike_all_run() -> None:
    names = ("send-invoices", "send-invoice-mail", f"send-invoice-{'x' * 17}")
    life = served(processes={"web": {}, **{name: {"command": [name], "schedule": "30 3 * * *"} for name in names}})
    life.now = "2026-01-01T03:30:05Z"
    life.settle()
    assert {job["spec"]["template"]["spec"]["containers"][0]["command"][0] for job in life.of("Job")} == set(names)
    assert all(len(meta.name(job)) <= 63 for job in life.of("Job"))


def test_of_ended_runs_the_last_three_stay() -> None:
    life = scheduled()
    for day in range(1, 7):
        life.now = f"2026-01-0{day}T03:30:05Z"
        life.settle()
        for job in life.of("Job"):
            life.end_job(meta.name(job), "Complete")
        life.settle()
    assert len(life.of("Job")) == 3


@pytest.mark.parametrize(
    ("given", "exposed", "port"),
    [
        ({}, [], 8080),
        ({}, [9000], 9000),
        ({"port": 5000}, [9000], 5000),
        ({"port": 0}, [9000], 0),
        ({}, [22, 443, 3000], 3000),
        ({}, [443], 443),
    ],
)
def test_the_port_is_the_one_that_is_set_else_what_the_image_exposes(given: Object, exposed: list[int], port: int) -> None:
    assert processes.port_of(given, exposed) == port


def test_the_port_follows_the_image_from_build_to_build() -> None:
    life = Life(app(source=source()))
    for number, port in enumerate((9000, 9001)):
        life.change(source=source(f"v{number}"))
        life.settle()
        life.build("Succeeded", digest=DIGESTS[number], exposedPorts=[port])
        life.settle()
        assert container(life, "shop")["ports"][0]["containerPort"] == port


def test_a_restart_changes_the_pods_and_no_revision() -> None:
    life = served(processes={"web": {}, "worker": WORKER})
    worker = life.objects["Deployment", "shop-worker"]["spec"]["template"]["metadata"].copy()
    life.change(restarts={"web": "2026-01-02T00:00:00Z"})
    life.settle()
    assert life.condition("Ready") == ("False", "RollingOut")
    assert life.status["revision"] == 1
    assert life.objects["Deployment", "shop-worker"]["spec"]["template"]["metadata"] == worker
