from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pilothouse.cli.why.causes import explain
from pilothouse.cli.why.container_causes import logs
from pilothouse.cli.why.notes import Note, belongs_to, collapsed, from_decision, from_event, merged
from pilothouse.cli.why.pod_causes import of_pod
from pilothouse.cli.why.pull_causes import image_meant
from pilothouse.cli.why.scene import Scene
from pilothouse.decisions.log import DecisionLog, Ref, read_decisions
from pilothouse.platform.gateway.routes import Problem
from tests.cli.shop import (
    BUILD,
    IMAGE,
    NOW,
    POD,
    REPLICA_SET,
    app,
    build,
    deployment,
    healthy,
    ingress,
    note,
    old_replica_set,
    pod,
    replica_set,
    slices,
    terminated,
    unready,
    waiting,
)

QUOTA = (
    f'pods "{POD}" is forbidden: exceeded quota: team, requested: limits.memory=64Mi, '
    "used: limits.memory=96Mi, limited: limits.memory=128Mi"
)
NOT_FOUND = (
    f'Back-off pulling image "{IMAGE}": ErrImagePull: rpc error: code = NotFound desc = failed to pull and unpack image "{IMAGE}": '
    f"failed to resolve reference: {IMAGE}: not found"
)
NO_HOST = "rpc error: code = Unknown desc = failed to do request: dial tcp: lookup registry.example.org: no such host"
RUNC = (
    "failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create failed: "
    'unable to start container process: exec: "gunicorn": executable file not found in $PATH: unknown'
)
NO_NODE = (
    "0/1 nodes are available: 1 Insufficient cpu. preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod."
)
TAINT = "0/1 nodes are available: 1 node(s) had untolerated taint {node.kubernetes.io/not-ready: }."
SKEWED = "0/1 nodes are available: 1 node(s) didn't match pod topology spread constraints."
SHUNNED = "0/1 nodes are available: 1 node(s) didn't match pod anti-affinity rules."
UNBOUND = "0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims."
NO_CLAIM = '0/1 nodes are available: persistentvolumeclaim "data" not found.'
CORDONED = "0/1 nodes are available: 1 node(s) were unschedulable."
PIP = "Dockerfile line 4: RUN pip install -r requirements.txt: ERROR: No matching distribution found for flask==99.0"
REFUSED = 'Readiness probe failed: Get "http://10.244.0.5:8080/": dial tcp 10.244.0.5:8080: connect: connection refused'


def unscheduled(message: str) -> dict[str, object]:
    conditions = [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}]
    return pod(conditions=conditions, containerStatuses=[], phase="Pending")


def crash(code: int, reason: str = "Error", message: str = "", restarts: int = 5) -> dict[str, object]:
    back_off = waiting("CrashLoopBackOff", "back-off 2m40s restarting failed container=app")
    return pod(back_off, restarts=restarts, last=terminated(code, reason, message))


def no_pods(reason_message: str) -> Scene:
    failure = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": reason_message}
    return healthy(deployment=deployment(0), replica_sets=[replica_set(0, 0, conditions=[failure])], pods=[], endpoints=[])


