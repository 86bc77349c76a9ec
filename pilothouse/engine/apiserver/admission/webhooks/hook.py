"""One webhook of a configuration, ready to be asked whether it is concerned, and to be called."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from pilothouse.engine.apiserver.resources.served import ServedResource
from pilothouse.engine.apiserver.webhooks.target import WebhookTarget
from pilothouse.model.json import Object
from pilothouse.model.selector import Selector, from_label_selector

Phase = Literal["admit", "validating"]
"""As metrics call them."""

KNOWN_VERSIONS = ("v1", "v1beta1")
"""Of AdmissionReview."""

_ANY = "*"


@dataclass(frozen=True, slots=True)
class Rule:
    operations: frozenset[str]
    groups: frozenset[str]
    versions: frozenset[str]
    resources: tuple[tuple[str, str], ...]
    scope: str

    @classmethod
    def of(cls, stated: Object) -> "Rule":
        resources = tuple((resource, below) for resource, _, below in (each.partition("/") for each in stated["resources"]))
        return cls(
            frozenset(stated["operations"]),
            frozenset(stated["apiGroups"]),
            frozenset(stated["apiVersions"]),
            resources,
            stated.get("scope") or _ANY,
        )

    def matches(self, operation: str, served: ServedResource, subresource: str) -> bool:
        resource = served.resource
        return (
            (self.scope == _ANY or (self.scope == "Namespaced") == resource.namespaced)
            and not self.operations.isdisjoint((operation, _ANY))
            and not self.groups.isdisjoint((resource.group, _ANY))
            and not self.versions.isdisjoint((resource.version, _ANY))
            and any(name in (resource.plural, _ANY) and below in (subresource, _ANY) for name, below in self.resources)
        )


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Hook:
    """id: unique among all webhooks of its phase. review_version: the first of AdmissionReview's that both sides know.

    is_dry_run_safe: whether it may be called for a dry run. conditions: names and expressions, in order.
    """

    id: str
    configuration: str
    name: str
    target: WebhookTarget
    rules: tuple[Rule, ...]
    matches_equivalents: bool
    namespaces: Selector
    objects: Selector
    conditions: tuple[tuple[str, str], ...]
    ignores_failures: bool
    timeout_s: float
    review_version: str
    is_dry_run_safe: bool
    is_reinvoked: bool


def hooks_of(configuration: Object) -> Iterator[Hook]:
    """Of a stored configuration, in its order."""
    owner = configuration["metadata"]["name"]
    for number, stated in enumerate(configuration.get("webhooks") or ()):
        yield _hook(stated, owner, number)


def _hook(stated: Object, owner: str, number: int) -> Hook:
    return Hook(
        f"{owner}/{stated['name']}/{number}",
        owner,
        stated["name"],
        WebhookTarget.of(stated["clientConfig"]),
        tuple(Rule.of(rule) for rule in stated.get("rules") or ()),
        stated["matchPolicy"] == "Equivalent",
        from_label_selector(stated["namespaceSelector"]),
        from_label_selector(stated["objectSelector"]),
        tuple((each["name"], each["expression"]) for each in stated.get("matchConditions") or ()),
        stated["failurePolicy"] == "Ignore",
        float(stated["timeoutSeconds"]),
        next(version for version in stated["admissionReviewVersions"] if version in KNOWN_VERSIONS),
        stated["sideEffects"] in ("None", "NoneOnDryRun"),
        stated.get("reinvocationPolicy") == "IfNeeded",
    )
