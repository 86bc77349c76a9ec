"""What the restricted level demands on top: a pod that gives up what it does not need. Source: kubernetes' Pod Security Standards."""

from collections.abc import Callable

from pilothouse.engine.apiserver.admission.pod_security.baseline import seccomp
from pilothouse.engine.apiserver.admission.pod_security.finding import (
    Check,
    Finding,
    blamed,
    containers,
    context,
    counted,
    in_user_namespace,
    plural,
    quoted,
    setters,
)
from pilothouse.model.json import Object

_VOLUMES = ("configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "image", "persistentVolumeClaim", "projected", "secret")


def unless_windows(check: Check) -> Check:
    """Pods for Windows cannot set what the check demands; validation refuses them if they do."""
    return lambda metadata, spec: None if (spec.get("os") or {}).get("name") == "windows" else check(metadata, spec)


def unless_user_namespace(check: Check) -> Check:
    """Root of a user namespace is nobody outside of it."""
    return lambda metadata, spec: None if in_user_namespace(spec) else check(metadata, spec)


def privilege_escalation(metadata: Object, spec: Object) -> Finding | None:
    names = blamed(spec, lambda container: context(container).get("allowPrivilegeEscalation") is not False)
    if not names:
        return None
    return Finding(
        "allowPrivilegeEscalation != false", f"{counted('container', names)} must set securityContext.allowPrivilegeEscalation=false"
    )


def capabilities(metadata: Object, spec: Object) -> Finding | None:
    def side(container: Object, name: str) -> set[str]:
        return set((context(container).get("capabilities") or {}).get(name) or ())

    def added(container: Object) -> set[str]:
        return side(container, "add") - {"NET_BIND_SERVICE"}

    keeping = blamed(spec, lambda container: "ALL" not in side(container, "drop"))
    adding = blamed(spec, lambda container: bool(added(container)))
    said = [f'{counted("container", keeping)} must set securityContext.capabilities.drop=["ALL"]'] if keeping else []
    if adding:
        what = quoted(sorted(set[str]().union(*map(added, containers(spec)))))
        said.append(f"{counted('container', adding)} must not include {what} in securityContext.capabilities.add")
    return Finding("unrestricted capabilities", "; ".join(said)) if said else None


def volume_types(metadata: Object, spec: Object) -> Finding | None:
    bad = [volume for volume in spec.get("volumes") or () if not any(volume.get(name) is not None for name in _VOLUMES)]
    if not bad:
        return None
    kinds = sorted(set(map(_volume_type, bad)))
    verb = "uses" if len(bad) == 1 else "use"
    names = counted("volume", [volume["name"] for volume in bad])
    return Finding("restricted volume types", f"{names} {verb} {plural('restricted volume type', len(kinds))} {quoted(kinds)}")


def _volume_type(volume: Object) -> str:
    return next((name for name, value in volume.items() if name != "name" and value is not None), "unknown")


def run_as_non_root(metadata: Object, spec: Object) -> Finding | None:
    reason = "runAsNonRoot != true"
    if subject := setters(spec, lambda security: security.get("runAsNonRoot") is False):
        return Finding(reason, f"{subject} must not set securityContext.runAsNonRoot=false")
    if silent := _silent(spec, lambda security: security.get("runAsNonRoot") is not None):
        return Finding(reason, f"pod or {counted('container', silent)} must set securityContext.runAsNonRoot=true")
    return None


def _silent(spec: Object, says: Callable[[Object], bool]) -> list[str]:
    """The containers that say nothing where the pod says nothing either."""
    return [] if says(context(spec)) else blamed(spec, lambda container: not says(context(container)))


def run_as_user(metadata: Object, spec: Object) -> Finding | None:
    subject = setters(spec, lambda security: security.get("runAsUser") == 0)
    return Finding("runAsUser=0", f"{subject} must not set runAsUser=0") if subject else None


def seccomp_required(metadata: Object, spec: Object) -> Finding | None:
    if found := seccomp(metadata, spec):
        return found
    silent = _silent(spec, lambda security: security.get("seccompProfile") is not None)
    if not silent:
        return None
    way = 'must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost"'
    return Finding("seccompProfile", f"pod or {counted('container', silent)} {way}")
