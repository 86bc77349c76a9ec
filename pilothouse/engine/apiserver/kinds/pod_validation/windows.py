"""What pods and containers say for Windows. Source: pkg/apis/core/validation (validateWindowsSecurityContextOptions, ...HostProcessPod)."""

import re

from pilothouse.engine.apiserver.kinds import field
from pilothouse.engine.apiserver.kinds.pod_validation.visit import containers
from pilothouse.model import names
from pilothouse.model.errors import Cause
from pilothouse.model.json import Object

SPEC_MAX_KIB = 64
DOMAIN_MAX, USER_MAX = 256, 104
_DNS_LABEL = "[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?"
_has_control_characters = re.compile(r"[\x00-\x1f\x7f]").search
_is_netbios = re.compile(r'[^\\/:*?"<>|.][^\\/:*?"<>|]{0,14}').fullmatch
_is_dns = re.compile(rf"{_DNS_LABEL}(?:\.{_DNS_LABEL})*").fullmatch
_has_bad_characters = re.compile(r'["/\\:;|=,+*?<>@\[\]]').search
_is_dots_and_spaces = re.compile(r"[. ]+").fullmatch


def validate_windows_options(options: Object, path: str) -> list[Cause]:
    causes: list[Cause] = []
    if (name := options.get("gmsaCredentialSpecName")) is not None:
        causes += field.each_invalid(f"{path}.gmsaCredentialSpecName", name, names.dns1123_subdomain(name))
    if (spec := options.get("gmsaCredentialSpec")) is not None:
        causes += field.each_invalid(f"{path}.gmsaCredentialSpec", spec, _credentials(spec))
    if (user := options.get("runAsUserName")) is not None:
        causes += field.each_invalid(f"{path}.runAsUserName", user, _user_name(user))
    return causes


def _credentials(spec: str) -> list[str]:
    if not spec:
        return ["gmsaCredentialSpec cannot be an empty string"]
    return [] if len(spec.encode()) <= SPEC_MAX_KIB * 1024 else [f"gmsaCredentialSpec size must be under {SPEC_MAX_KIB} KiB"]


def _user_name(name: str) -> list[str]:
    """`USER` or `DOMAIN\\USER`."""
    if not name:
        return ["runAsUserName cannot be an empty string"]
    if _has_control_characters(name):
        return ["runAsUserName cannot contain control characters"]
    if name.count("\\") > 1:
        return ["runAsUserName cannot contain more than one backslash"]
    domain, backslash, user = name.rpartition("\\")
    return (_domain(domain) if backslash else []) + _user(user)


def _domain(domain: str) -> list[str]:
    found = [] if len(domain.encode()) < DOMAIN_MAX else [f"runAsUserName's Domain length must be under {DOMAIN_MAX} characters"]
    if not (_is_netbios(domain) or _is_dns(domain)):
        found.append("runAsUserName's Domain doesn't match the NetBios nor the DNS format")
    return found


def _user(user: str) -> list[str]:
    found = [] if user else ["runAsUserName's User cannot be empty"]
    if len(user.encode()) > USER_MAX:
        found.append(f"runAsUserName's User length must not be longer than {USER_MAX} characters")
    if _is_dots_and_spaces(user):
        found.append("runAsUserName's User cannot contain only periods or spaces")
    if _has_bad_characters(user):
        found.append("runAsUserName's User cannot contain the following characters: \"/\\:;|=,+*?<>@[]")
    return found


def validate_host_processes(spec: Object, path: str) -> list[Cause]:
    """Either all containers of a pod are processes of the host or none is. path: of the pod's spec."""
    of_pod = _host_process(spec)
    causes: list[Cause] = []
    of_containers = [(own, here) for container, here in containers(spec, path) for own in [_host_process(container)]]
    for own, here in field.until_enough(causes, of_containers):
        if None not in (own, of_pod) and own != of_pod:
            detail = f"pod hostProcess value must be identical if both are specified, was {field.shown(of_pod)}"
            causes.append(field.invalid(f"{here}.securityContext.windowsOptions.hostProcess", own, detail))
    count = sum(bool(of_pod if own is None else own) for own, _ in of_containers)
    if not count:
        return causes
    if count != len(of_containers):
        detail = "If pod contains any hostProcess containers then all containers must be HostProcess containers"
        causes.append(field.invalid(path, "", detail))
    if not spec.get("hostNetwork"):
        causes.append(field.invalid(f"{path}.hostNetwork", False, "hostNetwork must be true if pod contains any hostProcess containers"))
    return causes


def _host_process(holder: Object) -> bool | None:
    found: bool | None = ((holder.get("securityContext") or {}).get("windowsOptions") or {}).get("hostProcess")
    return found
