"""Annotations of pods that have meanings: profiles that fields have replaced since, the cost of deletion, what marks a static pod.

Source: pkg/apis/core/validation (ValidatePodSpecificAnnotations and what it calls).
"""

import re
from collections.abc import Mapping

from pilothouse.engine.apiserver.kinds import field
from pilothouse.engine.apiserver.kinds.pod_validation.paths import descending
from pilothouse.engine.apiserver.kinds.pod_validation.visit import containers
from pilothouse.model.errors import Cause
from pilothouse.model.json import Object

MIRROR = "kubernetes.io/config.mirror"
DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"
SECCOMP_POD = "seccomp.security.alpha.kubernetes.io/pod"
SECCOMP_CONTAINER = "container.seccomp.security.alpha.kubernetes.io/"
APP_ARMOR = "container.apparmor.security.beta.kubernetes.io/"
_LOCAL = "localhost/"
_SECCOMP = {"RuntimeDefault": ("runtime/default", "docker/default"), "Unconfined": ("unconfined",)}
_APP_ARMOR = {"RuntimeDefault": ("runtime/default",), "Unconfined": ("unconfined",)}
_is_integer = re.compile(r"0|-?[1-9][0-9]*").fullmatch
Annotations = Mapping[str, str]


def validate_annotations(annotations: Annotations, spec: Object, path: str, before: Annotations | None = None) -> list[Cause]:
    """path: of the annotations. before: those of the object as it is stored, None when it is new."""
    mirrored, cost = annotations.get(MIRROR), annotations.get(DELETION_COST)
    causes: list[Cause] = []
    if mirrored is not None and not spec.get("nodeName"):
        causes.append(field.invalid(f"{path}[{MIRROR}]", mirrored, "must set spec.nodeName if mirror pod annotation is set"))
    if cost is not None and not _is_cost(cost) and (before is None or _is_cost(before.get(DELETION_COST, "0"))):
        causes.append(field.invalid(f"{path}[{DELETION_COST}]", cost, "must be a 32bit integer"))
    return causes + _seccomp(annotations, path) + _app_armor(annotations, spec, path)


def _is_cost(text: str) -> bool:
    return bool(_is_integer(text)) and len(text) < 12 and -(2**31) <= int(text) < 2**31


def _seccomp(annotations: Annotations, path: str) -> list[Cause]:
    causes: list[Cause] = []
    keys = [SECCOMP_POD] if SECCOMP_POD in annotations else []
    for key in field.until_enough(causes, [*keys, *(key for key in annotations if key.startswith(SECCOMP_CONTAINER))]):
        profile, here = annotations[key], f"{path}.{key}"
        if profile.startswith(_LOCAL):
            causes += descending(profile.removeprefix(_LOCAL), here)
        elif not any(profile in known for known in _SECCOMP.values()):
            causes.append(field.invalid(here, profile, "must be a valid seccomp profile"))
    return causes


def _app_armor(annotations: Annotations, spec: Object, path: str) -> list[Cause]:
    causes: list[Cause] = []
    of_app_armor = [key for key in annotations if key.startswith(APP_ARMOR)]
    known = {container.get("name") or "" for container, _ in containers(spec, "")} if of_app_armor else set()
    for key in field.until_enough(causes, of_app_armor):
        name, profile = key.removeprefix(APP_ARMOR), annotations[key]
        if name not in known:
            causes.append(field.invalid(f"{path}[{key}]", name, "container not found"))
        if profile and not profile.startswith(_LOCAL) and not any(profile in known_ones for known_ones in _APP_ARMOR.values()):
            causes.append(field.invalid(f"{path}[{key}]", profile, f"invalid AppArmor profile name: {field.shown(profile)}"))
    return causes


def validate_annotations_update(annotations: Annotations, old: Annotations, spec: Object, path: str) -> list[Cause]:
    causes: list[Cause] = []
    for key, value in field.until_enough(causes, old.items()):
        if annotations.get(key) != value:
            causes += _frozen(key, path, "may not remove or update")
    for key in field.until_enough(causes, annotations):
        if key not in old:
            causes += _frozen(key, path, "may not add")
    return causes + validate_annotations(annotations, spec, path, old)


def _frozen(key: str, path: str, detail: str) -> list[Cause]:
    what = "AppArmor annotations" if key.startswith(APP_ARMOR) else "mirror pod annotation" if key == MIRROR else ""
    return [field.forbidden(f"{path}[{key}]", f"{detail} {what}")] if what else []


def validate_agreement(annotations: Annotations, spec: Object, path: str) -> list[Cause]:
    """Where an annotation and the field that replaces it are both given, they say the same. path: of the spec."""
    if not annotations:
        return []
    causes: list[Cause] = []
    profile = (spec.get("securityContext") or {}).get("seccompProfile")
    if profile and SECCOMP_POD in annotations:
        causes += _agree(annotations[SECCOMP_POD], profile, _SECCOMP, "seccomp", f"{path}.securityContext.seccompProfile")
    for container, here in field.until_enough(causes, containers(spec, path)):
        profile = (container.get("securityContext") or {}).get("seccompProfile")
        if profile and (stated := annotations.get(SECCOMP_CONTAINER + (container.get("name") or ""))) is not None:
            causes += _agree(stated, profile, _SECCOMP, "seccomp", f"{here}.securityContext.seccompProfile")
    return causes + (_app_armor_agreement(annotations, spec, path) if (spec.get("os") or {}).get("name") != "windows" else [])


def _app_armor_agreement(annotations: Annotations, spec: Object, path: str) -> list[Cause]:
    of_pod = (spec.get("securityContext") or {}).get("appArmorProfile")
    causes: list[Cause] = []
    for container, here in field.until_enough(causes, containers(spec, path)):
        profile = (container.get("securityContext") or {}).get("appArmorProfile") or of_pod
        if profile and (stated := annotations.get(APP_ARMOR + (container.get("name") or ""))) is not None:
            causes += _agree(stated, profile, _APP_ARMOR, "apparmor", f"{here}.securityContext.appArmorProfile")
    return causes


def _agree(stated: str, profile: Object, known: Mapping[str, tuple[str, ...]], what: str, path: str) -> list[Cause]:
    kind = profile.get("type") or ""
    if kind == "Localhost":
        if not stated.startswith(_LOCAL):
            return [field.forbidden(f"{path}.type", f"{what} type in annotation and field must match")]
        same = stated.removeprefix(_LOCAL) == profile.get("localhostProfile")
        return [] if same else [field.forbidden(f"{path}.localhostProfile", f"{what} profile in annotation and field must match")]
    if kind not in known or stated in known[kind]:
        return []
    return [field.forbidden(f"{path}.type", f"{what} type in annotation and field must match")]


def app_armor_profile(annotation: str) -> Object | None:
    """The field that an annotation stands for; None for one that names no profile."""
    if annotation.startswith(_LOCAL):
        local = annotation.removeprefix(_LOCAL)
        return {"type": "Localhost", "localhostProfile": local} if local else None
    return next(({"type": kind} for kind, texts in _APP_ARMOR.items() if annotation in texts), None)
