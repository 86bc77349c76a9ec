"""The Deployments and Jobs of an app: its processes as pods (pure)."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from pilothouse.model import kinds, meta
from pilothouse.model.json import Object
from pilothouse.model.quantity import QuantityError, canonical
from pilothouse.model.volumes import FROM_IMAGE
from pilothouse.platform.apps import processes
from pilothouse.platform.apps.objects import Surroundings, fingerprint, identity, labels, metadata, selector, within
from pilothouse.platform.apps.processes import RELEASE, WEB, Process, deployment_name
from pilothouse.platform.apps.volumes import mounts
from pilothouse.platform.apps.volumes.claims import Claims

STATE = "apps.pilothouse.dev/state"
"""Annotation of the pod template by which a Deployment is known to have the state that is wanted."""
RESTARTED = "apps.pilothouse.dev/restarted-at"
PROCESS = "apps.pilothouse.dev/process"
PROCESS_OF = "apps.pilothouse.dev/process-of"
"""Label of the pods of every process but `web`, which the Service finds by the label of `objects.selector`."""
ANSWERS = "apps.pilothouse.dev/answers"
"""Readiness gate of the replicas that take part only when they have answered a request (see `readiness`)."""
GRACE_S = 30
"""How long an app has to end by itself, after it is asked to."""
RELEASE_DEADLINE_S = 1800
"""After this time a release process is ended and has failed."""


@dataclass(frozen=True, slots=True)
class Running:
    """What the pods of a state run with. port: of `web`, 0 for none. pins: Secret of the spec -> the copy that is read.

    claims: by name, those of the app's volumes that exist.
    """

    image: str
    port: int = 0
    pins: Mapping[str, str] = field(default_factory=dict)
    claims: Claims = field(default_factory=dict)


def pod_labels(app: Object, process: str) -> dict[str, str]:
    """By which a process's pods are found; those of different processes never overlap."""
    return selector(app) if process == WEB else {PROCESS_OF: meta.name(app), PROCESS: process}


def deployment(app: Object, process: Process, running: Running, around: Surroundings) -> Object:
    template = _template(app, process, running, around)
    restarted = (app["spec"].get("restarts") or {}).get(process.name)
    if restarted:
        template["metadata"]["annotations"] = template["metadata"].get("annotations", {}) | {RESTARTED: restarted}
    template["metadata"]["annotations"] = {STATE: fingerprint(template)} | template["metadata"].get("annotations", {})
    # Present also where there is none, like a container's `envFrom`; they are no part of the state then.
    template["spec"] = {"readinessGates": [], "volumes": [], "affinity": None} | template["spec"]
    template["spec"]["securityContext"] |= {"fsGroup": template["spec"]["securityContext"].get("fsGroup")}
    return scaled(app, process) | {
        "spec": {
            "replicas": process.replicas,
            "selector": {"matchLabels": pod_labels(app, process.name)},
            "strategy": _strategy(app, process, running),
            "revisionHistoryLimit": 2,
            "minReadySeconds": 0 if _proves_itself(app, process, running, around) else around.proven_s,
            "template": template,
        },
    }


def without_resets(wanted: Object, current: Object | None) -> Object:
    """A Deployment without the fields that only take off what an earlier state had, where it has the wanted state already.

    What is there then was added by somebody else, such as a webhook, who would add it again and again.
    """
    if current is None or state_of(current) != state_of(wanted):
        return wanted
    template = wanted["spec"]["template"]
    pod = {key: value for key, value in template["spec"].items() if value or key not in ("readinessGates", "volumes", "affinity")}
    pod["securityContext"] = {key: value for key, value in pod["securityContext"].items() if value is not None}
    return wanted | {"spec": wanted["spec"] | {"template": template | {"spec": pod}}}


def state_of(deployment: Object) -> str:
    """By which it is known what its pods are to be; "" for one that is no app's."""
    return meta.annotations(deployment["spec"]["template"]).get(STATE, "")


