"""The pods of members: the server under a supervisor, and the agent that has it do what is wanted (pure).

Both containers are of one user and share a pid namespace, so that the agent can start, stop and watch the server, and can itself be
started anew without the server noticing. None of them has the server's password or rights in the cluster.
"""

from dataclasses import dataclass
from hashlib import sha256

from pilothouse.model import meta
from pilothouse.model.json import Object, fingerprint
from pilothouse.model.quantity import canonical
from pilothouse.platform.databases.mysql import labels, names, supervisor
from pilothouse.platform.databases.mysql.objects import needs
from pilothouse.platform.databases.mysql.types import MySQLSpec

USER = 999
"""`mysql` in the images."""
GRACE_S = 120
"""For a clean stop: a large buffer pool is written to disk."""
SHAPE = 2
"""Counts changes of the template that pods cannot do without. Since 2 the agent's program may change while its pod lives."""
DATABASE, AGENT = "database", "agent"
SCRAPED = {
    "prometheus.io/scrape": "true",
    "prometheus.io/scheme": "https",
    "prometheus.io/port": str(names.AGENT_PORT),
    "prometheus.io/path": "/metrics",
}
"""Annotations by which configurations of Prometheus that look for pods commonly find them."""
AGENT_RESOURCES = {"requests": {"cpu": "20m", "memory": "64Mi"}, "limits": {"memory": "256Mi"}}
_LOCKED = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}


@dataclass(frozen=True, slots=True)
class Server:
    """What members run. image: what their pods name. version: in full, "" where the image does not say. asked: see `spec.image`."""

    image: str
    version: str
    asked: str = ""


def template(instance: Object, spec: MySQLSpec, server: Server) -> Object:
    name = meta.name(instance)
    restarted = {labels.RESTARTED: spec.restarted_at} if spec.restarted_at else {}
    return {
        "metadata": {"labels": labels.labels(name), "annotations": {**SCRAPED, labels.STATE: state(spec, server), **restarted}},
        "spec": {
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "shareProcessNamespace": True,
            "terminationGracePeriodSeconds": GRACE_S,
            "securityContext": {
                "runAsUser": USER,
                "runAsGroup": USER,
                "fsGroup": USER,
                "fsGroupChangePolicy": "OnRootMismatch",
                "runAsNonRoot": True,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "affinity": {"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [_apart(name)]}},
            "containers": [_database(spec, server), _agent(instance, spec, server)],
            "volumes": _volumes(name),
        },
    }


SILENT_PROBES = 10
"""Of an agent, until its pod is not ready. One that starts anew, with all others at once after an upgrade, may need seconds on a busy
machine, and its server goes on. Whom Services lead to is decided by labels, much earlier.
"""


def state(spec: MySQLSpec, server: Server) -> str:
    """What a member must be made anew for. CPU, memory, parameters and the agent's program change while it runs."""
    return sha256(fingerprint([SHAPE, server.image, spec.restarted_at])).hexdigest()[:10]


def resources(spec: MySQLSpec) -> dict[str, str]:
    """Of the container `database`: requests and limits alike, so that no neighbour can take what it was promised."""
    return {"cpu": canonical(spec.resources.cpu), "memory": canonical(spec.resources.memory)}


def _database(spec: MySQLSpec, server: Server) -> Object:
    amounts = resources(spec)
    policy = [{"resourceName": each, "restartPolicy": "NotRequired"} for each in amounts]
    return {
        "name": DATABASE,
        "image": server.image,
        "imagePullPolicy": "IfNotPresent",
        # A dollar before another or a parenthesis would be taken for a reference to a variable of the container.
        "command": ["/bin/sh", "-c", supervisor.TEXT.replace("$", "$$")],
        "ports": [{"name": "mysql", "containerPort": names.PORT, "protocol": "TCP"}],
        "env": [{"name": "FLAVOUR", "value": spec.flavour}],
        "resources": {"requests": amounts, "limits": amounts},
        "resizePolicy": policy,
        "securityContext": _LOCKED,
        "lifecycle": {"preStop": {"exec": {"command": ["/bin/sh", "-c", supervisor.HOLD]}}},
        "volumeMounts": _mounts(),
    }


def _agent(instance: Object, spec: MySQLSpec, server: Server) -> Object:
    told = {"INSTANCE": meta.name(instance), "INSTANCE_UID": meta.uid(instance), "FLAVOUR": spec.flavour}
    own = {"POD_NAME": "metadata.name", "POD_NAMESPACE": "metadata.namespace"}
    env: list[Object] = [{"name": key, "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": path}}} for key, path in own.items()]
    return {
        "name": AGENT,
        "image": server.image,
        "imagePullPolicy": "IfNotPresent",
        "command": needs.start(spec),
        "ports": [{"name": "agent", "containerPort": names.AGENT_PORT, "protocol": "TCP"}],
        "env": env + [{"name": key, "value": value} for key, value in told.items()],
        "resources": AGENT_RESOURCES,
        "securityContext": _LOCKED,
        "readinessProbe": {
            "httpGet": {"path": "/ready", "port": names.AGENT_PORT, "scheme": "HTTPS"},
            "periodSeconds": 1,
            "timeoutSeconds": 2,
            "failureThreshold": SILENT_PROBES,
        },
        "volumeMounts": [*_mounts(), {"name": "agent", "mountPath": "/agent", "readOnly": True}],
    }


def _mounts() -> list[Object]:
    return [
        {"name": "data", "mountPath": "/data"},
        {"name": "run", "mountPath": "/run/database"},
        {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 -- in the container
        {"name": "tls", "mountPath": "/tls", "readOnly": True},
    ]


def _volumes(name: str) -> list[Object]:
    """`data` is the claim that the StatefulSet adds."""
    return [
        {"name": "run", "emptyDir": {"medium": "Memory", "sizeLimit": "16Mi"}},
        {"name": "tmp", "emptyDir": {}},
        {"name": "tls", "secret": {"secretName": names.tls(name), "defaultMode": 0o440}},
        {"name": "agent", "configMap": {"name": names.program(name)}},
    ]


def _apart(name: str) -> Object:
    term = {"labelSelector": {"matchLabels": labels.selector(name)}, "topologyKey": "kubernetes.io/hostname"}
    return {"weight": 100, "podAffinityTerm": term}
