"""Probes and lifecycle handlers."""

from typing import Any

from pilothouse.engine.apiserver.kinds import field
from pilothouse.model import names
from pilothouse.model.errors import Cause
from pilothouse.model.json import Object

HANDLERS = ("exec", "httpGet", "tcpSocket", "grpc", "sleep")
_COUNTS = ("initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold")


def validate_probes(container: Object, grace_s: int, path: str) -> list[Cause]:
    causes: list[Cause] = []
    for name in field.until_enough(causes, ("livenessProbe", "readinessProbe", "startupProbe")):
        if (probe := container.get(name)) is not None:
            causes += _probe(probe, grace_s, f"{path}.{name}", is_readiness=name == "readinessProbe")
    return causes


def _probe(probe: Object, grace_s: int, path: str, *, is_readiness: bool) -> list[Cause]:
    causes = _handler(probe, grace_s, path)
    for name in field.until_enough(causes, _COUNTS):
        causes += field.non_negative(f"{path}.{name}", probe.get(name))
    own_grace_s = probe.get("terminationGracePeriodSeconds")
    if own_grace_s is not None and own_grace_s <= 0:
        causes.append(field.invalid(f"{path}.terminationGracePeriodSeconds", own_grace_s, "must be greater than 0"))
    if is_readiness and own_grace_s is not None:
        causes.append(field.invalid(f"{path}.terminationGracePeriodSeconds", own_grace_s, "must not be set for readinessProbes"))
    threshold = probe.get("successThreshold") or 1
    if not is_readiness and threshold != 1:
        causes.append(field.invalid(f"{path}.successThreshold", threshold, "must be 1"))
    return causes


def validate_lifecycle(lifecycle: Object, grace_s: int, path: str) -> list[Cause]:
    causes: list[Cause] = []
    for name in field.until_enough(causes, ("postStart", "preStop")):
        if (handler := lifecycle.get(name)) is not None:
            causes += _handler(handler, grace_s, f"{path}.{name}")
    return causes


def _handler(handler: Object, grace_s: int, path: str) -> list[Cause]:
    causes: list[Cause] = []
    given = [kind for kind in HANDLERS if handler.get(kind) is not None]
    for i, kind in field.until_enough(causes, enumerate(given)):
        if i:
            causes.append(field.forbidden(f"{path}.{kind}", "may not specify more than 1 handler type"))
        else:
            causes += _action(kind, handler[kind], grace_s, f"{path}.{kind}")
    return causes if given else [field.required(path, "must specify a handler type")]


def _action(kind: str, action: Object, grace_s: int, path: str) -> list[Cause]:
    if kind == "exec":
        return [] if action.get("command") else [field.required(f"{path}.command")]
    if kind == "httpGet":
        return _http_get(action, path)
    if kind == "sleep":
        seconds = action.get("seconds") or 0
        detail = f"must be non-negative and less than terminationGracePeriodSeconds ({grace_s})"
        return [] if 0 <= seconds <= grace_s else [field.invalid(path, seconds, detail)]
    return port_or_name(action.get("port"), f"{path}.port")


def _http_get(action: Object, path: str) -> list[Cause]:
    causes = [] if action.get("path") else [field.required(f"{path}.path")]
    causes += port_or_name(action.get("port"), f"{path}.port")
    scheme = action.get("scheme") or ""
    if scheme not in ("HTTP", "HTTPS"):
        causes.append(field.not_supported(f"{path}.scheme", scheme, ("HTTP", "HTTPS")))
    for header in field.until_enough(causes, action.get("httpHeaders") or ()):
        name = header.get("name") or ""
        causes += field.each_invalid(f"{path}.httpHeaders", name, names.http_header_name(name))
    return causes


def port_or_name(port: Any, path: str) -> list[Cause]:
    if isinstance(port, str):
        return field.each_invalid(path, port, names.port_name(port))
    return field.each_invalid(path, port or 0, names.port_number(port or 0))
