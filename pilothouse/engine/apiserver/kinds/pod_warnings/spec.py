"""Warnings of pods and of the templates they come from."""

from collections.abc import Mapping

from pilothouse.engine.apiserver.kinds import field
from pilothouse.engine.apiserver.kinds.addresses import address_warnings
from pilothouse.engine.apiserver.kinds.node_labels import key_warnings, selector_warnings, term_warnings
from pilothouse.engine.apiserver.kinds.pod_validation.annotations import APP_ARMOR, SECCOMP_CONTAINER, SECCOMP_POD
from pilothouse.engine.apiserver.kinds.pod_validation.visit import containers
from pilothouse.engine.apiserver.kinds.pod_warnings.overlaps import overlap_warnings
from pilothouse.engine.apiserver.kinds.pod_warnings.ports import port_warnings
from pilothouse.engine.apiserver.kinds.quantities import amount, is_fractional
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
_REPLACED = {
    "scheduler.alpha.kubernetes.io/critical-pod": 'non-functional in v1.16+; use the "priorityClassName" field instead',
    "security.alpha.kubernetes.io/sysctls": 'non-functional in v1.11+; use the "sysctls" field instead',
    "security.alpha.kubernetes.io/unsafe-sysctls": 'non-functional in v1.11+; use the "sysctls" field instead',
}
_NO_SECCOMP = 'non-functional in v1.27+; use the "seccompProfile" field instead'
_NO_APP_ARMOR = 'deprecated since v1.30; use the "appArmorProfile" field instead'
_SURPRISING = ", which can result in surprising behavior; a DNS label is recommended: "
_HOSTNAME = f"metadata.name: this is used in the Pod's hostname{_SURPRISING}"
_POD_NAMES = f"metadata.name: this is used in Pod names and hostnames{_SURPRISING}"
_NULL_SELECTOR = "a null labelSelector results in matching no pod"
_REQUIRED, _PREFERRED = "requiredDuringSchedulingIgnoredDuringExecution", "preferredDuringSchedulingIgnoredDuringExecution"
Annotations = Mapping[str, str]


def pod_warnings(obj: Object) -> list[str]:
    """Of a pod that is made; its AppArmor annotations have become fields already."""
    meta, spec = obj["metadata"], obj.get("spec") or {}
    annotations = meta.get("annotations") or {}
    found = _app_armor(annotations, spec, "metadata") if annotations else []
    if said := names.dns1123_label(meta.get("name") or ""):
        found.append(f"{_HOSTNAME}[{' '.join(said)}]")
    return found + _warnings(spec, annotations, "")


def name_warnings(obj: Object) -> list[str]:
    """Of an object whose pods are named after it."""
    said = names.dns1123_label(obj["metadata"].get("name") or "")
    return [f"{_POD_NAMES}[{' '.join(said)}]"] if said else []


def template_warnings(template: Object, path: str) -> list[str]:
    """path: of the template, as in `spec.template`."""
    spec, annotations = template.get("spec") or {}, (template.get("metadata") or {}).get("annotations") or {}
    found = _warnings(spec, annotations, f"{path}.")
    return found + (_app_armor(annotations, spec, f"{path}.metadata", only_without_field=True) if annotations else [])


def _warnings(spec: Object, annotations: Annotations, prefix: str) -> list[str]:
    """prefix: before `spec` and `metadata`."""
    get, path, noted = spec.get, f"{prefix}spec", f"{prefix}metadata.annotations"
    found = _placement(spec, path)
    found += [f"{noted}[{key}]: {why}" for key, why in _REPLACED.items() if key in annotations]
    if volumes := get("volumes"):
        found += _volumes(volumes, path)
    found += _repeated(get("hostAliases") or [], "ip", f"{path}.hostAliases")
    found += _pull_secrets(get("imagePullSecrets") or [], f"{path}.imagePullSecrets")
    found += _fractions(get("overhead") or {}, f"{path}.overhead")
    if SECCOMP_POD in annotations and not (get("securityContext") or {}).get("seccompProfile"):
        found.append(f"{noted}[{SECCOMP_POD}]: {_NO_SECCOMP}")
    for container, here in containers(spec, path):
        found += _container(container, annotations, here, noted)
    found += port_warnings(spec, path)
    if (get("terminationGracePeriodSeconds") or 0) < 0:
        found.append(f"{path}.terminationGracePeriodSeconds: must be >= 0; negative values are invalid and will be treated as 1")
    return found + _null_selectors(get("affinity") or {}, f"{path}.affinity") + _addresses(spec, path)


