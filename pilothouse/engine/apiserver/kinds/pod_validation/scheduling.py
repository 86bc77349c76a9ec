"""Where a pod may run: node selectors, affinity, tolerations, spreading, scheduling gates."""

from pilothouse.engine.apiserver.kinds import field
from pilothouse.engine.apiserver.kinds.metadata import is_label
from pilothouse.engine.apiserver.kinds.selectors import operator, validate_label_selector
from pilothouse.model import names
from pilothouse.model.errors import Cause
from pilothouse.model.json import Object

TAINT_EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
_REQUIRED, _PREFERRED = "requiredDuringSchedulingIgnoredDuringExecution", "preferredDuringSchedulingIgnoredDuringExecution"
_ALL_KEYS = 'operator must be Exists when `key` is empty, which means "match all values and all keys"'


def validate_affinity(affinity: Object, path: str) -> list[Cause]:
    causes: list[Cause] = []
    if node := affinity.get("nodeAffinity"):
        causes += _node_affinity(node, f"{path}.nodeAffinity")
    for kind in field.until_enough(causes, ("podAffinity", "podAntiAffinity")):
        if pods := affinity.get(kind):
            causes += _pod_affinity(pods, f"{path}.{kind}")
    return causes


def _node_affinity(affinity: Object, path: str) -> list[Cause]:
    causes: list[Cause] = []
    if (required := affinity.get(_REQUIRED)) is not None:
        causes += validate_node_selector(required, f"{path}.{_REQUIRED}")
    for i, preferred in field.until_enough(causes, enumerate(affinity.get(_PREFERRED) or ())):
        here = f"{path}.{_PREFERRED}[{i}]"
        causes += _weight(preferred, here)
        causes += _node_term(preferred.get("preference") or {}, f"{here}.preference")
    return causes


def validate_node_selector(selector: Object, path: str) -> list[Cause]:
    terms = selector.get("nodeSelectorTerms") or []
    if not terms:
        return [field.required(f"{path}.nodeSelectorTerms", "must have at least one node selector term")]
    return [cause for i, term in enumerate(terms) for cause in _node_term(term, f"{path}.nodeSelectorTerms[{i}]")]


def _weight(preferred: Object, path: str) -> list[Cause]:
    weight = preferred.get("weight") or 0
    return [] if 0 < weight <= 100 else [field.invalid(f"{path}.weight", weight, "must be in the range 1-100")]


def _node_term(term: Object, path: str) -> list[Cause]:
    causes: list[Cause] = []
    for i, expression in field.until_enough(causes, enumerate(term.get("matchExpressions") or ())):
        causes += _node_requirement(expression, f"{path}.matchExpressions[{i}]")
    for i, expression in field.until_enough(causes, enumerate(term.get("matchFields") or ())):
        causes += _field_requirement(expression, f"{path}.matchFields[{i}]")
    return causes


def _node_requirement(expression: Object, path: str) -> list[Cause]:
    if expression.get("operator") in ("Gt", "Lt"):
        one = len(expression.get("values") or ()) == 1
        causes = [] if one else [field.required(f"{path}.values", "must be specified single value when `operator` is 'Lt' or 'Gt'")]
    else:
        causes = operator(expression, path)
    key = expression.get("key") or ""
    return causes + field.each_invalid(f"{path}.key", key, names.qualified_name(key))


def _field_requirement(expression: Object, path: str) -> list[Cause]:
    causes: list[Cause] = []
    if expression.get("operator") not in ("In", "NotIn"):
        causes.append(field.invalid(f"{path}.operator", expression.get("operator") or "", "not a valid selector operator"))
    elif len(expression.get("values") or ()) != 1:
        detail = "must be only one value when `operator` is 'In' or 'NotIn' for node field selector"
        causes.append(field.required(f"{path}.values", detail))
    if expression.get("key") != "metadata.name":
        causes.append(field.invalid(f"{path}.key", expression.get("key") or "", "not a valid field selector key"))
    return causes


def _pod_affinity(affinity: Object, path: str) -> list[Cause]:
    causes: list[Cause] = []
    for i, term in field.until_enough(causes, enumerate(affinity.get(_REQUIRED) or ())):
        causes += _pod_term(term, f"{path}.{_REQUIRED}[{i}]")
    for i, preferred in field.until_enough(causes, enumerate(affinity.get(_PREFERRED) or ())):
        here = f"{path}.{_PREFERRED}[{i}]"
        causes += _weight(preferred, here)
        causes += _pod_term(preferred.get("podAffinityTerm") or {}, f"{here}.podAffinityTerm")
    return causes


