"""A container's environment: envFrom, env with $(VAR) expansion, and the variables that name the namespace's services.

Pure: the ConfigMaps and Secrets that it refers to are handed in. Whatever a pod asks for, the work and the result are bounded by what the
kernel would take: references that double a value again and again end at once.
Source: kubelet_pods.go, makeEnvironmentVariables; envvars.go.
"""

import base64
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from pilothouse.engine.node.pod import podspec
from pilothouse.engine.node.pod.env_file import EnvFile, EnvFileError, parse
from pilothouse.model.json import Object

_REFERENCE = re.compile(r"\$(?:\$|\(([^)]*)\))")
MASTER = ("default", "kubernetes")
MOST_TEXT = 128 * 1024
"""Characters of one variable or argument. Source: execve(2), MAX_ARG_STRLEN."""
MOST_TOGETHER = 6 * 1024 * 1024
"""Characters of all of them, whatever the stack may take. Source: execve(2), three quarters of _STK_LIM."""


class ConfigMissing(Exception):
    """What the container refers to does not exist, or is more than a program can be started with: it cannot be created until that is
    otherwise (CreateContainerConfigError).
    """


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
    """Replace $(NAME); an unknown name stays as it is, $$ is a dollar. Raises ConfigMissing when it grows beyond `MOST_TEXT`."""
    parts: list[str] = []
    at = size = 0
    for match in _REFERENCE.finditer(text):
        name = match.group(1)
        parts += (text[at : match.start()], "$" if name is None else variables.get(name, match.group(0)))
        at = match.end()
        size += len(parts[-1]) + len(parts[-2])
        if size > MOST_TEXT:
            raise ConfigMissing(
                f"{text[:50]!r} grows beyond {MOST_TEXT // 1024} KiB by its references, which no program can be started with"
            )
    return "".join((*parts, text[at:]))


def expand_all(texts: Iterable[str], variables: Mapping[str, str]) -> list[str]:
    """Each of a command's words. Raises ConfigMissing."""
    result: list[str] = []
    left = MOST_TOGETHER
    for text in texts:
        result.append(expand(text, variables))
        left -= len(result[-1])
        if left < 0:
            raise ConfigMissing(f"the arguments hold more than {MOST_TOGETHER // 1024**2} MiB, which no program can be started with")
    return result


class _Variables:
    """Those that have been set, with the services' below them. Everything that is set counts, also what is set anew later."""

    def __init__(self, links: Mapping[str, str]) -> None:
        self.own: dict[str, str] = {}
        self.known = dict(links)
        self._left = MOST_TOGETHER

    def set(self, name: str, value: str) -> None:
        """Raises ConfigMissing for more than a program can be started with."""
        size = len(name) + len(value) + 1
        self._left -= size
        if size > MOST_TEXT:
            raise ConfigMissing(
                f"environment variable {name!r} holds more than {MOST_TEXT // 1024} KiB, which no program can be started with"
            )
        if self._left < 0:
            many = f"the environment holds more than {MOST_TOGETHER // 1024**2} MiB"
            raise ConfigMissing(f"{many}, which no program can be started with")
        self.own[name] = self.known[name] = value


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
    variables, files = _Variables(links), _Files(facts.files)
    for source in container.get("envFrom") or ():
        for name, value in _from_source(source, facts):
            variables.set(name, value)
    for variable in container.get("env") or ():
        found = _value(pod, container, variable, facts, variables.known, files)
        if found is not None:
            variables.set(variable["name"], found)
    return variables.own | {name: value for name, value in links.items() if name not in variables.own}


def _from_source(source: Object, facts: Facts) -> Iterator[tuple[str, str]]:
    prefix = source.get("prefix") or ""
    reference = source.get("configMapRef") or source.get("secretRef")
    if reference is None:
        return
    is_config = bool(source.get("configMapRef"))
    data = _data((facts.configmaps if is_config else facts.secrets).get(reference["name"]))
    if data is None:
        if reference.get("optional"):
            return
        raise ConfigMissing(f'{"configmap" if is_config else "secret"} "{reference["name"]}" not found')
    for key in sorted(data):
        yield prefix + key, data[key] if is_config else decoded(data[key])


def _data(found: Object | None) -> Mapping[str, str] | None:
    """As the object has it: a Secret's values encoded. None: there is no such object."""
    return None if found is None else found.get("data") or {}


def decoded(value: str) -> str:
    """A value of a Secret, as text."""
    return base64.b64decode(value).decode(errors="replace")


def _value(pod: Object, container: Object, variable: Object, facts: Facts, known: Mapping[str, str], files: "_Files") -> str | None:
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
        return _key(pod, reference, _data(facts.configmaps.get(reference["name"])), "ConfigMap")
    if reference := origin.get("secretKeyRef"):
        encoded = _key(pod, reference, _data(facts.secrets.get(reference["name"])), "Secret")
        return None if encoded is None else decoded(encoded)
    if reference := origin.get("fileKeyRef"):
        return files.value(reference)
    return None


class _Files:
    """The files that `fileKeyRef` names, each parsed once however many variables come from it."""

    def __init__(self, texts: Mapping[FileName, str]) -> None:
        self._texts = texts
        self._parsed: dict[FileName, EnvFile] = {}

    def value(self, reference: Object) -> str | None:
        """Raises ConfigMissing."""
        key, path, volume = reference["key"], reference["path"], reference["volumeName"]
        try:
            found = self._file((volume, path)).value_of(key)
        except EnvFileError as error:
            raise ConfigMissing(f'file "{path}" of volume "{volume}" is no file of variables: {error}') from error
        if found is None and not reference.get("optional"):
            raise ConfigMissing(f'environment variable key "{key}" not found in file "{path}" of volume "{volume}"')
        return found

    def _file(self, name: FileName) -> EnvFile:
        if name not in self._parsed:
            self._parsed[name] = parse(self._texts.get(name, ""))
        return self._parsed[name]


def _key(pod: Object, reference: Object, values: Mapping[str, str] | None, kind: str) -> str | None:
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
