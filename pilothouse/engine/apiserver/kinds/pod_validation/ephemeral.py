"""Containers that are added to a pod that runs: only through their subresource, and for as long as the pod lives.

Source: pkg/registry/core/pod (podEphemeralContainersStrategy), pkg/apis/core/validation (ValidatePodEphemeralContainersUpdate).
"""

from pilothouse.engine.apiserver.kinds import field
from pilothouse.model.errors import Cause
from pilothouse.model.json import Object, dumps, same

PATH = "spec.ephemeralContainers"
_WRITTEN = ("resourceVersion", "managedFields")


def keep_all_but_ephemeral(obj: Object, old: Object) -> None:
    """In place: everything else stays as it is stored, whatever the client sent."""
    added = (obj.get("spec") or {}).get("ephemeralContainers")
    written = {name: obj["metadata"][name] for name in _WRITTEN if name in obj["metadata"]}
    kept = {name: value for name, value in old["metadata"].items() if name not in _WRITTEN}
    spec = {name: value for name, value in (old.get("spec") or {}).items() if name != "ephemeralContainers"}
    obj.clear()
    obj.update(old)
    obj["metadata"] = kept | written
    obj["spec"] = spec | ({"ephemeralContainers": added} if added else {})


def validate_ephemeral_update(spec: Object, old: Object) -> list[Cause]:
    """Those that are there stay as they are, in whichever order."""
    by_name = {each.get("name"): each for each in reversed(spec.get("ephemeralContainers") or ())}
    causes: list[Cause] = []
    for container in field.until_enough(causes, old.get("ephemeralContainers") or ()):
        name = container.get("name") or ""
        if name not in by_name:
            causes.append(field.forbidden(PATH, f"existing ephemeral containers {_quoted(name)} may not be removed"))
        elif not same(by_name[name], container):
            causes.append(field.forbidden(PATH, f"existing ephemeral containers {_quoted(name)} may not be changed"))
    return causes


def _quoted(name: str) -> str:
    return dumps(name).decode()