def _strategy(app: Object, process: Process, running: Running) -> Object:
    if mounts.recreates(app, process.name, running.claims):
        return {"type": "Recreate", "rollingUpdate": None}
    return {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": "25%"}}


def scaled(app: Object, process: Process) -> Object:
    """Only the number of replicas of the Deployment: all that may change while there is no new state to run."""
    return {
        "apiVersion": kinds.DEPLOYMENTS.api_version,
        "kind": kinds.DEPLOYMENTS.kind,
        "metadata": metadata(app, deployment_name(app, process.name)),
        "spec": {"replicas": process.replicas},
    }


def release_name(app: Object, process: Process, running: Running) -> str:
    """One Job for one state: what would run is in its name, so that it runs once."""
    state = [running.image, process.command, process.args, app["spec"].get("env") or {}, dict(running.pins), app["spec"].get("attempt")]
    if mounted := mounts.of_container(app, process.name, running.claims):
        # What it has done to files that went with its pod is not done to those of a volume.
        state.append(mounted)
    return f"{within(meta.name(app), 40)}-{RELEASE}-{identity(state)}"


def job(app: Object, process: Process, running: Running, around: Surroundings, *, name: str) -> Object:
    """A process that runs once. It is not tried again by itself: what it did before it failed is not known."""
    template = _template(app, process, running, around)
    template["spec"]["restartPolicy"] = "Never"
    deadline = {"activeDeadlineSeconds": RELEASE_DEADLINE_S} if process.name == RELEASE else {}
    made = metadata(app, name)
    return {
        "apiVersion": kinds.JOBS.api_version,
        "kind": kinds.JOBS.kind,
        "metadata": made | {"labels": made["labels"] | {PROCESS: process.name}},
        "spec": {"backoffLimit": 0, "template": template} | deadline,
    }


def _template(app: Object, process: Process, running: Running, around: Surroundings) -> Object:
    template: Object = {
        "metadata": {"labels": labels(app) | pod_labels(app, process.name) | mounts.labels(app, process.name, running.claims)},
        "spec": {
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "securityContext": {"seccompProfile": {"type": "RuntimeDefault"}} | mounts.security(app, process.name),
            "containers": [_container(app, process, running, around)],
        }
        | mounts.of_pod(app, process.name, running.claims),
    }
    if around.fills_volumes and (filled := mounts.filled(app, process.name, running.claims)):
        template["metadata"]["annotations"] = {FROM_IMAGE: ",".join(filled)}
    if around.drain_s and _is_served(process, running):
        # What a pod waits counts against its time to end.
        template["spec"]["terminationGracePeriodSeconds"] = GRACE_S + around.drain_s
    if _must_answer(app, process, running, around):
        template["spec"]["readinessGates"] = [{"conditionType": ANSWERS}]
    return template


def is_gated(pod: Object) -> bool:
    return any(gate.get("conditionType") == ANSWERS for gate in pod["spec"].get("readinessGates") or ())


def _proves_itself(app: Object, process: Process, running: Running, around: Surroundings) -> bool:
    """Whether a replica that is ready has already answered something."""
    return _has_health_check(app, process, running) or _must_answer(app, process, running, around)


def _must_answer(app: Object, process: Process, running: Running, around: Surroundings) -> bool:
    """Not what has no route: it may speak something else than HTTP."""
    is_asked = around.asks_replicas and processes.has_route(app) and _is_served(process, running)
    return is_asked and not _has_health_check(app, process, running)


def _has_health_check(app: Object, process: Process, running: Running) -> bool:
    return _is_served(process, running) and bool((app["spec"].get("health") or {}).get("path"))


def _is_served(process: Process, running: Running) -> bool:
    return process.name == WEB and running.port != 0


def _container(app: Object, process: Process, running: Running, around: Surroundings) -> Object:
    spec = app["spec"]
    is_served = _is_served(process, running)
    limits = {key: _quantity(value) for key, value in process.resources.items() if value}
    told = {"PORT": str(running.port)} if running.port else {}
    container: Object = {
        "name": "app",
        "image": running.image,
        "imagePullPolicy": "IfNotPresent",
        "ports": [{"name": "http", "containerPort": running.port, "protocol": "TCP"}] if is_served else [],
        "env": [{"name": key, "value": value} for key, value in (told | (spec.get("env") or {})).items()],
        "resources": {"limits": limits, "requests": limits} if limits else {},
    }
    if is_served:
        container["readinessProbe"] = _probe((spec.get("health") or {}).get("path", ""), running.port)
    # Always present, if empty: what is left out of a wanted object is not compared, so a removed one would stay.
    container["envFrom"] = [{"secretRef": {"name": running.pins.get(name, name)}} for name in spec.get("secrets") or []]
    container |= {"command": process.command, "args": process.args}
    if mounted := mounts.of_container(app, process.name, running.claims):
        container["volumeMounts"] = mounted
    if around.drain_s and is_served:
        container["lifecycle"] = {"preStop": {"sleep": {"seconds": around.drain_s}}}
    return container


def _quantity(text: str) -> str:
    """As the API server writes it, so that it compares equal; what is no quantity is the server's to refuse."""
    try:
        return canonical(text)
    except QuantityError:
        return text


def _probe(path: str, port: int) -> Object:
    check = {"httpGet": {"path": path, "port": port}} if path else {"tcpSocket": {"port": port}}
    return check | {"periodSeconds": 2, "timeoutSeconds": 2, "failureThreshold": 3}
