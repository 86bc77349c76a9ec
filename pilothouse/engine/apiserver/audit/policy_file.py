"""Reads an audit.k8s.io/v1 Policy. What is wrong with one is said in one sentence that names the place.

Source of the rules: apiserver/pkg/apis/audit/validation/validation.go. Unlike upstream, a field that does not exist is refused: a
condition that is misspelt would record less, or more, than was meant.
"""

from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pilothouse.engine.apiserver.audit.policy import LEVELS, STAGES, Decision, Level, Policy, PolicyRule, Resources
from pilothouse.model.body import YAMLProblem, loads_yaml
from pilothouse.model.json import Object
from pilothouse.model.names import dns1123_subdomain

DEFAULT = Path(__file__).parent / "default.yaml"
"""The policy of whoever gives none."""
LARGEST_BYTES = 1 << 20
_API_VERSION = "audit.k8s.io/v1"
_POLICY_FIELDS = ("apiVersion", "kind", "metadata", "rules", "omitStages", "omitManagedFields")
_RULE_FIELDS = (
    *("level", "users", "userGroups", "verbs", "resources", "namespaces", "nonResourceURLs"),
    *("omitStages", "omitManagedFields"),
)
_RESOURCE_FIELDS = ("group", "resources", "resourceNames")


class PolicyError(Exception):
    """One sentence about what is wrong with a policy."""


def read(path: Path) -> Policy:
    """Raises PolicyError; FileNotFoundError when there is no file."""
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST_BYTES + 1)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise PolicyError(f"the audit policy {path} cannot be read: {error.strerror}") from error
    try:
        return parsed(data)
    except PolicyError as error:
        raise PolicyError(
            f"the audit policy {path} is not valid: {error}; repair the file, or remove it, and the default policy holds"
        ) from error


def parsed(data: bytes) -> Policy:
    """Raises PolicyError."""
    if len(data) > LARGEST_BYTES:
        raise PolicyError(f"it is larger than {LARGEST_BYTES >> 20} MiB")
    try:
        value, doubts = loads_yaml(data)
    except (YAMLProblem, ValueError) as error:
        raise PolicyError(f"it is no YAML: {error}") from error
    if doubts:
        raise PolicyError(doubts[0])
    policy = _object(value, "the file")
    _check_fields(policy, _POLICY_FIELDS, "")
    stated = policy.get("apiVersion"), policy.get("kind")
    if stated != (_API_VERSION, "Policy"):
        raise PolicyError(f"it has to begin with `apiVersion: {_API_VERSION}` and `kind: Policy`")
    rules = _list(policy, "rules", "")
    if not rules:
        raise PolicyError("rules: there is none, and nothing would be recorded; `- level: Metadata` is the shortest one")
    omitted, managed = _stages(policy, ""), _flag(policy, "omitManagedFields", "", otherwise=False)
    return Policy(tuple(_rule(rule, f"rules[{i}]", omitted, managed) for i, rule in enumerate(rules)))


def _rule(value: Any, path: str, omitted: frozenset[str], managed: bool) -> PolicyRule:
    rule = _object(value, path)
    _check_fields(rule, _RULE_FIELDS, f"{path}.")
    level = rule.get("level")
    if level not in LEVELS:
        given = "is missing" if level is None else f"cannot be {level!r}"
        raise PolicyError(f"{path}.level {given}: it is one of {', '.join(LEVELS)}")
    urls, namespaces = _texts(rule, "nonResourceURLs", path), _texts(rule, "namespaces", path)
    resources = tuple(_resources(each, f"{path}.resources[{i}]") for i, each in enumerate(_list(rule, "resources", f"{path}.")))
    if urls and (resources or namespaces):
        raise PolicyError(f"{path}: nonResourceURLs stand in a rule of their own, without resources and namespaces")
    for url in urls:
        _check_url(url, f"{path}.nonResourceURLs")
    return PolicyRule(
        Decision(
            Level(LEVELS.index(level)),
            omitted | _stages(rule, f"{path}."),
            _flag(rule, "omitManagedFields", f"{path}.", otherwise=managed),
        ),
        frozenset(_texts(rule, "users", path)),
        frozenset(_texts(rule, "userGroups", path)),
        frozenset(_texts(rule, "verbs", path)),
        frozenset(namespaces),
        resources,
        tuple(urls),
    )


def _resources(value: Any, path: str) -> Resources:
    entry = _object(value, path)
    _check_fields(entry, _RESOURCE_FIELDS, f"{path}.")
    group = entry.get("group", "")
    if not isinstance(group, str) or (group and dns1123_subdomain(group)):
        raise PolicyError(f'{path}.group {group!r} is no API group such as "apps" (without a version), or "" for the core group')
    resources, names = _texts(entry, "resources", path), _texts(entry, "resourceNames", path)
    if names and not resources:
        raise PolicyError(f"{path}.resourceNames needs resources beside it, of which these are the names")
    return Resources(group, frozenset(resources), frozenset(names))


def _check_url(url: str, path: str) -> None:
    if url != "*" and not url.startswith("/"):
        raise PolicyError(f"{path}: {url!r} has to begin with a /, or to be *")
    if "*" in url[:-1]:
        raise PolicyError(f"{path}: the * of {url!r} can only be its last character")


def _stages(holder: Object, path: str) -> frozenset[str]:
    stages = _texts(holder, "omitStages", path.removesuffix("."))
    for stage in stages:
        if stage not in STAGES:
            raise PolicyError(f"{path}omitStages: there is no stage {stage!r}, but {', '.join(STAGES)}")
    return frozenset(stages)


def _flag(holder: Object, name: str, path: str, *, otherwise: bool) -> bool:
    value = holder.get(name)
    if value is None:
        return otherwise
    if not isinstance(value, bool):
        raise PolicyError(f"{path}{name} is true or false, not {value!r}")
    return value


def _object(value: Any, path: str) -> Object:
    if not isinstance(value, dict):
        raise PolicyError(f"{path} has to be a mapping of fields")
    return value


def _list(holder: Object, name: str, path: str) -> list[Any]:
    value = holder.get(name)
    if value is not None and not isinstance(value, list):
        raise PolicyError(f"{path}{name} has to be a list")
    return value or []


def _texts(holder: Object, name: str, path: str) -> list[str]:
    prefix = f"{path}." if path else ""
    found = _list(holder, name, prefix)
    for each in found:
        if not isinstance(each, str):
            raise PolicyError(f"{prefix}{name}: {each!r} has to be a text; put it between quotes")
    return found


def _check_fields(holder: Object, known: tuple[str, ...], path: str) -> None:
    for name in holder:
        if name not in known:
            near = get_close_matches(str(name), known, n=1)
            meant = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
            raise PolicyError(f"there is no field {path}{name}: {meant}")
