"""Reads an audit.k8s.io/v1 Policy. What is wrong with one is said in one sentence that names the place.

Source of the rules: apiserver/pkg/apis/audit/validation/validation.go. Unlike upstream, a field that does not exist is refused: a
condition that is misspelt would record less, or more, than was meant.
"""

from pathlib import Path

from pilothouse.engine.apiserver.audit.policy import LEVELS, STAGES, Decision, Level, Policy, PolicyRule, Resources
from pilothouse.model.fields import FieldError, Fields, document
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
    try:
        return _policy(document(data, LARGEST_BYTES))
    except FieldError as error:
        raise PolicyError(str(error)) from error


def _policy(policy: Fields) -> Policy:
    policy.allow(_POLICY_FIELDS)
    stated = policy.values.get("apiVersion"), policy.values.get("kind")
    if stated != (_API_VERSION, "Policy"):
        raise FieldError(f"it has to begin with `apiVersion: {_API_VERSION}` and `kind: Policy`")
    rules = policy.each("rules")
    if not rules:
        raise FieldError("rules: there is none, and nothing would be recorded; `- level: Metadata` is the shortest one")
    omitted, managed = _stages(policy), policy.flag("omitManagedFields", otherwise=False)
    return Policy(tuple(_rule(rule, omitted, managed) for rule in rules))


def _rule(rule: Fields, omitted: frozenset[str], managed: bool) -> PolicyRule:
    rule.allow(_RULE_FIELDS)
    level = rule.choice("level", LEVELS)
    urls, namespaces = rule.texts("nonResourceURLs"), rule.texts("namespaces")
    resources = tuple(_resources(each) for each in rule.each("resources"))
    if urls and (resources or namespaces):
        raise FieldError(f"{rule.path}: nonResourceURLs stand in a rule of their own, without resources and namespaces")
    for url in urls:
        _check_url(url, rule.at("nonResourceURLs"))
    return PolicyRule(
        Decision(Level(LEVELS.index(level)), omitted | _stages(rule), rule.flag("omitManagedFields", otherwise=managed)),
        frozenset(rule.texts("users")),
        frozenset(rule.texts("userGroups")),
        frozenset(rule.texts("verbs")),
        frozenset(namespaces),
        resources,
        tuple(urls),
    )


def _resources(entry: Fields) -> Resources:
    entry.allow(_RESOURCE_FIELDS)
    group = entry.values.get("group", "")
    if not isinstance(group, str) or (group and dns1123_subdomain(group)):
        raise FieldError(f'{entry.at("group")} {group!r} is no API group such as "apps" (without a version), or "" for the core group')
    resources, names = entry.texts("resources"), entry.texts("resourceNames")
    if names and not resources:
        raise FieldError(f"{entry.at('resourceNames')} needs resources beside it, of which these are the names")
    return Resources(group, frozenset(resources), frozenset(names))


def _check_url(url: str, path: str) -> None:
    if url != "*" and not url.startswith("/"):
        raise FieldError(f"{path}: {url!r} has to begin with a /, or to be *")
    if "*" in url[:-1]:
        raise FieldError(f"{path}: the * of {url!r} can only be its last character")


def _stages(holder: Fields) -> frozenset[str]:
    stages = holder.texts("omitStages")
    for stage in stages:
        if stage not in STAGES:
            raise FieldError(f"{holder.at('omitStages')}: there is no stage {stage!r}, but {', '.join(STAGES)}")
    return frozenset(stages)