SEEDED: dict[str, tuple[Scene, list[str]]] = {
    "quota": (
        no_pods(QUOTA),
        [
            "shop does not serve: quota team is used up (requested limits.memory=64Mi, ",
            "used limits.memory=96Mi, limited to limits.memory=128Mi)",
            f", so replicaset {REPLICA_SET} cannot create pods; raise it with `ph kubectl edit resourcequota team`",
        ],
    ),
    "quota that wants limits": (
        no_pods(f'pods "{POD}" is forbidden: failed quota: team: must specify limits.cpu for: app'),
        ["quota team takes no pod that does not specify limits.cpu for: app", "--cpu"],
    ),
    "limit range": (
        no_pods(f'pods "{POD}" is forbidden: maximum memory usage per Container is 32Mi, but limit is 64Mi'),
        ["a limit range refuses the pod: maximum memory usage per Container is 32Mi, but limit is 64Mi"],
    ),
    "service account": (
        no_pods(f'pods "{POD}" is forbidden: error looking up service account default/web: serviceaccount "web" not found'),
        ["service account web does not exist", "`ph kubectl create sa web`"],
    ),
    "webhook gone": (
        no_pods('Internal error occurred: failed calling webhook "a.example.com": failed to call webhook: Post "https://x": no endpoints'),
        ["webhook a.example.com does not answer: failed to call webhook", "`ph status` names its configuration"],
    ),
    "webhook refuses": (
        no_pods('admission webhook "a.example.com" denied the request: no latest tags'),
        ["webhook a.example.com refuses the pods: no latest tags", "change the webhook"],
    ),
    "no cpu": (
        unready(unscheduled(NO_NODE)),
        [f"no node can take pod {POD}, which asks for cpu 64: 0/1 nodes are available: 1 Insufficient cpu; ask for less cpu"],
    ),
    "taint": (unready(unscheduled(TAINT)), ["untolerated taint {node.kubernetes.io/not-ready: }", "remove its taint, or tolerate it"]),
    "skewed": (unready(unscheduled(SKEWED)), ["topology spread constraints", "add a node where fewest of the pods are"]),
    "shunned": (unready(unscheduled(SHUNNED)), ["pod anti-affinity rules", "the pod's affinity to other pods"]),
    "no claim": (unready(unscheduled(NO_CLAIM)), ['persistentvolumeclaim "data" not found; create claim data, or correct its name']),
    "claims": (unready(unscheduled(UNBOUND)), ["unbound immediate", "`ph kubectl describe pvc` says what"]),
    "cordoned": (unready(unscheduled(CORDONED)), ["1 node(s) were unschedulable; a cordoned node", "`ph kubectl uncordon NODE`"]),
    "no such image": (
        unready(pod(waiting("ImagePullBackOff", NOT_FOUND))),
        [f"shop does not serve: image {IMAGE} does not exist in its registry, so container app cannot start; correct the image's name"],
    ),
    "registry out of reach": (
        unready(pod(waiting("ErrImagePull", NO_HOST))),
        [f"the registry of image {IMAGE} cannot be reached", "`ph config set registry.mirror HOST`"],
    ),
    "the platform's registry out of a node's reach": (
        unready(pod(waiting("ErrImagePull", f'failed to do request: Head "http://{IMAGE}": EOF'))),
        [
            f"the pod's node does not reach the registry of image {IMAGE}, so container app cannot start",
            "nothing else listens on this port",
        ],
    ),
    "pull refused, said in an older note": (
        unready(
            pod(waiting("ImagePullBackOff", f'Back-off pulling image "{IMAGE}"')),
            notes=[note(("Pod", POD), "Failed", f'Failed to pull image "{IMAGE}": pull access denied, authorization failed')],
        ),
        ["refuses access", "imagePullSecrets"],
    ),
    "bad image name": (
        unready(pod(waiting("InvalidImageName", "couldn't parse image name"))),
        [f'"{IMAGE}" is no valid image name, so container app cannot start'],
    ),
    "missing secret": (
        unready(pod(waiting("CreateContainerConfigError", 'secret "shop-secrets" not found'))),
        ['secret "shop-secrets", which container app takes its environment from, does not exist', "`ph deploy --secret KEY=VALUE`"],
    ),
    "missing key": (
        unready(pod(waiting("CreateContainerConfigError", "couldn't find key TOKEN in Secret default/keys"))),
        ['secret "keys" has no key TOKEN', "`ph kubectl edit secret keys`"],
    ),
    "missing config map of a volume": (
        unready(
            pod(waiting("ContainerCreating"), phase="Pending"),
            notes=[note(("Pod", POD), "FailedMount", 'MountVolume.SetUp failed for volume "cfg" : configmap "settings" not found')],
        ),
        ['configmap "settings", which volume cfg is made from, does not exist', "`ph kubectl create configmap settings"],
    ),
    "a storage driver that is not there": (
        unready(
            pod(waiting("ContainerCreating"), phase="Pending"),
            notes=[
                note(
                    ("Pod", POD),
                    "FailedMount",
                    'MountVolume.SetUp failed for volume "v" : driver name a.b not found in the list of registered CSI drivers',
                )
            ],
        ),
        ["volume v cannot be mounted", "driver name a.b not found", "`ph kubectl get csinodes`"],
    ),
    "a storage driver that refuses": (
        unready(
            pod(waiting("ContainerCreating"), phase="Pending"),
            notes=[
                note(
                    ("Pod", POD),
                    "FailedMount",
                    'MountVolume.MountDevice failed for volume "v" : driver a.b: NodeStageVolume: INTERNAL: no disk',
                )
            ],
        ),
        ["INTERNAL: no disk", "see the logs of the driver's pods"],
    ),
    "no such program": (
        unready(pod(waiting("RunContainerError", RUNC), last=terminated(128, "StartError", RUNC), restarts=3)),
        ["the image of container app has no program gunicorn, so container app cannot start; correct the command"],
    ),
    "exit code with a message": (
        unready(crash(1, message="Traceback (most recent call last):\nKeyError: 'DATABASE_URL'\n")),
        [
            "container app ended with exit code 1: KeyError: 'DATABASE_URL', so it is started again and again (5 restarts)",
            "`ph logs shop --previous`",
        ],
    ),
    "exit code with a message that ends a sentence": (
        unready(crash(1, message="Connection refused.\n")),
        ["exit code 1: Connection refused, so it is started again"],
    ),
    "exit code with a meaning": (unready(crash(139)), ["exit code 139: it crashed with a segmentation fault"]),
    "ends by itself": (
        unready(crash(0, "Completed")),
        ["container app ends by itself with exit code 0", "keeps running in its foreground"],
    ),
    "out of memory": (
        unready(crash(137, "OOMKilled")),
        [
            "container app exceeded its memory limit of 64Mi and was killed (OOMKilled, exit code 137), so it is started again and again",
            "raise the memory limit with `ph deploy --memory`",
        ],
    ),
    "liveness": (
        unready(
            crash(137),
            notes=[note(("Pod", POD), "Unhealthy", "Liveness probe failed: HTTP probe failed with statuscode: 500")],
        ),
        ["the liveness probe of container app fails: HTTP probe failed with statuscode: 500, so container app was killed (exit code 137)"],
    ),
    "wrong port": (
        unready(pod(), notes=[note(("Pod", POD), "Unhealthy", REFUSED)]),
        [
            'shop does not serve: the readiness probe of container app fails: Get "http://10.244.0.5:8080/": ',
            "10.244.0.5:8080: connect: connection refused; ",
            "make it listen on 0.0.0.0:8080, or name the port that it listens on with `ph deploy --port`",
        ],
    ),
    "failing health path past the deadline": (
        unready(
            pod(),
            deployment=deployment(0, conditions=[{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}]),
            notes=[note(("Pod", POD), "Unhealthy", "Readiness probe failed: HTTP probe failed with statuscode: 503")],
        ),
        ["statuscode: 503, so the rollout made no progress in time; make the probe's path answer below 400"],
    ),
    "init container": (
        unready(
            pod(
                waiting("PodInitializing"),
                phase="Pending",
                initContainerStatuses=[
                    {"name": "migrate", "restartCount": 2, "state": waiting("CrashLoopBackOff"), "lastState": {"terminated": terminated(2)}}
                ],
            )
        ),
        ["container migrate ended with exit code 2, so it is started again and again (2 restarts)"],
    ),
    "evicted": (
        unready(pod(phase="Failed", reason="Evicted", message="The node was low on resource: memory. ")),
        [f"pod {POD} was evicted: The node was low on resource: memory;"],
    ),
    "failed build, older revision serves": (
        healthy(app=app(revision=2), build=build("Failed", reason="BuildFailed", message=PIP)),
        [f"shop still serves revision 2: {PIP}, so build {BUILD} failed; correct that line, then `ph deploy` again"],
    ),
    "failed first build": (
        healthy(
            app=app(revision=0),
            build=build("Failed", reason="SourceFailed", message="the source has no file Dockerfile"),
            deployment=None,
            replica_sets=[],
            pods=[],
            ingress=None,
            endpoints=[],
        ),
        [f"shop does not serve: the source has no file Dockerfile, so build {BUILD} failed; correct the source"],
    ),
    "rollout stuck, older revision serves": (
        healthy(
            deployment=deployment() | {"status": {**deployment()["status"], "replicas": 3, "updatedReplicas": 1}},
            replica_sets=[replica_set(0, 2), old_replica_set()],
            pods=[crash(1)],
        ),
        ["shop still serves revision 2: container app ended with exit code 1"],
    ),
    "scaled to zero": (
        healthy(deployment=deployment(0, 0), replica_sets=[replica_set(0, 0)], pods=[]),
        ["shop does not serve: it is scaled to 0 replicas; start one with `ph scale shop=1`"],
    ),
    "path taken": (
        healthy(problems=[Problem("default/shop", "PathTaken", "shop.localhost/ is served by ingress default/old, which is older")]),
        ["shop runs but cannot be reached: shop.localhost/ is served by ingress default/old, which is older, so its route does not work;"],
    ),
    "no gateway": (healthy(ingress=ingress(places=False)), ["runs but cannot be reached: no gateway serves ingress class pilothouse"]),
    "no endpoint": (healthy(endpoints=slices(ready=False)), ["runs but cannot be reached: service shop has no ready endpoint"]),
    "name taken": (healthy(taken=["service shop"]), ["service shop exists and is not this app's; rename the app"]),
    "nobody home": (healthy(app=app(observedGeneration=0)), ["no platform works on this cluster's apps; start it with `ph up`"]),
}


