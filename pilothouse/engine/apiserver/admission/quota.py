"""ResourceQuotas, as one transaction with the write they govern.

Usage is counted from the store's committed objects plus what writes on their way have reserved, so that two requests that would fit
alone cannot both get in. Nothing is awaited between the count and the reservation. Source: apiserver/pkg/admission/plugin/resourcequota.
"""

import itertools

from pilothouse.engine.apiserver.admission.context import Write
from pilothouse.engine.apiserver.admission.usage import Amounts, counts, in_scopes, total, unstated
from pilothouse.engine.apiserver.objects import Objects
from pilothouse.model.errors import Forbidden
from pilothouse.model.json import Object
from pilothouse.model.kinds import RESOURCEQUOTAS
from pilothouse.model.quantity import Quantity, whole

_ZERO = whole(0)


class ResourceQuota:
    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._reserved: dict[int, tuple[str, str, Object, Amounts]] = {}
        self._numbers = itertools.count()

    def reserve(self, write: Write) -> None:
        if write.operation not in ("CREATE", "UPDATE") or not write.namespace or write.subresource:
            return
        quotas = self._objects.all(RESOURCEQUOTAS, write.namespace)
        if not quotas:
            return
        resource, value = write.group_resource, write.new()
        wanted = _added(resource, value, write.old)
        for quota in quotas:
            self._check(write, quota, wanted)
        if not write.dry_run:
            number = next(self._numbers)
            self._reserved[number] = (write.namespace, resource, value, wanted)
            write.on_release(lambda: self._give_back(number))

    def _check(self, write: Write, quota: Object, wanted: Amounts) -> None:
        resource, value = write.group_resource, write.new()
        hard = {name: Quantity.of(amount) for name, amount in ((quota.get("spec") or {}).get("hard") or {}).items()}
        if not in_scopes(quota, resource, value):
            return
        name = quota["metadata"]["name"]
        if resource == "pods" and write.operation == "CREATE":
            _check_stated(write, name, hard, value)
        asked = {key: wanted[key] for key in sorted(hard) if key in wanted and wanted[key] > _ZERO}
        if not asked:
            return
        used = self.used(write.namespace, quota, reserved=True)
        over = [key for key in asked if used.get(key, _ZERO) + asked[key] > hard[key]]
        if over:
            shown = [",".join(f"{key}={amounts.get(key, _ZERO)}" for key in over) for amounts in (asked, used, hard)]
            why = f"exceeded quota: {name}, requested: {shown[0]}, used: {shown[1]}, limited: {shown[2]}"
            raise Forbidden.of(write.served.resource.plural, write.name, why, write.served.resource.group)

    def used(self, namespace: str, quota: Object, *, reserved: bool = False) -> Amounts:
        """What is used of each thing that the quota limits."""
        names = list((quota.get("spec") or {}).get("hard") or {})
        used: Amounts = dict.fromkeys(names, _ZERO)
        for resource in {_resource_of(name) for name in names} - {""}:
            values = (each for each in self._objects.all_named(resource, namespace) if in_scopes(quota, resource, each))
            for key, amount in total(resource, values).items():
                if key in used:
                    used[key] = used[key] + amount
        if reserved:
            for space, resource, value, amounts in self._reserved.values():
                if space == namespace and in_scopes(quota, resource, value):
                    for key, amount in amounts.items():
                        if key in used:
                            used[key] = used[key] + amount
        return used

    def _give_back(self, number: int) -> None:
        del self._reserved[number]


def _added(resource: str, value: Object, old: Object | None) -> Amounts:
    """What the write uses in addition to what was used before."""
    wanted = counts(resource, value)
    if old is None:
        return wanted
    before = counts(resource, old)
    return {name: amount - before.get(name, _ZERO) for name, amount in wanted.items()}


def _check_stated(write: Write, quota: str, hard: Amounts, pod: Object) -> None:
    missing = unstated(sorted(hard), pod)
    if missing:
        parts = "; ".join(f"{name} for: {','.join(containers)}" for name, containers in missing.items())
        raise Forbidden.of("pods", write.name, f"failed quota: {quota}: must specify {parts}")


_POD_AMOUNTS = ("cpu", "memory", "ephemeral-storage")


def _resource_of(name: str) -> str:
    """The resource whose objects count for this name."""
    if name.startswith("count/"):
        return name.removeprefix("count/")
    if name.startswith("services."):
        return "services"
    if name == "requests.storage" or name.endswith("storageclass.storage.k8s.io/requests.storage"):
        return "persistentvolumeclaims"
    if name in _POD_AMOUNTS or name.startswith(("requests.", "limits.", "hugepages-")):
        return "pods"
    return name
