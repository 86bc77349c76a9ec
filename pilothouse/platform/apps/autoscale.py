"""How an app's `web` process follows its load: a HorizontalPodAutoscaler that scales the App itself (pure).

It writes `spec.replicas` through the App's own scale subresource, as a person does with `ph scale`: the number has one place, and the app's
controller carries it out as ever. CPU is counted in percent of what a replica may use, its limit; of one core where it has none.
"""

from collections.abc import Iterator

from pilothouse.model import kinds
from pilothouse.model.json import Object
from pilothouse.platform.apps import processes
from pilothouse.platform.apps.objects import metadata
from pilothouse.platform.apps.processes import WEB
from pilothouse.platform.apps.resource import APPS

DEFAULT_CPU = 80
"""Percent, for an app that says by nothing when there are to be more replicas."""
MOST = 10_000
_MILLICORES_PER_PERCENT = 10


def faults(app: Object) -> Iterator[str]:
    """What is wrong with it, as sentences."""
    asked = app["spec"].get("autoscale")
    if not asked:
        return
    least, most = asked.get("min", 1), asked["max"]
    if most < least:
        yield f"autoscale.max {most} is less than autoscale.min {least}: let it be {least} or more"
    if not any(process.name == WEB for process in processes.lasting(app)):
        yield "autoscale is for the process web, and there is none: leave it out"
    if asked.get("memory") is not None and not _limits(app).get("memory"):
        yield "autoscale.memory is a share of the memory limit, and there is none: set resources.memory, such as 256Mi"


def autoscaler(app: Object) -> Object | None:
    """None for an app whose replicas are a fixed number."""
    asked = app["spec"].get("autoscale")
    if not asked:
        return None
    spec = {
        "scaleTargetRef": {"apiVersion": APPS.api_version, "kind": APPS.kind, "name": app["metadata"]["name"]},
        "minReplicas": asked.get("min", 1),
        "maxReplicas": asked["max"],
        "metrics": _metrics(app, asked),
    }
    resource = kinds.HORIZONTALPODAUTOSCALERS
    return {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": metadata(app), "spec": spec}


def _metrics(app: Object, asked: Object) -> list[Object]:
    cpu, memory = asked.get("cpu"), asked.get("memory")
    if cpu is None and memory is None:
        cpu = DEFAULT_CPU
    found = [] if cpu is None else [_resource("cpu", _cpu(cpu, has_limit=bool(_limits(app).get("cpu"))))]
    return found + ([] if memory is None else [_resource("memory", _utilization(memory))])


def _cpu(percent: int, *, has_limit: bool) -> Object:
    """A container without requests has no utilization that the cluster could compute."""
    return _utilization(percent) if has_limit else {"type": "AverageValue", "averageValue": f"{percent * _MILLICORES_PER_PERCENT}m"}


def _utilization(percent: int) -> Object:
    return {"type": "Utilization", "averageUtilization": percent}


def _resource(name: str, target: Object) -> Object:
    return {"type": "Resource", "resource": {"name": name, "target": target}}


def _limits(app: Object) -> Object:
    """Of a replica of `web`; the requests are as high."""
    web = next((process for process in processes.lasting(app) if process.name == WEB), None)
    return web.resources if web is not None else {}