@pytest.mark.parametrize("situation", SEEDED)
def test_the_first_cause_and_the_way_out_are_named(situation: str) -> None:
    scene, parts = SEEDED[situation]
    found = explain(scene)
    for part in parts:
        assert part in found.sentence
    assert "\n" not in found.sentence
    assert found.chain
    assert found.next_step


def test_when_all_is_well_it_says_where() -> None:
    assert explain(healthy()).sentence == "shop serves revision 3 with 2 of 2 replicas at http://shop.localhost"


def test_a_working_app_tells_of_its_restarts() -> None:
    found = explain(healthy(pods=[pod(ready=True, restarts=2, last=terminated(137, "OOMKilled"))]))
    assert found.chain == ()
    assert found.sentence.endswith(f"; pod {POD} was restarted 2 times, the last time after OOMKilled (exit code 137)")


def test_a_running_build_is_no_trouble() -> None:
    scene = healthy(app=app(revision=0), build=build("Running"), deployment=None, replica_sets=[], pods=[], ingress=None, endpoints=[])
    assert explain(scene).sentence.startswith("shop is being built for ")


def test_a_build_that_waits_for_an_image_to_be_made_says_for_which() -> None:
    making = note(("Build", BUILD), "Preparing", "making a stand-in for golang:1.19: about a minute, once")
    parts: dict[str, Any] = {"app": app(revision=0), "build": build("Running"), "deployment": None, "replica_sets": [], "pods": []}
    waits = healthy(**parts, ingress=None, endpoints=[], notes=[making])
    assert explain(waits).sentence.endswith("for what its build needs: making a stand-in for golang:1.19: about a minute, once")
    goes_on = healthy(**parts, ingress=None, endpoints=[], notes=[making, note(("Build", BUILD), "Prepared", "golang:1.19 is there")])
    assert explain(goes_on).sentence.startswith("shop is being built for ")


