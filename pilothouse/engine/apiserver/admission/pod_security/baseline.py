"""The checks of the baseline level: no known way from a pod to its host. Source: kubernetes' Pod Security Standards."""

from collections.abc import Callable
from typing import Any

from pilothouse.engine.apiserver.admission.pod_security.finding import (
    Check,
    Finding,
    blamed,
    containers,
    context,
    counted,
    in_user_namespace,
    listed,
    plural,
    quoted,
    setters,
)
from pilothouse.model.json import Object, dumps

_HOST_NAMESPACES = ("hostNetwork", "hostPID", "hostIPC")
_DEFAULT_CAPABILITIES = frozenset(
    [
        "AUDIT_WRITE",
        "CHOWN",
        "DAC_OVERRIDE",
        "FOWNER",
        "FSETID",
        "KILL",
        "MKNOD",
        "NET_BIND_SERVICE",
        "SETFCAP",
        "SETGID",
        "SETPCAP",
        "SETUID",
        "SYS_CHROOT",
    ]
)
_APPARMOR_ANNOTATION = "container.apparmor.security.beta.kubernetes.io/"
_SECCOMP_POD_ANNOTATION = "seccomp.security.alpha.kubernetes.io/pod"
_SECCOMP_ANNOTATION = "container.seccomp.security.alpha.kubernetes.io/"
_PROFILES = ("RuntimeDefault", "Localhost")
_SELINUX_TYPES = ("", "container_t", "container_init_t", "container_kvm_t")
_PROBES = ("livenessProbe", "readinessProbe", "startupProbe")


def host_namespaces(metadata: Object, spec: Object) -> Finding | None:
    shared = [f"{name}=true" for name in _HOST_NAMESPACES if spec.get(name)]
    return Finding("host namespaces", ", ".join(shared)) if shared else None


def host_process(metadata: Object, spec: Object) -> Finding | None:
    subject = setters(spec, lambda security: bool((security.get("windowsOptions") or {}).get("hostProcess")))
    return Finding("hostProcess", f"{subject} must not set securityContext.windowsOptions.hostProcess=true") if subject else None


def privileged(metadata: Object, spec: Object) -> Finding | None:
    names = blamed(spec, lambda container: bool(context(container).get("privileged")))
    return Finding("privileged", f"{counted('container', names)} must not set securityContext.privileged=true") if names else None


def capabilities(metadata: Object, spec: Object) -> Finding | None:
    def added(container: Object) -> set[str]:
        return set((context(container).get("capabilities") or {}).get("add") or ()) - _DEFAULT_CAPABILITIES

    names = blamed(spec, lambda container: bool(added(container)))
    if not names:
        return None
    what = quoted(sorted(set[str]().union(*map(added, containers(spec)))))
    return Finding("non-default capabilities", f"{counted('container', names)} must not include {what} in securityContext.capabilities.add")


def host_path_volumes(metadata: Object, spec: Object) -> Finding | None:
    names = [volume["name"] for volume in spec.get("volumes") or () if volume.get("hostPath") is not None]
    return Finding("hostPath volumes", counted("volume", names)) if names else None


def host_ports(metadata: Object, spec: Object) -> Finding | None:
    def ports(container: Object) -> set[str]:
        return {str(port["hostPort"]) for port in container.get("ports") or () if port.get("hostPort")}

    names = blamed(spec, lambda container: bool(ports(container)))
    if not names:
        return None
    every = sorted(set[str]().union(*map(ports, containers(spec))))
    verb = "uses" if len(names) == 1 else "use"
    return Finding("hostPort", f"{counted('container', names)} {verb} {plural('hostPort', len(every))} {listed(every)}")


def host_handlers(metadata: Object, spec: Object) -> Finding | None:
    """A probe or a hook that names a host has the node call it."""
    names = sorted(set(blamed(spec, lambda container: bool(_hosts(container)))))
    if not names:
        return None
    hosts = sorted(set[str]().union(*map(_hosts, containers(spec))))
    verb, reason = "uses" if len(names) == 1 else "use", "probe or lifecycle host"
    return Finding(reason, f"{counted('container', names)} {verb} {plural(reason, len(hosts))} {quoted(hosts)}")


def _hosts(container: Object) -> set[str]:
    lifecycle = container.get("lifecycle") or {}
    handlers = [*(container.get(name) for name in _PROBES), lifecycle.get("postStart"), lifecycle.get("preStop")]
    calls = [handler.get(way) or {} for handler in handlers if handler for way in ("httpGet", "tcpSocket")]
    return {call["host"] for call in calls if call.get("host")}


