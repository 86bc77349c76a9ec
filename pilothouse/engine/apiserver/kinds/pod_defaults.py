"""Defaults of pods and pod templates.

A pod gets all of `default_pod_spec` plus what only running pods have: requests from limits, service links, host ports.
Values that Go holds without a pointer (strings, most numbers) count as absent when they are empty or zero.
Source: pkg/apis/core/v1/defaults.go.
"""

from typing import Any

from pilothouse.engine.apiserver.kinds.pod_validation.pod_resources import aggregate, is_of_pods
from pilothouse.engine.apiserver.kinds.quantities import may_be_overcommitted, round_amounts
from pilothouse.engine.apiserver.kinds.volume_defaults import default_references, default_volume, pull_policy
from pilothouse.model.json import Object

PROBES = ("livenessProbe", "readinessProbe", "startupProbe")
CONTAINER_LISTS = ("containers", "initContainers", "ephemeralContainers")


def default_pod(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    default_pod_spec(spec)
    for kind in ("containers", "initContainers"):
        for container in spec.get(kind) or ():
            _default_requests(container["resources"])
    if spec.get("resources"):
        _default_pod_requests(spec)
    if spec.get("enableServiceLinks") is None:
        spec["enableServiceLinks"] = True
    if spec.get("hostNetwork"):
        _default_host_ports(spec)


def default_template(template: Object) -> None:
    """A PodTemplateSpec inside a workload."""
    if template.get("metadata") is None:
        template["metadata"] = {}
    default_pod_spec(template.setdefault("spec", {}))


def default_pod_spec(spec: Object) -> None:
    _fill(spec, "dnsPolicy", "ClusterFirst")
    _fill(spec, "restartPolicy", "Always")
    if spec.get("securityContext") is None:
        spec["securityContext"] = {}
    if spec.get("terminationGracePeriodSeconds") is None:
        spec["terminationGracePeriodSeconds"] = 30
    _fill(spec, "schedulerName", "default-scheduler")
    _mirror_service_account(spec)
    for volume in spec.get("volumes") or ():
        default_volume(volume)
    for kind in CONTAINER_LISTS:
        for container in spec.get(kind) or ():
            _default_container(container)
    if spec.get("overhead"):
        round_amounts(spec["overhead"])
    if resources := spec.get("resources"):
        _round_resources(resources)


def _fill(target: Object, name: str, value: Any) -> None:
    if not target.get(name):
        target[name] = value


def _mirror_service_account(spec: Object) -> None:
    """`serviceAccount` is the old name of `serviceAccountName`; both are shown, the new one wins."""
    if account := spec.get("serviceAccountName") or spec.get("serviceAccount"):
        spec["serviceAccountName"] = spec["serviceAccount"] = account


def _default_container(container: Object) -> None:
    if not container.get("imagePullPolicy"):
        container["imagePullPolicy"] = pull_policy(container.get("image") or "")
    _fill(container, "terminationMessagePath", "/dev/termination-log")
    _fill(container, "terminationMessagePolicy", "File")
    for port in container.get("ports") or ():
        _fill(port, "protocol", "TCP")
    if resources := container.get("resources"):
        _round_resources(resources)
    else:
        container["resources"] = {}
    for name in PROBES:
        if probe := container.get(name):
            _default_probe(probe)
    if lifecycle := container.get("lifecycle"):
        for handler in lifecycle.values():
            if isinstance(handler, dict):
                _default_handler(handler)
    for variable in container.get("env") or ():
        if source := variable.get("valueFrom"):
            default_references(source)


def _default_probe(probe: Object) -> None:
    _fill(probe, "timeoutSeconds", 1)
    _fill(probe, "periodSeconds", 10)
    _fill(probe, "successThreshold", 1)
    _fill(probe, "failureThreshold", 3)
    _default_handler(probe)
    if (grpc := probe.get("grpc")) is not None and grpc.get("service") is None:
        grpc["service"] = ""


def _default_handler(handler: Object) -> None:
    if (http := handler.get("httpGet")) is not None:
        _fill(http, "path", "/")
        _fill(http, "scheme", "HTTP")


def _round_resources(resources: Object) -> None:
    for name in ("limits", "requests"):
        if amounts := resources.get(name):
            round_amounts(amounts)


def _default_requests(resources: Object) -> None:
    """What is limited and not requested is requested up to its limit."""
    if limits := resources.get("limits"):
        requests = resources.setdefault("requests", {})
        for name, amount in limits.items():
            requests.setdefault(name, amount)


def _default_pod_requests(spec: Object) -> None:
    """A pod that is limited as a whole requests what its containers request together, and else what it is limited to."""
    limits = spec["resources"].get("limits") or {}
    if not limits:
        return
    requests = spec["resources"].setdefault("requests", {})
    for name, value in aggregate(spec, "requests").items():
        if is_of_pods(name) and may_be_overcommitted(name):
            requests.setdefault(name, str(value))
    for name, limit in limits.items():
        if is_of_pods(name):
            requests.setdefault(name, limit)


def _default_host_ports(spec: Object) -> None:
    for kind in ("containers", "initContainers"):
        for container in spec.get(kind) or ():
            for port in container.get("ports") or ():
                if not port.get("hostPort") and port.get("containerPort"):
                    port["hostPort"] = port["containerPort"]
