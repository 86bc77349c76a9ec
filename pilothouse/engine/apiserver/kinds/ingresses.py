"""Ingresses and their classes: which host and path leads to which service.

Source: pkg/apis/networking/validation.
"""

from pilothouse.engine.apiserver.kinds import field, metadata, strategy
from pilothouse.engine.apiserver.kinds.addresses import validate_address
from pilothouse.engine.apiserver.kinds.kind import Kind
from pilothouse.engine.apiserver.kinds.printers import networking as printer
from pilothouse.model import kinds, names
from pilothouse.model.errors import Cause
from pilothouse.model.json import Object

PATH_TYPES = ("Exact", "ImplementationSpecific", "Prefix")
CLASS_ANNOTATION = "kubernetes.io/ingress.class"
CONTROLLER_MAX = 250
_NOT_IN_PATHS = ("//", "/./", "/../", "%2f", "%2F")
_NOT_AT_ENDS = ("/..", "/.")


def validate(obj: Object) -> list[Cause]:
    causes = _validate(obj)
    stated, named = (obj["metadata"].get("annotations") or {}).get(CLASS_ANNOTATION), (obj.get("spec") or {}).get("ingressClassName")
    if stated is not None and named not in (None, stated):
        detail = "must match `ingressClassName` when both are specified"
        causes.append(field.invalid(f"annotations.{CLASS_ANNOTATION}", stated, detail))
    return causes


def _validate(obj: Object) -> list[Cause]:
    return metadata.validate(obj, names.dns1123_subdomain) + _spec(obj.get("spec") or {})


def _spec(spec: Object) -> list[Cause]:
    rules, backend = spec.get("rules") or [], spec.get("defaultBackend")
    causes: list[Cause] = []
    if not rules and backend is None:
        causes.append(field.invalid("spec", spec.get("rules"), "either `defaultBackend` or `rules` must be specified"))
    if backend is not None:
        causes += _backend(backend, "spec.defaultBackend")
    for i, rule in field.until_enough(causes, enumerate(rules)):
        causes += _host(rule.get("host") or "", f"spec.rules[{i}].host", may_be_ip=False)
        if (http := rule.get("http")) is not None:
            causes += _http(http, f"spec.rules[{i}].http")
    for i, tls in field.until_enough(causes, enumerate(spec.get("tls") or ())):
        causes += _tls(tls, f"spec.tls[{i}]")
    if (name := spec.get("ingressClassName")) is not None:
        causes += field.each_invalid("spec.ingressClassName", name, names.dns1123_subdomain(name))
    return causes


def _host(host: str, path: str, *, may_be_ip: bool) -> list[Cause]:
    if not host:
        return []
    causes: list[Cause] = []
    if not may_be_ip and names.parse_ip(host) is not None:
        causes.append(field.invalid(path, host, "must be a DNS name, not an IP address"))
    return causes + field.each_invalid(path, host, names.wildcard_subdomain(host) if "*" in host else names.dns1123_subdomain(host))


def _http(http: Object, path: str) -> list[Cause]:
    paths = http.get("paths") or []
    if not paths:
        return [field.required(f"{path}.paths")]
    return [cause for i, each in enumerate(paths) for cause in _path(each, f"{path}.paths[{i}]")]


def _path(each: Object, path: str) -> list[Cause]:
    kind, target = each.get("pathType"), each.get("path") or ""
    if not kind:
        return [field.required(f"{path}.pathType", "pathType must be specified")]
    causes: list[Cause] = []
    if kind not in PATH_TYPES:
        causes.append(field.not_supported(f"{path}.pathType", kind, PATH_TYPES))
    elif not target.startswith("/") and (target or kind != "ImplementationSpecific"):
        causes.append(field.invalid(f"{path}.path", target, "must be an absolute path"))
    if kind in ("Exact", "Prefix"):
        causes += [field.invalid(f"{path}.path", target, f"must not contain '{bad}'") for bad in _NOT_IN_PATHS if bad in target]
        causes += [field.invalid(f"{path}.path", target, f"cannot end with '{bad}'") for bad in _NOT_AT_ENDS if target.endswith(bad)]
    return causes + _backend(each.get("backend") or {}, f"{path}.backend")


def _backend(backend: Object, path: str) -> list[Cause]:
    service, resource = backend.get("service"), backend.get("resource")
    if service is not None and resource is not None:
        return [field.invalid(path, "", "cannot set both resource and service backends")]
    if resource is not None:
        return reference(resource, f"{path}.resource")
    if service is None:
        return [field.invalid(path, "", "resource or service backend is required")]
    return _service(service, path)


def _service(service: Object, path: str) -> list[Cause]:
    name = service.get("name") or ""
    port = service.get("port") or {}
    here = f"{path}.service"
    causes = field.each_invalid(f"{here}.name", name, names.dns1123_label(name)) if name else [field.required(f"{here}.name")]
    by_name, by_number = port.get("name"), port.get("number")
    if by_name and by_number:
        causes.append(field.invalid(path, "", "cannot set both port name & port number"))
    elif by_name:
        causes += field.each_invalid(f"{here}.port.name", by_name, names.port_name(by_name))
    elif by_number:
        causes += field.each_invalid(f"{here}.port.number", by_number, names.port_number(by_number))
    else:
        causes.append(field.required(path, "port name or number is required"))
    return causes


