"""A container's environment: envFrom, env with $(VAR) expansion, and the variables that name the namespace's services.

Pure: the ConfigMaps and Secrets that it refers to are handed in. Source: kubelet_pods.go, makeEnvironmentVariables; envvars.go.
"""

import base64
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pilothouse.engine.node.pod import podspec
from pilothouse.engine.node.pod.env_file import EnvFileError, value_of
from pilothouse.model.json import Object

_REFERENCE = re.compile(r"\$(?:\$|\(([^)]*)\))")
MASTER = ("default", "kubernetes")


class ConfigMissing(Exception):
    """What the container refers to does not exist: it cannot be created until it does (CreateContainerConfigError)."""


FileName = tuple[str, str]
"""A volume's name, and the path of a file in it."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What references are resolved against. configmaps, secrets: by name, absent when the object does not exist; files likewise."""

    host_ips: tuple[str, ...] = ()
    pod_ips: tuple[str, ...] = ()
    allocatable: Object = field(default_factory=dict)
    configmaps: Mapping[str, Object | None] = field(default_factory=dict)
    secrets: Mapping[str, Object | None] = field(default_factory=dict)
    services: Sequence[Object] = ()
    files: Mapping[FileName, str] = field(default_factory=dict)


def expand(text: str, variables: Mapping[str, str]) -> str:
    """Replace $(NAME); an unknown name stays as it is, $$ is a dollar."""

    def value(match: re.Match[str]) -> str:
        name = match.group(1)
        return "$" if name is None else variables.get(name, match.group(0))

    return _REFERENCE.sub(value, text)


def references(pod: Object) -> tuple[set[str], set[str]]:
    """Names of the ConfigMaps and Secrets that the environments of a pod's containers refer to."""
    configmaps: set[str] = set()
    secrets: set[str] = set()
    for container in podspec.all_containers(pod):
        for source in container.get("envFrom") or ():
            _add(source.get("configMapRef"), configmaps)
            _add(source.get("secretRef"), secrets)
        for variable in container.get("env") or ():
            origin = variable.get("valueFrom") or {}
            _add(origin.get("configMapKeyRef"), configmaps)
            _add(origin.get("secretKeyRef"), secrets)
    return configmaps, secrets


def _add(reference: Object | None, names: set[str]) -> None:
    if reference and reference.get("name"):
        names.add(reference["name"])


def environment(pod: Object, container: Object, facts: Facts) -> dict[str, str]:
    """In the order in which they are set. Raises ConfigMissing."""
    links = service_variables(pod, facts.services)
    result: dict[str, str] = {}
    for source in container.get("envFrom") or ():
        result |= _from_source(pod, source, facts)
    for variable in container.get("env") or ():
        found = _value(pod, container, variable, facts, links | result)
        if found is not None:
            result[variable["name"]] = found
    return result | {name: value for name, value in links.items() if name not in result}


def _from_source(pod: Object, source: Object, facts: Facts) -> dict[str, str]:
    prefix = source.get("prefix") or ""
    reference = source.get("configMapRef") or source.get("secretRef")
    if reference is None:
        return {}
    values = config_data(reference["name"], facts) if source.get("configMapRef") else secret_data(reference["name"], facts)
    if values is None:
        if reference.get("optional"):
            return {}
        kind = "configmap" if source.get("configMapRef") else "secret"
        raise ConfigMissing(f'{kind} "{reference["name"]}" not found')
    return {prefix + key: values[key] for key in sorted(values)}


def config_data(name: str, facts: Facts) -> dict[str, str] | None:
    found = facts.configmaps.get(name)
    return None if found is None else dict(found.get("data") or {})


def secret_data(name: str, facts: Facts) -> dict[str, str] | None:
    found = facts.secrets.get(name)
    if found is None:
        return None
    return {key: base64.b64decode(value).decode(errors="replace") for key, value in (found.get("data") or {}).items()}