def test_the_way_out_of_a_missing_base_image_is_said_once() -> None:
    message = "base image golang:9 cannot be had: no registry that holds it can be reached: use golang:1.19, or set a mirror with `x`"
    found = explain(healthy(build=build("Failed", reason="NoBaseImage", message=message), app=app(revision=0)))
    assert found.chain[0] == "base image golang:9 cannot be had: no registry that holds it can be reached"
    assert found.next_step == "use golang:1.19, or set a mirror with `x`"


def test_a_rollout_in_progress_is_no_trouble() -> None:
    scene = unready(pod(waiting("ContainerCreating"), phase="Pending"))
    assert explain(scene).sentence == "shop is being rolled out: 0 of 2 replicas of the newest revision are ready"


def test_trouble_of_an_earlier_attempt_is_not_blamed_on_the_new_one() -> None:
    scene = unready(pod(waiting("ContainerCreating"), phase="Pending"), notes=[note(("App", "shop"), "BuildFailed", PIP, ago_s=90_000)])
    assert explain(scene).chain == ()


def test_an_hour_later_a_pod_that_is_gone_is_explained_by_what_was_decided() -> None:
    told = [
        note(("Pod", POD), "Scheduled", "Successfully assigned default/shop to node", 4000),
        note(("Pod", POD), "Failed", 'Error: secret "shop-secrets" not found', 3900),
        note(("Pod", POD), "BackOff", "Back-off restarting failed container", 3600),
    ]
    found = explain(Scene("Pod", POD, NOW, notes=told))
    assert found.sentence.startswith(f'pod {POD} is gone: 1h ago secret "shop-secrets", which container app takes its environment from')