def apparmor(metadata: Object, spec: Object) -> Finding | None:
    def profile(security: Object) -> str | None:
        return _bad_profile(security, "appArmorProfile")

    annotations = (metadata.get("annotations") or {}).items()
    noted = sorted(
        f"{key}={dumps(value).decode()}"
        for key, value in annotations
        if key.startswith(_APPARMOR_ANNOTATION) and value not in ("", "runtime/default") and not value.startswith("localhost/")
    )
    subject = setters(spec, lambda security: profile(security) is not None)
    subjects = [*([subject] if subject else []), *([plural("annotation", len(noted))] if noted else [])]
    values = [*_values(spec, profile), *noted]
    reason = plural("forbidden AppArmor profile", len(values))
    # The annotations stand between plain quotes, whatever quotes they hold themselves.
    shown = listed(f'"{value[:256]}"' for value in values)
    return Finding(reason, f"{' and '.join(subjects)} must not set AppArmor profile type to {shown}") if subjects else None


def _bad_profile(security: Object, name: str) -> str | None:
    profile = security.get(name)
    if profile is None or profile.get("type") in _PROFILES:
        return None
    return profile.get("type") or ""


def _values(spec: Object, value: Callable[[Object], str | None]) -> list[str]:
    """The bad values of the pod's security context and its containers', each once."""
    found = map(value, [context(spec), *map(context, containers(spec))])
    return sorted({each for each in found if each is not None})


def selinux(allowed: tuple[str, ...]) -> Check:
    def check(metadata: Object, spec: Object) -> Finding | None:
        def bad_type(security: Object) -> str | None:
            kind = (security.get("seLinuxOptions") or {}).get("type") or ""
            return None if kind in allowed else kind

        def sets(security: Object, name: str) -> bool:
            return bool((security.get("seLinuxOptions") or {}).get(name))

        subject = setters(spec, lambda each: bad_type(each) is not None or sets(each, "user") or sets(each, "role"))
        if not subject:
            return None
        types = _values(spec, bad_type)
        said = [counted("type", types)] if types else []
        every = [context(spec), *map(context, containers(spec))]
        said += [f"{name} may not be set" for name in ("user", "role") if any(sets(each, name) for each in every)]
        return Finding("seLinuxOptions", f"{subject} set forbidden securityContext.seLinuxOptions: {'; '.join(said)}")

    return check


selinux_1_0, selinux_1_31 = selinux(_SELINUX_TYPES), selinux((*_SELINUX_TYPES, "container_engine_t"))


def proc_mount(metadata: Object, spec: Object) -> Finding | None:
    def mount(container: Object) -> Any:
        return context(container).get("procMount")

    names = blamed(spec, lambda container: mount(container) not in (None, "Default"))
    if not names:
        return None
    kinds = quoted(sorted({mount(each) for each in containers(spec)} - {None, "Default"}))
    return Finding("procMount", f"{counted('container', names)} must not set securityContext.procMount to {kinds}")


def proc_mount_1_35(metadata: Object, spec: Object) -> Finding | None:
    return None if in_user_namespace(spec) else proc_mount(metadata, spec)


def seccomp_annotations(metadata: Object, spec: Object) -> Finding | None:
    annotations = metadata.get("annotations") or {}
    keys = [_SECCOMP_POD_ANNOTATION, *(_SECCOMP_ANNOTATION + container["name"] for container in containers(spec))]
    bad = sorted({f"{key}={dumps(annotations[key]).decode()}" for key in keys if key in annotations and _is_forbidden(annotations[key])})
    return Finding("seccompProfile", f"forbidden {plural('annotation', len(bad))} {listed(bad)}") if bad else None


def _is_forbidden(profile: str) -> bool:
    return profile not in ("runtime/default", "docker/default") and not profile.startswith("localhost/")


def seccomp(metadata: Object, spec: Object) -> Finding | None:
    def profile(security: Object) -> str | None:
        return _bad_profile(security, "seccompProfile")

    subject = setters(spec, lambda security: profile(security) is not None)
    if not subject:
        return None
    values = quoted(_values(spec, profile))
    return Finding("seccompProfile", f"{subject} must not set securityContext.seccompProfile.type to {values}")


def sysctls(allowed: frozenset[str]) -> Check:
    def check(metadata: Object, spec: Object) -> Finding | None:
        names = [each["name"] for each in context(spec).get("sysctls") or () if each["name"] not in allowed]
        return Finding("forbidden sysctls", listed(name[:128] for name in names)) if names else None

    return check


_SYSCTLS_1_0 = frozenset(
    {
        "kernel.shm_rmid_forced",
        *(f"net.ipv4.{name}" for name in ("ip_local_port_range", "tcp_syncookies", "ping_group_range", "ip_unprivileged_port_start")),
    }
)
_SYSCTLS_1_27 = _SYSCTLS_1_0 | {"net.ipv4.ip_local_reserved_ports"}
_KEEPALIVE = ("tcp_keepalive_time", "tcp_fin_timeout", "tcp_keepalive_intvl", "tcp_keepalive_probes")
_SYSCTLS_1_29 = _SYSCTLS_1_27 | {f"net.ipv4.{name}" for name in _KEEPALIVE}
_SYSCTLS_1_32 = _SYSCTLS_1_29 | {"net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem"}
sysctls_1_0, sysctls_1_27, sysctls_1_29, sysctls_1_32 = map(sysctls, (_SYSCTLS_1_0, _SYSCTLS_1_27, _SYSCTLS_1_29, _SYSCTLS_1_32))
