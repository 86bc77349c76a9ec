"""Why an app that runs is not bound to a database service as it should be (pure)."""

from pilothouse.cli.why.finding import Finding
from pilothouse.cli.why.scene import Scene
from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.platform.databases.pattern.binding.names import service_of

_PASSING = frozenset(["", "Bound", "Joining", "RollingOut", "Unbinding", "Draining"])
_STEPS = {
    "NoService": "make it with `ph mysql create {service}`, or `ph unbind {app} {service}`",
    "NoDatabase": "make it with `ph mysql databases add {service} {database}`",
    "NoAccount": "see `ph kubectl describe mysqluser {name}`",
    "Waiting": "`ph mysql show {service}` says how it stands",
    "NameTaken": "remove what has its name, or make a Binding of another name",
    "Conflict": "unset it, or choose another prefix with `ph bind {app} {service} --prefix PREFIX`",
    "StillUsed": "mend the app, or take the account away all the same with `ph unbind {app} {service} --force`",
}


def of_bindings(scene: Scene) -> Finding | None:
    """The first of the app's bindings that does not work."""
    for binding in scene.bindings:
        ready = meta.condition(binding, "Ready") or {}
        if ready.get("reason", "") not in _PASSING:
            return _finding(scene, binding, ready)
    return None


def _finding(scene: Scene, binding: Object, ready: Object) -> Finding:
    names = {
        "app": scene.app_name,
        "service": service_of(binding),
        "name": meta.name(binding),
        "database": binding["spec"].get("database", ""),
    }
    step = _STEPS.get(ready["reason"], "see `ph kubectl describe bind {name}`").format(**names)
    cause = ready.get("message", "").rstrip(". ")
    for way_out in (": make it with", ": choose another", ": unset it, or", ": remove it, or", "; earlier replicas"):
        cause = cause.partition(way_out)[0]
    return Finding((cause, f"its binding to {service_of(binding)} does not work"), step)