def _value(pod: Object, container: Object, variable: Object, facts: Facts, known: Mapping[str, str]) -> str | None:
    origin = variable.get("valueFrom")
    if not origin:
        return expand(variable.get("value") or "", known)
    if field_ref := origin.get("fieldRef"):
        found = podspec.downward(pod, field_ref["fieldPath"], host_ips=facts.host_ips, pod_ips=facts.pod_ips)
        if found is None:
            raise ConfigMissing(f"unsupported fieldPath: {field_ref['fieldPath']}")
        return found
    if resource := origin.get("resourceFieldRef"):
        owner = podspec.container_named(pod, resource.get("containerName") or container["name"]) or container
        return podspec.resource_value(owner, resource, facts.allocatable | podspec.whole_limits(pod))
    if reference := origin.get("configMapKeyRef"):
        return _key(pod, reference, config_data(reference["name"], facts), "ConfigMap")
    if reference := origin.get("secretKeyRef"):
        return _key(pod, reference, secret_data(reference["name"], facts), "Secret")
    if reference := origin.get("fileKeyRef"):
        return _of_file(reference, facts)
    return None


def _of_file(reference: Object, facts: Facts) -> str | None:
    key, path, volume = reference["key"], reference["path"], reference["volumeName"]
    text = facts.files.get((volume, path))
    try:
        found = None if text is None else value_of(text, key)
    except EnvFileError as error:
        raise ConfigMissing(f'file "{path}" of volume "{volume}" is no file of variables: {error}') from error
    if found is None and not reference.get("optional"):
        raise ConfigMissing(f'environment variable key "{key}" not found in file "{path}" of volume "{volume}"')
    return found


def _key(pod: Object, reference: Object, values: dict[str, str] | None, kind: str) -> str | None:
    if values is not None and reference["key"] in values:
        return values[reference["key"]]
    if reference.get("optional"):
        return None
    if values is None:
        raise ConfigMissing(f'{kind.lower()} "{reference["name"]}" not found')
    where = f"{pod['metadata']['namespace']}/{reference['name']}"
    raise ConfigMissing(f"couldn't find key {reference['key']} in {kind} {where}")


def service_variables(pod: Object, services: Sequence[Object]) -> dict[str, str]:
    """Variables for the API server always, for the services of the pod's namespace unless enableServiceLinks is false."""
    namespace = pod["metadata"]["namespace"]
    links = podspec.spec(pod).get("enableServiceLinks", True)
    chosen: dict[str, Object] = {}
    for service in services:
        where, name = service["metadata"]["namespace"], service["metadata"]["name"]
        if service["spec"].get("clusterIP") in (None, "", "None"):
            continue
        if (where, name) == MASTER:
            chosen.setdefault(name, service)
        if links and where == namespace:
            chosen[name] = service
    result: dict[str, str] = {}
    for name in sorted(chosen):
        result |= _of_service(name, chosen[name]["spec"])
    return result


def _of_service(name: str, spec: Object) -> dict[str, str]:
    prefix = name.upper().replace("-", "_")
    host, ports = spec["clusterIP"], spec.get("ports") or []
    if not ports:
        return {}
    result = {f"{prefix}_SERVICE_HOST": host, f"{prefix}_SERVICE_PORT": str(ports[0]["port"])}
    for port in ports:
        if port.get("name"):
            result[f"{prefix}_SERVICE_PORT_{port['name'].upper().replace('-', '_')}"] = str(port["port"])
    for position, port in enumerate(ports):
        protocol = port.get("protocol") or "TCP"
        shown = f"[{host}]" if ":" in host else host
        url = f"{protocol.lower()}://{shown}:{port['port']}"
        if position == 0:
            result[f"{prefix}_PORT"] = url
        stem = f"{prefix}_PORT_{port['port']}_{protocol}"
        result |= {stem: url, f"{stem}_PROTO": protocol.lower(), f"{stem}_PORT": str(port["port"]), f"{stem}_ADDR": host}
    return result