def test_an_app_that_is_gone_is_explained_by_the_first_cause_of_its_last_trouble() -> None:
    told = [
        note(("ReplicaSet", REPLICA_SET), "FailedCreate", f"Error creating: {QUOTA}", 3700),
        note(("App", "shop"), "ProgressDeadlineExceeded", "ReplicaSet has timed out progressing.", 3600),
    ]
    found = explain(Scene("App", "shop", NOW, notes=told))
    assert found.sentence.startswith("shop is gone: 1h ago quota team is used up")


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({"exit_code": 137, "oom": True}, "1h ago container app exceeded its memory limit and was killed (OOMKilled, exit code 137)"),
        ({"exit_code": 1, "said": "Traceback\nKeyError: 'URL'\n"}, "1h ago container app ended with exit code 1: KeyError: 'URL'"),
        ({"exit_code": 139}, "1h ago container app ended with exit code 139: it crashed with a segmentation fault"),
        ({"exit_code": 143}, "the last that was said about it, 1h ago: Exited: container app ended"),
        ({"exit_code": 0}, "the last that was said about it, 1h ago: Exited: container app ended"),
    ],
)
def test_how_a_container_of_a_pod_that_is_gone_ended_is_known_from_the_nodes_decision(facts: dict[str, object], expected: str) -> None:
    told = Note("Pod", POD, "kubelet", "Exited", "container app ended", NOW - 3700, facts={"container": "app", **facts})
    assert expected in explain(Scene("Pod", POD, NOW, notes=[told])).sentence


def test_what_nobody_knows_is_said_to_be_unknown() -> None:
    assert explain(Scene("App", "shpo", NOW)).sentence == "there is no app shpo, and nothing is known about one"


def test_a_pod_and_a_deployment_can_be_asked_about_alone() -> None:
    alone = explain(Scene("Pod", POD, NOW, pods=[crash(137, "OOMKilled")]))
    assert alone.sentence.startswith(f"pod {POD} is not ready: container app exceeded its memory limit of 64Mi")
    assert "raise the memory limit of container app" in alone.next_step
    whole = explain(Scene("Deployment", "shop", NOW, deployment=deployment(), replica_sets=[replica_set()], pods=[pod(ready=True)]))
    assert whole.sentence == "deployment shop serves with 2 of 2 replicas"


@pytest.mark.parametrize(
    ("about", "expected"),
    [
        (("App", "shop"), True),
        (("Deployment", "shop"), True),
        (("ReplicaSet", REPLICA_SET), True),
        (("Pod", POD), True),
        (("Build", BUILD), True),
        (("Pod", f"{BUILD}-build"), True),
        (("App", "shop-web"), False),
        (("Deployment", "shop-web"), False),
        (("ReplicaSet", "shop-web-6d5f8c7b9"), False),
        (("Pod", "shop-web-6d5f8c7b9-x2x4z"), False),
        (("Pod", "workshop-6d5f8c7b9-x2x4z"), False),
    ],
)
def test_notes_belong_to_an_app_by_the_names_of_what_it_makes(about: tuple[str, str], expected: bool) -> None:
    assert belongs_to("App", "shop")(note(about, "Any", "")) is expected


