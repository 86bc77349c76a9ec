"""Roles and their bindings. Whether somebody may grant what a role contains is the authorizer's to say.

Source: pkg/apis/rbac/validation, pkg/apis/rbac/v1/defaults.go.
"""

from pilothouse.engine.apiserver.kinds import field, metadata, strategy
from pilothouse.engine.apiserver.kinds.kind import Kind
from pilothouse.engine.apiserver.kinds.printers import cluster as printer
from pilothouse.engine.apiserver.kinds.selectors import validate_label_selector
from pilothouse.model import kinds, names
from pilothouse.model.errors import Cause
from pilothouse.model.json import Object
from pilothouse.model.resource import Resource
from pilothouse.model.selector import SelectorError, from_label_selector

GROUP = "rbac.authorization.k8s.io"


def _default_role(obj: Object) -> None:
    # Roles without rules show null: the field is not optional.
    obj["rules"] = obj.get("rules") or None


def _rule(rule: Object, path: str, *, namespaced: bool) -> list[Cause]:
    causes = [] if rule.get("verbs") else [field.required(f"{path}.verbs", "verbs must contain at least one value")]
    if urls := rule.get("nonResourceURLs"):
        if namespaced:
            causes.append(field.invalid(f"{path}.nonResourceURLs", urls, "namespaced rules cannot apply to non-resource URLs"))
        if rule.get("apiGroups") or rule.get("resources") or rule.get("resourceNames"):
            detail = "rules cannot apply to both regular resources and non-resource URLs"
            causes.append(field.invalid(f"{path}.nonResourceURLs", urls, detail))
        return causes
    if not rule.get("apiGroups"):
        causes.append(field.required(f"{path}.apiGroups", "resource rules must supply at least one api group"))
    if not rule.get("resources"):
        causes.append(field.required(f"{path}.resources", "resource rules must supply at least one resource"))
    return causes


def _aggregation(rule: Object, path: str) -> list[Cause]:
    selectors = rule.get("clusterRoleSelectors") or []
    if not selectors:
        return [field.required(path, "at least one clusterRoleSelector required if aggregationRule is non-nil")]
    causes: list[Cause] = []
    for i, selector in field.until_enough(causes, enumerate(selectors)):
        causes += validate_label_selector(selector, f"{path}[{i}]")
        try:
            from_label_selector(selector)
        except SelectorError:
            causes.append(field.invalid(f"{path}[{i}]", None, "invalid label selector."))
    return causes


def _role(resource: Resource, definition: str) -> Kind:
    def validate(obj: Object) -> list[Cause]:
        causes = metadata.validate(obj, names.path_segment, namespaced=resource.namespaced)
        for i, rule in enumerate(obj.get("rules") or ()):
            causes += _rule(rule, f"rules[{i}]", namespaced=resource.namespaced)
        if (aggregation := obj.get("aggregationRule")) is not None and not resource.namespaced:
            causes += _aggregation(aggregation, "aggregationRule.clusterRoleSelectors")
        return causes

    return Kind(
        resource,
        definition,
        default=_default_role,
        prepare_update=strategy.plain_update,
        validate=validate,
        validate_update=lambda obj, old: metadata.validate_common_update(obj, old) + validate(obj) + metadata.validate_own_update(obj, old),
        create_on_update=True,
        followed_by="" if resource.namespaced else "aggregation",
    )


def _default_binding(obj: Object) -> None:
    role = obj.setdefault("roleRef", {})
    role["apiGroup"] = role.get("apiGroup") or GROUP
    for subject in obj.get("subjects") or ():
        if not subject.get("apiGroup") and subject.get("kind") in ("User", "Group"):
            subject["apiGroup"] = GROUP


def _role_ref(role: Object, allowed: tuple[str, ...]) -> list[Cause]:
    causes: list[Cause] = []
    if role.get("apiGroup") != GROUP:
        causes.append(field.not_supported("roleRef.apiGroup", role.get("apiGroup"), (GROUP,)))
    if role.get("kind") not in allowed:
        causes.append(field.not_supported("roleRef.kind", role.get("kind") or "", allowed))
    name = role.get("name") or ""
    if not name:
        return [*causes, field.required("roleRef.name")]
    return causes + field.each_invalid("roleRef.name", name, names.path_segment(name))


def _subject(subject: Object, path: str, *, namespaced: bool) -> list[Cause]:
    name, kind, group = subject.get("name") or "", subject.get("kind") or "", subject.get("apiGroup") or ""
    causes = [] if name else [field.required(f"{path}.name")]
    if kind == "ServiceAccount":
        if name:
            causes += field.each_invalid(f"{path}.name", name, names.dns1123_subdomain(name))
        if group:
            causes.append(field.not_supported(f"{path}.apiGroup", group, ("",)))
        if not namespaced and not subject.get("namespace"):
            causes.append(field.required(f"{path}.namespace"))
    elif kind not in ("User", "Group"):
        causes.append(field.not_supported(f"{path}.kind", kind, ("ServiceAccount", "User", "Group")))
    elif group != GROUP:
        causes.append(field.not_supported(f"{path}.apiGroup", group, (GROUP,)))
    return causes


def _binding(resource: Resource, definition: str, roles: tuple[str, ...]) -> Kind:
    def validate(obj: Object) -> list[Cause]:
        causes = metadata.validate(obj, names.path_segment, namespaced=resource.namespaced)
        causes += _role_ref(obj.get("roleRef") or {}, roles)
        for i, subject in enumerate(obj.get("subjects") or ()):
            causes += _subject(subject, f"subjects[{i}]", namespaced=resource.namespaced)
        return causes

    def validate_update(obj: Object, old: Object) -> list[Cause]:
        causes = metadata.validate_common_update(obj, old) + validate(obj) + metadata.validate_own_update(obj, old)
        role = obj.get("roleRef") or {}
        if role != old.get("roleRef"):
            shown = {"APIGroup": role.get("apiGroup"), "Kind": role.get("kind"), "Name": role.get("name")}
            causes.append(field.invalid("roleRef", shown, "cannot change roleRef"))
        return causes

    return Kind(
        resource,
        definition,
        default=_default_binding,
        prepare_update=strategy.plain_update,
        validate=validate,
        validate_update=validate_update,
        columns=printer.BINDING_COLUMNS,
        cells=printer.binding_cells,
        create_on_update=True,
    )


ROLE = _role(kinds.ROLES, "io.k8s.api.rbac.v1.Role")
CLUSTERROLE = _role(kinds.CLUSTERROLES, "io.k8s.api.rbac.v1.ClusterRole")
ROLEBINDING = _binding(kinds.ROLEBINDINGS, "io.k8s.api.rbac.v1.RoleBinding", ("Role", "ClusterRole"))
CLUSTERROLEBINDING = _binding(kinds.CLUSTERROLEBINDINGS, "io.k8s.api.rbac.v1.ClusterRoleBinding", ("ClusterRole",))