def _placement(spec: Object, path: str) -> list[str]:
    found = selector_warnings(spec.get("nodeSelector") or (), f"{path}.nodeSelector")
    if nodes := (spec.get("affinity") or {}).get("nodeAffinity"):
        here = f"{path}.affinity.nodeAffinity"
        for i, term in enumerate((nodes.get(_REQUIRED) or {}).get("nodeSelectorTerms") or ()):
            found += term_warnings(term, f"{here}.{_REQUIRED}.nodeSelectorTerms[{i}]", is_preferred=False)
        for i, term in enumerate(nodes.get(_PREFERRED) or ()):
            found += term_warnings(term.get("preference") or {}, f"{here}.{_PREFERRED}[{i}].preference", is_preferred=True)
    for i, constraint in enumerate(spec.get("topologySpreadConstraints") or ()):
        here = f"{path}.topologySpreadConstraints[{i}]"
        found += key_warnings(constraint.get("topologyKey") or "", f"{here}.topologyKey")
        if constraint.get("labelSelector") is None:
            found.append(f"{here}.labelSelector: {_NULL_SELECTOR}")
    return found


def _null_selectors(affinity: Object, path: str) -> list[str]:
    found: list[str] = []
    for kind in ("podAffinity", "podAntiAffinity"):
        of_kind, here = affinity.get(kind) or {}, f"{path}.{kind}"
        for i, term in enumerate(of_kind.get(_REQUIRED) or ()):
            if term.get("labelSelector") is None:
                found.append(f"{here}.{_REQUIRED}[{i}].labelSelector: {_NULL_SELECTOR}")
        for i, term in enumerate(of_kind.get(_PREFERRED) or ()):
            if (term.get("podAffinityTerm") or {}).get("labelSelector") is None:
                found.append(f"{here}.{_PREFERRED}[{i}].podAffinityTerm.labelSelector: {_NULL_SELECTOR}")
    return found


def _addresses(spec: Object, path: str) -> list[str]:
    found: list[str] = []
    for i, server in enumerate((spec.get("dnsConfig") or {}).get("nameservers") or ()):
        found += address_warnings(server, f"{path}.dnsConfig.nameservers[{i}]")
    for i, alias in enumerate(spec.get("hostAliases") or ()):
        found += address_warnings(alias.get("ip") or "", f"{path}.hostAliases[{i}].ip")
    return found


def _volumes(volumes: list[Object], path: str) -> list[str]:
    found = [
        f"{path}.volumes[{i}].{_SHOWN_AS.get(kind, kind)}: {why}"
        for i, volume in enumerate(volumes)
        for kind, why in _GONE.items()
        if volume.get(kind) is not None
    ]
    return found + overlap_warnings(volumes)


def _repeated(entries: list[Object], name: str, path: str) -> list[str]:
    unique = field.Unique()
    values = [entry.get(name) or "" for entry in entries]
    return [f"{path}[{i}].{name}: duplicate {name} {field.shown(value)}" for i, value in enumerate(values) if unique.repeats(value)]


def _pull_secrets(secrets: list[Object], path: str) -> list[str]:
    empty = [f'{path}[{i}].name: invalid empty name ""' for i, secret in enumerate(secrets) if not secret.get("name")]
    return _repeated(secrets, "name", path) + empty


def _container(container: Object, annotations: Annotations, path: str, noted: str) -> list[str]:
    found: list[str] = []
    seccomp = SECCOMP_CONTAINER + (container.get("name") or "")
    if seccomp in annotations and not (container.get("securityContext") or {}).get("seccompProfile"):
        found.append(f"{noted}[{seccomp}]: {_NO_SECCOMP}")
    if resources := container.get("resources"):
        for name in ("memory", "ephemeral-storage"):
            for side in ("limits", "requests"):
                if name in (amounts := resources.get(side) or {}):
                    found += _fractions({name: amounts[name]}, f"{path}.resources.{side}")
    if env := container.get("env"):
        found += _repeated_variables(env, f"{path}.env")
    return found


def _app_armor(annotations: Annotations, spec: Object, path: str, *, only_without_field: bool = False) -> list[str]:
    of_pod = (spec.get("securityContext") or {}).get("appArmorProfile")
    found: list[str] = []
    for container, _ in containers(spec, ""):
        key = APP_ARMOR + (container.get("name") or "")
        own = (container.get("securityContext") or {}).get("appArmorProfile")
        if key in annotations and not (only_without_field and (of_pod or own)):
            found.append(f"{path}.annotations[{key}]: {_NO_APP_ARMOR}")
    return found


def _fractions(amounts: Object, path: str) -> list[str]:
    return [
        f'{path}[{name}]: fractional byte value "{amount(amounts[name])}" is invalid, must be an integer'
        for name in ("memory", "ephemeral-storage")
        if name in amounts and is_fractional(amounts[name])
    ]


def _repeated_variables(variables: list[Object], path: str) -> list[str]:
    """A variable may be made of the one before it: `A=$(A)b`."""
    found: list[str] = []
    unique = field.Unique()
    for i, variable in enumerate(variables):
        name, value = variable.get("name") or "", variable.get("value") or ""
        if not unique.repeats(name):
            continue
        reference = f"$({name})"
        if variable.get("valueFrom") is not None or value == reference or reference not in value:
            found.append(f"{path}[{i}]: hides previous definition of {field.shown(name)}, which may be dropped when using apply")
    return found
