"""Where a pod may run: node selectors, affinity, tolerations, spreading, scheduling gates."""

from pilothouse.engine.apiserver.kinds import field
from pilothouse.engine.apiserver.kinds.metadata import is_label
from pilothouse.engine.apiserver.kinds.selectors import operator, validate_label_selector
from pilothouse.model import names
from pilothouse.model.errors import Cause
from pilothouse.model.json import Object

TAINT_EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
OPERATORS = ("Equal", "Exists", "Lt", "Gt")
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
    causes: list[Cause] = []
    for i, term in field.until_enough(causes, enumerate(terms)):
        causes += _node_term(term, f"{path}.nodeSelectorTerms[{i}]", is_required=True)
    return causes


def _weight(preferred: Object, path: str) -> list[Cause]:
    weight = preferred.get("weight") or 0
    return [] if 0 < weight <= 100 else [field.invalid(f"{path}.weight", weight, "must be in the range 1-100")]


def _node_term(term: Object, path: str, *, is_required: bool = False) -> list[Cause]:
    """is_required: values must be such as labels can have; a preference may name others, as it always could."""
    causes: list[Cause] = []
    for i, expression in field.until_enough(causes, enumerate(term.get("matchExpressions") or ())):
        here = f"{path}.matchExpressions[{i}]"
        causes += _node_requirement(expression, here)
        if is_required:
            causes += _values(expression, names.label_value, here)
    for i, expression in field.until_enough(causes, enumerate(term.get("matchFields") or ())):
        causes += _field_requirement(expression, f"{path}.matchFields[{i}]")
    return causes


def _values(expression: Object, rule: names.Validator, path: str) -> list[Cause]:
    causes: list[Cause] = []
    for i, value in field.until_enough(causes, enumerate(expression.get("values") or ())):
        causes += field.each_invalid(f"{path}.values[{i}]", value, rule(value))
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
        return [*causes, field.invalid(f"{path}.key", expression.get("key") or "", "not a valid field selector key")]
    return causes + _values(expression, names.dns1123_subdomain, path)


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
    causes += _label_keys(term, path)
    key = term.get("topologyKey") or ""
    if not key:
        causes.append(field.required(f"{path}.topologyKey", "can not be empty"))
    return causes + field.each_invalid(f"{path}.topologyKey", key, names.qualified_name(key))


def _label_keys(holder: Object, path: str) -> list[Cause]:
    """matchLabelKeys and mismatchLabelKeys, whose values have become a part of the selector when a pod is judged."""
    matching, other = holder.get("matchLabelKeys") or [], holder.get("mismatchLabelKeys") or []
    if not matching and not other:
        return []
    selector = holder.get("labelSelector")
    causes: list[Cause] = []
    for name, keys in (("matchLabelKeys", matching), ("mismatchLabelKeys", other)):
        if keys and selector is None:
            causes.append(field.forbidden(f"{path}.{name}", "must not be specified when labelSelector is not set"))
            continue
        for i, key in field.until_enough(causes, enumerate(keys)):
            causes += field.each_invalid(f"{path}.{name}[{i}]", key, names.qualified_name(key))
    causes += _selected_twice(selector or {}, {key: i for i, key in enumerate(matching)}, path)
    both = set(other)
    return causes + [
        field.invalid(f"{path}.matchLabelKeys[{i}]", key, "exists in both matchLabelKeys and mismatchLabelKeys")
        for i, key in field.until_enough(causes, enumerate(matching))
        if key in both
    ]


def _selected_twice(selector: Object, places: dict[str, int], path: str) -> list[Cause]:
    """The first mention of a key is what matchLabelKeys made of it; a second one is the user's. places: of the keys, by key."""
    seen = set(selector.get("matchLabels") or ())
    causes: list[Cause] = []
    for expression in field.until_enough(causes, selector.get("matchExpressions") or ()):
        key = expression.get("key") or ""
        if key in places and key in seen:
            causes.append(field.invalid(f"{path}[{places[key]}]", key, "exists in both matchLabelKeys and labelSelector"))
        seen.add(key)
    return causes


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
        supported = OPERATORS if wanted in OPERATORS else OPERATORS[:2]
        causes.append(field.not_supported(f"{path}.operator", wanted, supported))
    elif value:
        causes.append(field.invalid(f"{path}.operator", value, "value must be empty when `operator` is 'Exists'"))
    if effect and effect not in TAINT_EFFECTS:
        causes.append(field.not_supported(f"{path}.effect", effect, TAINT_EFFECTS))
    return causes


def validate_gates(gates: list[Object], path: str) -> list[Cause]:
    causes: list[Cause] = []
    unique = field.Unique()
    for i, gate in field.until_enough(causes, enumerate(gates)):
        name = gate.get("name") or ""
        causes += field.each_invalid(f"{path}[{i}]", name, names.qualified_name(name))
        causes += unique.check(f"{path}[{i}]", name)
    return causes


def validate_spread(constraints: list[Object], path: str) -> list[Cause]:
    causes: list[Cause] = []
    pairs = [(each.get("topologyKey") or "", each.get("whenUnsatisfiable") or "") for each in constraints]
    last = {pair: i for i, pair in enumerate(pairs)}
    for i, constraint in field.until_enough(causes, enumerate(constraints)):
        here = f"{path}[{i}]"
        causes += _spread(constraint, here)
        if last[pairs[i]] > i:
            causes.append(field.duplicate(f"{here}.{{topologyKey, whenUnsatisfiable}}", f"{{{pairs[i][0]}, {pairs[i][1]}}}"))
        causes += _domains(constraint, f"{here}.minDomains")
        for name in ("nodeAffinityPolicy", "nodeTaintsPolicy"):
            causes += field.none_or_one_of(f"{here}.{name}", constraint.get(name), ("Honor", "Ignore"))
        causes += _label_keys({**constraint, "mismatchLabelKeys": None}, here)
        causes += validate_label_selector(constraint.get("labelSelector"), f"{here}.labelSelector")
    return causes


def _spread(constraint: Object, path: str) -> list[Cause]:
    skew, when = constraint.get("maxSkew") or 0, constraint.get("whenUnsatisfiable") or ""
    causes = [] if skew > 0 else [field.invalid(f"{path}.maxSkew", skew, "must be greater than zero")]
    if not constraint.get("topologyKey"):
        causes.append(field.required(f"{path}.topologyKey", "can not be empty"))
    if when not in ("DoNotSchedule", "ScheduleAnyway"):
        causes.append(field.not_supported(f"{path}.whenUnsatisfiable", when, ("DoNotSchedule", "ScheduleAnyway")))
    return causes


def _domains(constraint: Object, path: str) -> list[Cause]:
    domains, when = constraint.get("minDomains"), constraint.get("whenUnsatisfiable") or ""
    if domains is None:
        return []
    causes = [] if domains > 0 else [field.invalid(path, domains, "must be greater than zero")]
    if when != "DoNotSchedule":
        causes.append(field.invalid(path, domains, f"can only use minDomains if whenUnsatisfiable=DoNotSchedule, not {when}"))
    return causes
