"""Environment variables of containers and where they come from."""

from pilothouse.engine.apiserver.kinds import field
from pilothouse.engine.apiserver.kinds.pod_validation.paths import no_backsteps
from pilothouse.engine.apiserver.kinds.pod_validation.references import ENVIRONMENT_FIELDS, field_ref, key_selector, resource_ref
from pilothouse.model import names
from pilothouse.model.errors import Cause
from pilothouse.model.json import Object

SOURCES = ("fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef", "fileKeyRef")
_prefix_of_a_name = names.prefix_of(names.dns1123_subdomain)
_NO_SOURCE = "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`"


def validate_env(variables: list[Object], path: str) -> list[Cause]:
    causes: list[Cause] = []
    for i, variable in field.until_enough(causes, enumerate(variables)):
        if name := variable.get("name"):
            if said := names.env_var_name(name):
                causes += field.each_invalid(f"{path}[{i}].name", name, said)
        else:
            causes.append(field.required(f"{path}[{i}].name"))
        if variable.get("valueFrom") is not None:
            causes += _value_from(variable, f"{path}[{i}].valueFrom")
    return causes


def _value_from(variable: Object, path: str) -> list[Cause]:
    source = variable["valueFrom"]
    given = [kind for kind in SOURCES if source.get(kind) is not None]
    causes: list[Cause] = []
    for kind in field.until_enough(causes, given):
        causes += _source(kind, source[kind], f"{path}.{kind}")
    if not given:
        causes.append(field.invalid(path, "", _NO_SOURCE))
    elif variable.get("value"):
        causes.append(field.invalid(path, "", "may not be specified when `value` is not empty"))
    elif len(given) > 1:
        causes.append(field.invalid(path, "", "may not have more than one field specified at a time"))
    return causes


def _source(kind: str, ref: Object, path: str) -> list[Cause]:
    if kind == "fieldRef":
        return field_ref(ref, ENVIRONMENT_FIELDS, path)
    if kind == "resourceFieldRef":
        return resource_ref(ref, path, in_volume=False)
    if kind == "fileKeyRef":
        return _file_ref(ref, path)
    return key_selector(ref, path)


def _file_ref(ref: Object, path: str) -> list[Cause]:
    key, volume, target = ref.get("key") or "", ref.get("volumeName") or "", ref.get("path") or ""
    causes = field.each_invalid(f"{path}.key", key, names.env_var_name(key)) if key else [field.required(f"{path}.key")]
    said = field.each_invalid(f"{path}.volumeName", volume, names.dns1123_label(volume))
    causes += said if volume else [field.required(f"{path}.volumeName")]
    return causes + (no_backsteps(target, f"{path}.path") if target else [field.required(f"{path}.path")])


def validate_env_from(sources: list[Object], path: str) -> list[Cause]:
    """That a source names nothing, or two things, is reported at the list, as upstream does."""
    causes: list[Cause] = []
    for i, source in field.until_enough(causes, enumerate(sources)):
        here = f"{path}[{i}]"
        if prefix := source.get("prefix"):
            causes += field.each_invalid(f"{here}.prefix", prefix, names.env_var_name(prefix))
        given = [kind for kind in ("configMapRef", "secretRef") if source.get(kind) is not None]
        for kind in given:
            name = source[kind].get("name") or ""
            found = field.each_invalid(f"{here}.{kind}.name", name, _prefix_of_a_name(name))
            causes += found if name else [field.required(f"{here}.{kind}.name")]
        if not given:
            causes.append(field.invalid(path, "", "must specify one of: `configMapRef` or `secretRef`"))
        elif len(given) > 1:
            causes.append(field.invalid(path, "", "may not have more than one field specified at a time"))
    return causes
