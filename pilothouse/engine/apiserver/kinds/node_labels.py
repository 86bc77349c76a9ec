"""Labels of nodes that others have replaced. Source: pkg/api/node/util.go."""

from collections.abc import Iterable

from pilothouse.model import names
from pilothouse.model.json import Object

DEPRECATED = {
    "beta.kubernetes.io/arch": 'deprecated since v1.14; use "kubernetes.io/arch" instead',
    "beta.kubernetes.io/os": 'deprecated since v1.14; use "kubernetes.io/os" instead',
    "failure-domain.beta.kubernetes.io/region": 'deprecated since v1.17; use "topology.kubernetes.io/region" instead',
    "failure-domain.beta.kubernetes.io/zone": 'deprecated since v1.17; use "topology.kubernetes.io/zone" instead',
    "beta.kubernetes.io/instance-type": 'deprecated since v1.17; use "node.kubernetes.io/instance-type" instead',
    "app.kubernetes.io/created-by": "deprecated since v1.9",
    "scheduler.alpha.kubernetes.io/preferAvoidPods": "deprecated since v1.22; use Taints and Tolerations instead",
    "node-role.kubernetes.io/master": 'use "node-role.kubernetes.io/control-plane" instead',
}


def selector_warnings(keys: Iterable[str], path: str) -> list[str]:
    return [f"{path}[{key}]: {DEPRECATED[key]}" for key in keys if key in DEPRECATED]


def key_warnings(key: str, path: str) -> list[str]:
    return [f"{path}: {key} is {DEPRECATED[key]}"] if key in DEPRECATED else []


def term_warnings(term: Object, path: str, *, is_preferred: bool) -> list[str]:
    """is_preferred: values that no label can have are warned of, where a requirement would be refused for them."""
    found: list[str] = []
    for i, expression in enumerate(term.get("matchExpressions") or ()):
        here = f"{path}.matchExpressions[{i}]"
        found += key_warnings(expression.get("key") or "", f"{here}.key")
        for j, value in enumerate(expression.get("values") or ()) if is_preferred else ():
            found += [f"{here}.values[{j}]: {value} is invalid, {said}" for said in names.label_value(value)]
    return found
