"""What exists of an instance, as the controller's caches have it, and the spec by which it goes on (pure)."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.platform.databases.mysql import check, names
from pilothouse.platform.databases.mysql.objects import claims, sets
from pilothouse.platform.databases.mysql.types import MySQLSpec
from pilothouse.platform.databases.pattern.types import Resources


@dataclass(frozen=True, slots=True)
class Actual:
    """secrets, claims, pods: by name, those that are the instance's own. stateful_set, final_backup: None where there is none."""

    secrets: Mapping[str, Object] = field(default_factory=dict)
    claims: Mapping[str, Object] = field(default_factory=dict)
    pods: Mapping[str, Object] = field(default_factory=dict)
    stateful_set: Object | None = None
    final_backup: Object | None = None

    @property
    def replicas(self) -> int:
        return int(self.stateful_set["spec"].get("replicas", 1)) if self.stateful_set is not None else 0


@dataclass(frozen=True, slots=True)
class Effective:
    """The spec that is carried out, and why it is not the one that was asked for. faults: sentences; empty when it is."""

    spec: MySQLSpec
    faults: tuple[str, ...] = ()

    def of(self, instance: Object) -> Object:
        """The instance with the spec that is carried out."""
        return instance | {"spec": instance["spec"] | {"replicas": self.spec.replicas}}


def effective(instance: Object, actual: Actual) -> Effective:
    """A spec that cannot work changes nothing of what runs, which goes on with all care."""
    spec = MySQLSpec.model_validate(instance["spec"])
    found = [*check.faults(instance, spec), *check.against(spec, actual.claims, actual.stateful_set)]
    return Effective(_as_it_runs(instance, spec, actual) if found else spec, tuple(found))


def _as_it_runs(instance: Object, spec: MySQLSpec, actual: Actual) -> MySQLSpec:
    if actual.stateful_set is None:
        return spec
    known = [number for number in range(names.MOST_MEMBERS) if names.claim(names.member(meta.name(instance), number)) in actual.claims]
    sizes = [str(claims.requested(each)) for each in actual.claims.values()]
    return spec.model_copy(
        update={
            "flavour": sets.flavour(actual.stateful_set) or spec.flavour,
            "version": "",
            "image": (instance.get("status") or {}).get("imageAsked") or None,
            "replicas": actual.replicas or max(known, default=0) + 1,
            "size": sizes[0] if sizes else spec.size,
            "storage_class": None,
            "resources": Resources(**sets.running_resources(actual.stateful_set)),
        }
    )