def reference(target: Object, path: str) -> list[Cause]:
    """A reference to an object of some kind in the same namespace (or in none)."""
    causes: list[Cause] = []
    if (group := target.get("apiGroup")) is not None:
        causes += field.each_invalid(f"{path}.apiGroup", group, names.dns1123_subdomain(group))
    for name in field.until_enough(causes, ("kind", "name")):
        value = target.get(name) or ""
        causes += field.each_invalid(f"{path}.{name}", value, names.path_segment(value)) if value else [field.required(f"{path}.{name}")]
    return causes


def _tls(tls: Object, path: str) -> list[Cause]:
    causes: list[Cause] = []
    for i, host in field.until_enough(causes, enumerate(tls.get("hosts") or ())):
        causes += field.each_invalid(
            f"{path}.hosts[{i}]", host, names.wildcard_subdomain(host) if "*" in host else names.dns1123_subdomain(host)
        )
    if secret := tls.get("secretName"):
        causes += field.each_invalid(f"{path}.secretName", secret, names.dns1123_subdomain(secret))
    return causes


def validate_update(obj: Object, old: Object) -> list[Cause]:
    return metadata.validate_update(obj, old) + _validate(obj)


def validate_status_update(obj: Object, old: Object) -> list[Cause]:
    causes = metadata.validate_update(obj, old)
    points = ((obj.get("status") or {}).get("loadBalancer") or {}).get("ingress") or ()
    for i, point in field.until_enough(causes, enumerate(points)):
        path = f"status.loadBalancer.ingress[{i}]"
        if address := point.get("ip"):
            causes += validate_address(address, f"{path}.ip")
        if host := point.get("hostname"):
            causes += field.each_invalid(f"{path}.hostname", host, names.dns1123_subdomain(host))
            if names.parse_ip(host) is not None:
                causes.append(field.invalid(f"{path}.hostname", host, "must be a DNS name, not an IP address"))
    return causes


def warnings(obj: Object) -> list[str]:
    is_named = (obj.get("spec") or {}).get("ingressClassName") is not None
    if is_named or CLASS_ANNOTATION not in (obj["metadata"].get("annotations") or {}):
        return []
    return [f"annotation \"{CLASS_ANNOTATION}\" is deprecated, please use 'spec.ingressClassName' instead"]


INGRESS = Kind(
    kinds.INGRESSES,
    "io.k8s.api.networking.v1.Ingress",
    prepare_create=strategy.create(status={"loadBalancer": {}}),
    prepare_update=strategy.update(),
    validate=validate,
    validate_update=validate_update,
    validate_status_update=validate_status_update,
    warnings=warnings,
    warnings_on_update=lambda obj, old: [],
    columns=printer.INGRESS_COLUMNS,
    cells=printer.ingress_cells,
)


def _default_class(obj: Object) -> None:
    parameters = (obj.get("spec") or {}).get("parameters")
    if parameters is not None and parameters.get("scope") is None:
        parameters["scope"] = "Cluster"


def _validate_class(obj: Object) -> list[Cause]:
    causes = metadata.validate(obj, names.dns1123_subdomain, namespaced=False)
    spec = obj.get("spec") or {}
    controller = spec.get("controller") or ""
    if not controller:
        causes.append(field.required("spec.controller"))
    else:
        if len(controller) > CONTROLLER_MAX:
            causes.append(field.too_long("spec.controller", CONTROLLER_MAX))
        causes += field.each_invalid("spec.controller", controller, names.domain_prefixed_path(controller))
    if (parameters := spec.get("parameters")) is not None:
        causes += _parameters(parameters, "spec.parameters")
    return causes


def _parameters(parameters: Object, path: str) -> list[Cause]:
    causes = reference(parameters, path)
    scope, namespace = parameters.get("scope"), parameters.get("namespace")
    if scope not in ("Cluster", "Namespace"):
        causes.append(field.not_supported(f"{path}.scope", scope, ("Cluster", "Namespace")))
    elif scope == "Namespace" and namespace is None:
        causes.append(field.required(f"{path}.namespace", "`parameters.scope` is set to 'Namespace'"))
    elif scope == "Cluster" and namespace is not None:
        causes.append(field.forbidden(f"{path}.namespace", "`parameters.scope` is set to 'Cluster'"))
    elif namespace is not None:
        causes += field.each_invalid(f"{path}.namespace", namespace, names.dns1123_label(namespace))
    return causes


def _validate_class_update(obj: Object, old: Object) -> list[Cause]:
    new, before = (obj.get("spec") or {}).get("controller"), (old.get("spec") or {}).get("controller")
    return metadata.validate_update(obj, old) + field.immutable("spec.controller", new, before) + _validate_class(obj)


INGRESSCLASS = Kind(
    kinds.INGRESSCLASSES,
    "io.k8s.api.networking.v1.IngressClass",
    default=_default_class,
    prepare_create=strategy.create(),
    prepare_update=strategy.update(),
    validate=_validate_class,
    validate_update=_validate_class_update,
    columns=printer.CLASS_COLUMNS,
    cells=printer.class_cells,
)