def _pod_term(term: Object, path: str) -> list[Cause]:
    causes = validate_label_selector(term.get("labelSelector"), f"{path}.labelSelector")
    causes += validate_label_selector(term.get("namespaceSelector"), f"{path}.namespaceSelector")
    for namespace in field.until_enough(causes, term.get("namespaces") or ()):
        causes += field.each_invalid(f"{path}.namespace", namespace, names.dns1123_label(namespace))
    return causes + _topology_key(term, path)


def _topology_key(holder: Object, path: str) -> list[Cause]:
    key = holder.get("topologyKey") or ""
    if not key:
        return [field.required(f"{path}.topologyKey", "can not be empty")]
    return field.each_invalid(f"{path}.topologyKey", key, names.qualified_name(key))


def validate_tolerations(tolerations: list[Object], path: str) -> list[Cause]:
    causes: list[Cause] = []
    for i, toleration in field.until_enough(causes, enumerate(tolerations)):
        causes += _toleration(toleration, f"{path}[{i}]")
    return causes


def _toleration(toleration: Object, path: str) -> list[Cause]:
    get = toleration.get
    key, wanted, value, effect = get("key"), get("operator") or "", get("value") or "", get("effect") or ""
    causes: list[Cause] = []
    if key:
        causes += [] if is_label(key, "") else field.each_invalid(f"{path}.key", key, names.qualified_name(key))
    elif wanted != "Exists":
        causes.append(field.invalid(f"{path}.operator", wanted, _ALL_KEYS))
    if get("tolerationSeconds") is not None and effect != "NoExecute":
        causes.append(field.invalid(f"{path}.effect", effect, "effect must be 'NoExecute' when `tolerationSeconds` is set"))
    if wanted in ("Equal", ""):
        if said := names.label_value(value):
            causes.append(field.invalid(f"{path}.operator", value, ";".join(said)))
    elif wanted != "Exists":
        causes.append(field.not_supported(f"{path}.operator", wanted, ("Equal", "Exists")))
    elif value:
        causes.append(field.invalid(f"{path}.operator", value, "value must be empty when `operator` is 'Exists'"))
    if effect and effect not in TAINT_EFFECTS:
        causes.append(field.not_supported(f"{path}.effect", effect, TAINT_EFFECTS))
    return causes


def validate_gates(gates: list[Object], path: str) -> list[Cause]:
    causes: list[Cause] = []
    seen: set[str] = set()
    for i, gate in field.until_enough(causes, enumerate(gates)):
        name = gate.get("name") or ""
        causes += field.each_invalid(f"{path}[{i}]", name, names.qualified_name(name))
        if name in seen:
            causes.append(field.duplicate(f"{path}[{i}]", name))
        seen.add(name)
    return causes


def validate_spread(constraints: list[Object], path: str) -> list[Cause]:
    causes: list[Cause] = []
    seen: set[tuple[str, str]] = set()
    for i, constraint in field.until_enough(causes, enumerate(constraints)):
        here = f"{path}[{i}]"
        causes += _spread(constraint, here)
        pair = (constraint.get("topologyKey") or "", constraint.get("whenUnsatisfiable") or "")
        if pair in seen:
            causes.append(field.duplicate(f"{here}.{{topologyKey, whenUnsatisfiable}}", f"{{{pair[0]}, {pair[1]}}}"))
        seen.add(pair)
        causes += validate_label_selector(constraint.get("labelSelector"), f"{here}.labelSelector")
    return causes


def _spread(constraint: Object, path: str) -> list[Cause]:
    skew, when = constraint.get("maxSkew") or 0, constraint.get("whenUnsatisfiable") or ""
    causes = [] if skew > 0 else [field.invalid(f"{path}.maxSkew", skew, "must be greater than zero")]
    causes += _topology_key(constraint, path)
    if when not in ("DoNotSchedule", "ScheduleAnyway"):
        causes.append(field.not_supported(f"{path}.whenUnsatisfiable", when, ("DoNotSchedule", "ScheduleAnyway")))
    if (domains := constraint.get("minDomains")) is not None:
        if domains <= 0:
            causes.append(field.invalid(f"{path}.minDomains", domains, "must be greater than zero"))
        elif when != "DoNotSchedule":
            detail = f"can only use minDomains if whenUnsatisfiable=DoNotSchedule, not {when}"
            causes.append(field.invalid(f"{path}.minDomains", domains, detail))
    for name in field.until_enough(causes, ("nodeAffinityPolicy", "nodeTaintsPolicy")):
        if constraint.get(name) not in (None, "Honor", "Ignore"):
            causes.append(field.not_supported(f"{path}.{name}", constraint[name], ("Honor", "Ignore")))
    return causes