def test_an_event_that_the_decision_log_has_too_is_shown_once() -> None:
    event = {
        "metadata": {"name": "x", "creationTimestamp": "2026-02-02T02:00:00Z"},
        "involvedObject": {"kind": "Pod", "name": POD},
        "reason": "FailedScheduling",
        "message": NO_NODE,
        "lastTimestamp": "2026-02-02T02:01:00Z",
        "count": 3,
        "source": {"component": "default-scheduler"},
    }
    from_api = from_event(event)
    assert (from_api.part, from_api.count, from_api.about) == ("default-scheduler", 3, f"pod/{POD}")
    assert merged([note(("Pod", POD), "FailedScheduling", NO_NODE)], [from_api]) == [note(("Pod", POD), "FailedScheduling", NO_NODE)]


def test_events_of_the_newer_api_are_read_as_well() -> None:
    event = {
        "metadata": {"name": "x"},
        "regarding": {"kind": "Pod", "name": POD},
        "reason": "Unhealthy",
        "note": REFUSED,
        "eventTime": "2026-02-02T02:01:00.123456Z",
        "reportingController": "kubelet",
        "series": {"count": 7, "lastObservedTime": "2026-02-02T02:09:00.000000Z"},
    }
    assert from_event(event) == Note("Pod", POD, "kubelet", "Unhealthy", REFUSED, from_event(event).last, 7)


async def test_what_another_process_decided_is_read_from_its_log(tmp_path: Path) -> None:
    path = tmp_path / "decisions.db"
    with DecisionLog(path) as log:
        log.record(Ref("Pod", "default", POD, "uid"), "scheduler", "FailedScheduling", NO_NODE)
        await log.flush()
        notes = [from_decision(decision) for decision in read_decisions(path, namespace="default")]
    found = explain(Scene("Pod", POD, notes[0].last + 3600, notes=notes))
    assert f"pod {POD} is gone: 1h ago no node can take pod {POD}: 0/1 nodes are available: 1 Insufficient cpu;" in found.sentence


def test_the_image_of_a_volume_is_the_one_that_is_named() -> None:
    message = 'volume "v": Back-off pulling image "data:1": ErrImagePull: failed to resolve reference "data:1": not found'
    assert image_meant("app:1", message) == "data:1"
    assert image_meant("app:1", 'volume "v": couldn\'t parse image name "D": invalid reference format') == "D"
    assert image_meant("app:1", 'Back-off pulling image "app:1"') == "app:1"


def test_a_pod_that_cannot_end_for_its_storage_driver_says_so() -> None:
    said = 'UnmountVolume.TearDown failed for volume "v" : driver name a.b not found in the list of registered CSI drivers'
    running: dict[str, Any] = {"metadata": {"name": POD}, "spec": {}, "status": {"phase": "Running"}}
    notes = [note(("Pod", POD), "FailedUnmount", said)]
    assert of_pod(running, notes, 0.0) is None
    found = of_pod({**running, "metadata": {"name": POD, "deletionTimestamp": "2026-01-01T00:00:00Z"}}, notes, 0.0)
    assert found is not None
    assert f"pod {POD} cannot end: {said}" in found.chain[0]


def test_what_is_said_again_and_again_is_shown_once_with_how_often() -> None:
    said = [replace(note(("Pod", POD), reason, "x"), last=last, count=2) for last, reason in enumerate(["Bad", "Worse", "Bad"])]
    assert [(each.reason, each.count, each.last) for each in collapsed(said)] == [("Worse", 2, 1), ("Bad", 4, 2)]


def test_of_a_pod_with_several_containers_the_logs_of_the_one_that_ends_are_named() -> None:
    assert logs("", POD, "agent", previous=True) == f"see `ph kubectl logs {POD} -c agent --previous`"
    assert logs("shop", POD, "agent", previous=True) == "see `ph logs shop --previous`"
