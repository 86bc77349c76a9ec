"""PodDisruptionBudgets: how many of some pods have to be there whatever is evicted.

Source: pkg/apis/policy/validation, pkg/registry/policy/poddisruptionbudget/strategy.go.
"""

from pilothouse.engine.apiserver.kinds import field, metadata, strategy
from pilothouse.engine.apiserver.kinds.kind import Kind
from pilothouse.engine.apiserver.kinds.printers import workloads as printer
from pilothouse.engine.apiserver.kinds.selectors import validate_label_selector
from pilothouse.engine.apiserver.kinds.workloads.portions import at_most_all, int_or_percent
from pilothouse.model import kinds, names
from pilothouse.model.errors import Cause
from pilothouse.model.json import Object

POLICIES = ("AlwaysAllow", "IfHealthyBudget")
COUNTS = ("disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods")


def _spec(spec: Object) -> list[Cause]:
    least, most, policy = spec.get("minAvailable"), spec.get("maxUnavailable"), spec.get("unhealthyPodEvictionPolicy")
    causes: list[Cause] = []
    if least is not None and most is not None:
        shown = {"MinAvailable": least, "Selector": spec.get("selector"), "MaxUnavailable": most, "UnhealthyPodEvictionPolicy": policy}
        causes.append(field.invalid("spec", shown, "minAvailable and maxUnavailable cannot be both set"))
    for name, value in (("minAvailable", least), ("maxUnavailable", most)):
        if value is not None:
            causes += int_or_percent(value, f"spec.{name}") + at_most_all(value, f"spec.{name}")
    causes += validate_label_selector(spec.get("selector"), "spec.selector")
    return causes + field.none_or_one_of("spec.unhealthyPodEvictionPolicy", policy, POLICIES)


def _validate(obj: Object) -> list[Cause]:
    return metadata.validate(obj, names.path_segment, standard_finalizers=False) + _spec(obj.get("spec") or {})


def _validate_update(obj: Object, old: Object) -> list[Cause]:
    return metadata.validate_common_update(obj, old) + _spec(obj.get("spec") or {})


def _validate_status(obj: Object, old: Object) -> list[Cause]:
    causes = metadata.validate_common_update(obj, old)
    for name in field.until_enough(causes, COUNTS):
        causes += field.non_negative(f"status.{name}", (obj.get("status") or {}).get(name))
    return causes


PODDISRUPTIONBUDGET = Kind(
    kinds.PODDISRUPTIONBUDGETS,
    "io.k8s.api.policy.v1.PodDisruptionBudget",
    prepare_create=strategy.create(status=dict.fromkeys(COUNTS, 0)),
    prepare_update=strategy.update(),
    validate=_validate,
    validate_update=_validate_update,
    validate_status_update=_validate_status,
    columns=printer.BUDGET_COLUMNS,
    cells=printer.budget_cells,
    unconditional_update=False,
)
