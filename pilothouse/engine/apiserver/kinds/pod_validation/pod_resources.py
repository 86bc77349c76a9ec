"""Resources of a pod as a whole: which there are, and how they go with those of its containers.

Source: pkg/apis/core/validation (validatePodResources), component-helpers/resource (AggregateContainerRequests).
"""

from collections.abc import Iterable

from pilothouse.engine.apiserver.kinds import field
from pilothouse.engine.apiserver.kinds.pod_validation.resources import against_limit, huge_pages, quantity, resource_name
from pilothouse.engine.apiserver.kinds.quantities import HUGE_PAGES, amount, is_huge_page
from pilothouse.model.errors import Cause
from pilothouse.model.json import Object
from pilothouse.model.quantity import Quantity

SUPPORTED = ("cpu", "hugepages-", "memory")
Amounts = dict[str, Quantity]


def is_of_pods(name: str) -> bool:
    """Whether it can be asked for by a pod as a whole."""
    return name in SUPPORTED or name.startswith(HUGE_PAGES)


def validate_pod_resources(spec: Object, path: str) -> list[Cause]:
    """path: of the pod's spec, which has resources."""
    resources, here = spec["resources"], f"{path}.resources"
    if (spec.get("os") or {}).get("name") == "windows":
        return [field.forbidden(here, "may not be set for a windows pod")]
    causes = (
        [] if resources.get("claims") is None else [field.forbidden(f"{here}.claims", "claims may not be set for Resources at pod-level")]
    )
    return causes + _requirements(resources, here) + _consistency(spec, resources, here)


def _requirements(resources: Object, path: str) -> list[Cause]:
    limits, requests = resources.get("limits") or {}, resources.get("requests") or {}
    causes: list[Cause] = []
    for side in ("limits", "requests"):
        for name, value in field.until_enough(causes, (resources.get(side) or {}).items()):
            here = f"{path}.{side}[{name}]"
            causes += _name(name, here) + quantity(value, here)
            causes += against_limit(name, value, limits.get(name), path) if side == "requests" else []
            causes += huge_pages(name, value, here)
    asked = {*limits, *requests}
    if any(is_huge_page(name) for name in asked) and not asked & {"cpu", "memory"}:
        causes.append(field.forbidden(path, "HugePages require cpu or memory"))
    return causes


def _name(name: str, path: str) -> list[Cause]:
    if causes := resource_name(name, path):
        return causes
    return [] if is_of_pods(name) else [field.not_supported(path, name, SUPPORTED)]


def _consistency(spec: Object, resources: Object, path: str) -> list[Cause]:
    causes: list[Cause] = []
    requests, limits = resources.get("requests") or {}, resources.get("limits") or {}
    detail = "must be greater than or equal to aggregate container"
    for name, asked in aggregate(spec, "requests").items():
        if name in requests and asked > amount(requests[name]):
            causes.append(field.invalid(f"{path}.requests[{name}]", str(amount(requests[name])), f"{detail} requests of {asked}"))
    for name, limited in aggregate(spec, "limits").items():
        if is_huge_page(name) and name in limits and limited > amount(limits[name]):
            causes.append(field.invalid(f"{path}.limits[{name}]", str(amount(limits[name])), f"{detail} limits of {limited}"))
    for i, container in field.until_enough(causes, enumerate(spec.get("containers") or ())):
        for name, value in ((container.get("resources") or {}).get("limits") or {}).items():
            if name in limits and amount(value) > amount(limits[name]):
                text = f"must be less than or equal to pod limits of {amount(limits[name])}"
                causes.append(field.invalid(f"{path}.containers[{i}][{name}].limits", str(amount(value)), text))
    return causes


def aggregate(spec: Object, side: str) -> Amounts:
    """What all containers of a pod ask for together, where init containers run one after the other and sidecars go on."""
    total: Amounts = {}
    for container in spec.get("containers") or ():
        _add(total, _amounts(container, side).items())
    sidecars: Amounts = {}
    highest: Amounts = {}
    for container in spec.get("initContainers") or ():
        while_it_runs = dict(sidecars)
        _add(while_it_runs, _amounts(container, side).items())
        if container.get("restartPolicy") == "Always":
            sidecars = while_it_runs
        highest |= {name: max(value, highest.get(name, value)) for name, value in while_it_runs.items()}
    _add(total, sidecars.items())
    return total | {name: max(value, total.get(name, value)) for name, value in highest.items()}


def _amounts(container: Object, side: str) -> Amounts:
    return {name: amount(value) for name, value in ((container.get("resources") or {}).get(side) or {}).items()}


def _add(total: Amounts, amounts: Iterable[tuple[str, Quantity]]) -> None:
    for name, value in amounts:
        total[name] = total[name] + value if name in total else value
