"""What is legal in a pod and probably not meant: sent as Warning headers beside success.

Source: pkg/api/pod/warnings.go.
"""

from pilothouse.engine.apiserver.kinds import field
from pilothouse.engine.apiserver.kinds.quantities import is_fractional
from pilothouse.model import names
from pilothouse.model.json import Object

_GONE = {
    "photonPersistentDisk": "deprecated in v1.11, non-functional in v1.16+",
    "gitRepo": "deprecated in v1.11, and disabled by default in v1.33+",
    "scaleIO": "deprecated in v1.16, non-functional in v1.22+",
    "flocker": "deprecated in v1.22, non-functional in v1.25+",
    "storageos": "deprecated in v1.22, non-functional in v1.25+",
    "quobyte": "deprecated in v1.22, non-functional in v1.25+",
    "glusterfs": "deprecated in v1.25, non-functional in v1.26+",
    "cephfs": "deprecated in v1.28, non-functional in v1.31+",
    "rbd": "deprecated in v1.28, non-functional in v1.31+",
}
_SHOWN_AS = {"storageos": "storageOS"}
_DEPRECATED_NODE_LABELS = {
    "beta.kubernetes.io/arch": 'deprecated since v1.14; use "kubernetes.io/arch" instead',
    "beta.kubernetes.io/os": 'deprecated since v1.14; use "kubernetes.io/os" instead',
    "failure-domain.beta.kubernetes.io/region": 'deprecated since v1.17; use "topology.kubernetes.io/region" instead',
    "failure-domain.beta.kubernetes.io/zone": 'deprecated since v1.17; use "topology.kubernetes.io/zone" instead',
    "beta.kubernetes.io/instance-type": 'deprecated since v1.17; use "node.kubernetes.io/instance-type" instead',
}
_HOSTNAME = "metadata.name: this is used in the Pod's hostname, which can result in surprising behavior; a DNS label is recommended: "


def pod_warnings(obj: Object) -> list[str]:
    found = spec_warnings(obj.get("spec") or {}, "spec")
    name = obj["metadata"].get("name") or ""
    if said := names.dns1123_label(name):
        found.append(f"{_HOSTNAME}[{' '.join(said)}]")
    return found


def spec_warnings(spec: Object, path: str) -> list[str]:
    get = spec.get
    labels = [key for key in get("nodeSelector") or () if key in _DEPRECATED_NODE_LABELS]
    found = [f"{path}.nodeSelector[{key}]: {_DEPRECATED_NODE_LABELS[key]}" for key in labels]
    for i, alias in enumerate(get("hostAliases") or ()):
        if names.parse_ip(alias.get("ip") or "") is None:
            found.append(f"{path}.hostAliases[{i}].ip: invalid IP address")
    if volumes := get("volumes"):
        found += _volumes(volumes, path)
    found += _pull_secrets(get("imagePullSecrets") or [], f"{path}.imagePullSecrets")
    for kind in ("initContainers", "containers"):
        for i, container in enumerate(get(kind) or ()):
            found += _container(container, f"{path}.{kind}[{i}]")
    if (get("terminationGracePeriodSeconds") or 0) < 0:
        found.append(f"{path}.terminationGracePeriodSeconds: must be >= 0; negative values are invalid and will be treated as 1")
    return found


def _pull_secrets(secrets: list[Object], path: str) -> list[str]:
    found: list[str] = []
    seen: set[str] = set()
    for i, secret in enumerate(secrets):
        name = secret.get("name") or ""
        if not name:
            found.append(f'{path}[{i}].name: invalid empty name ""')
        elif name in seen:
            found.append(f"{path}[{i}].name: duplicate name {field.shown(name)}")
        seen.add(name)
    return found


def _volumes(volumes: list[Object], path: str) -> list[str]:
    found: list[str] = []
    for i, volume in enumerate(volumes):
        for kind, why in _GONE.items():
            if volume.get(kind) is not None:
                found.append(f"{path}.volumes[{i}].{_SHOWN_AS.get(kind, kind)}: {why}")
        if (projected := volume.get("projected")) is not None and not _has_sources(projected):
            found.append(f'volume "{volume.get("name")}" (Projected) has no sources provided')
    return found


def _has_sources(projected: Object) -> bool:
    sources = projected.get("sources") or ()
    return all(source.values() for source in sources) if sources else False


def _container(container: Object, path: str) -> list[str]:
    found: list[str] = []
    if resources := container.get("resources"):
        for side in ("limits", "requests"):
            found += _fractions(resources.get(side) or {}, f"{path}.resources.{side}")
    if env := container.get("env"):
        found += _repeated_variables(env, f"{path}.env")
    if ports := container.get("ports"):
        found += _repeated_ports(ports, f"{path}.ports")
    return found


def _fractions(amounts: Object, path: str) -> list[str]:
    return [
        f'{path}[{name}]: fractional byte value "{value}" is invalid, must be an integer'
        for name, value in amounts.items()
        if name in ("memory", "ephemeral-storage") and is_fractional(value)
    ]


def _repeated_variables(variables: list[Object], path: str) -> list[str]:
    first: dict[str, int] = {}
    found: list[str] = []
    for i, variable in enumerate(variables):
        name = variable.get("name") or ""
        if name in first:
            found.append(f'{path}[{i}]: hides previous definition of "{name}", which may be dropped when using apply')
        first[name] = i
    return found


def _repeated_ports(ports: list[Object], path: str) -> list[str]:
    first: dict[tuple[object, ...], int] = {}
    found: list[str] = []
    for i, port in enumerate(ports):
        key = (port.get("containerPort"), port.get("protocol"), port.get("hostIP") or "", port.get("hostPort") or 0)
        if key in first:
            found.append(f"{path}[{i}]: duplicate port definition with {path}[{first[key]}]")
        first.setdefault(key, i)
    return found
