"""What containers may ask for: names of resources, amounts, requests below limits, claims, resize policies."""

from typing import Any

from pilothouse.engine.apiserver.kinds import field
from pilothouse.engine.apiserver.kinds.quantities import (
    CONTAINER_RESOURCES,
    HUGE_PAGES,
    amount,
    compare,
    is_extended,
    is_fractional,
    is_huge_page,
    is_native,
    is_negative,
    is_standard,
    is_whole,
    may_be_overcommitted,
)
from pilothouse.model import names
from pilothouse.model.errors import Cause
from pilothouse.model.json import Object

RESIZABLE = ("cpu", "memory")
RESIZE_POLICIES = ("NotRequired", "RestartContainer")
_SHOWN_NAMES = 20


def validate_resources(resources: Object, claim_names: list[str], path: str) -> list[Cause]:
    limits, requests = resources.get("limits") or {}, resources.get("requests") or {}
    causes: list[Cause] = []
    for name, value in field.until_enough(causes, limits.items()):
        causes += _entry(name, value, f"{path}.limits[{name}]") + huge_pages(name, value, f"{path}.limits[{name}]")
    for name, value in field.until_enough(causes, requests.items()):
        causes += _entry(name, value, f"{path}.requests[{name}]")
        causes += against_limit(name, value, limits.get(name), path)
        causes += huge_pages(name, value, f"{path}.requests[{name}]")
    asked = {*limits, *requests}
    if any(is_huge_page(name) for name in asked) and not asked & {"cpu", "memory"}:
        causes.append(field.forbidden(path, "HugePages require cpu or memory"))
    if claims := resources.get("claims"):
        causes += _claims(claims, claim_names, f"{path}.claims")
    return causes


def huge_pages(name: str, value: Any, path: str) -> list[Cause]:
    """An amount of huge pages is a number of whole ones."""
    if not is_huge_page(name):
        return []
    size, wanted = amount(name.removeprefix(HUGE_PAGES)).amount, amount(value)
    if size > 0 and size.denominator == 1 and wanted.amount % size == 0:
        return []
    return [field.invalid(path, str(wanted), f"{wanted} is not positive integer multiple of {name}")]


def _entry(name: str, value: Any, path: str) -> list[Cause]:
    if name in CONTAINER_RESOURCES:
        return _quantity(name, value, path)
    return container_resource_name(name, path) + _quantity(name, value, path)


def container_resource_name(name: str, path: str) -> list[Cause]:
    causes = resource_name(name, path)
    if "/" not in name:
        if name not in CONTAINER_RESOURCES and not is_huge_page(name):
            causes.append(field.invalid(path, name, "must be a standard resource for containers"))
    elif not is_native(name) and not is_extended(name):
        causes.append(field.invalid(path, name, "doesn't follow extended resource name standard"))
    return causes


def resource_name(name: str, path: str) -> list[Cause]:
    """Any name of a resource: a standard one, or one with a domain."""
    if causes := field.each_invalid(path, name, names.qualified_name(name)):
        return causes
    if "/" not in name and not is_standard(name):
        return [field.invalid(path, name, "must be a standard resource type or fully qualified")]
    return []


def _quantity(name: str, value: Any, path: str) -> list[Cause]:
    return quantity(value, path) + (whole(name, value, path) if name not in CONTAINER_RESOURCES else [])


def whole(name: str, value: Any, path: str) -> list[Cause]:
    """Objects and devices are counted in whole ones."""
    if is_whole(name) and is_fractional(value):
        return [field.invalid(path, str(amount(value)), "must be an integer")]
    return []


def quantity(value: Any, path: str) -> list[Cause]:
    """value: as the object holds it."""
    if not is_negative(value):
        return []
    return [field.invalid(path, str(amount(value)), "must be greater than or equal to 0")]


def against_limit(name: str, request: Any, limit: Any, path: str) -> list[Cause]:
    if limit is None:
        if may_be_overcommitted(name):
            return []
        return [field.required(f"{path}.limits", "Limit must be set for non overcommitable resources")]
    if request == limit:
        return []
    order = compare(request, limit)
    if order and not may_be_overcommitted(name):
        return [field.invalid(f"{path}.requests", str(amount(request)), f"must be equal to {name} limit of {amount(limit)}")]
    if order > 0:
        return [field.invalid(f"{path}.requests", str(amount(request)), f"must be less than or equal to {name} limit of {amount(limit)}")]
    return []


def _claims(claims: list[Object], claim_names: list[str], path: str) -> list[Cause]:
    causes: list[Cause] = []
    claimed: dict[str, set[str]] = {}
    known_names = frozenset(claim_names)
    known = ": " + ", ".join(sorted(claim_names)[:_SHOWN_NAMES]) if claim_names else " which is empty"
    for i, claim in field.until_enough(causes, enumerate(claims)):
        name = claim.get("name") or ""
        if not name:
            causes.append(field.required(f"{path}[{i}]"))
            continue
        causes += _claimed(name, claim.get("request") or "", claimed, f"{path}[{i}]")
        if name not in known_names:
            causes.append(field.not_found(f"{path}[{i}]", name, f"must be one of the names in pod.spec.resourceClaims{known}"))
    return causes


def _claimed(name: str, request: str, claimed: dict[str, set[str]], path: str) -> list[Cause]:
    """claimed: by claim the requests that have been named before; "" stands for all of them."""
    before = claimed.setdefault(name, set())
    if "" in before:
        return [field.duplicate(path, name)]
    causes = field.each_invalid(f"{path}.request", request, names.dns1123_label(request)) if request else []
    if request in before:
        causes.append(field.duplicate(path, f"{name}/{request}"))
    elif not request:
        causes += [field.duplicate(path, name) for _ in before]
    before.add(request)
    return causes


def validate_resize_policy(policies: list[Object], pod_restart_policy: str, path: str) -> list[Cause]:
    """All but a resource that comes again is reported at the list, as upstream does."""
    causes: list[Cause] = []
    unique = field.Unique()
    for i, policy in field.until_enough(causes, enumerate(policies)):
        resource, restart = policy.get("resourceName") or "", policy.get("restartPolicy") or ""
        causes += unique.check(f"{path}[{i}]", resource)
        causes += field.one_of(path, resource, RESIZABLE) + field.one_of(path, restart, RESIZE_POLICIES)
        if pod_restart_policy == "Never" and restart != "NotRequired":
            causes.append(field.invalid(path, restart, "must be 'NotRequired' when pod `restartPolicy` is 'Never'"))
    return causes
