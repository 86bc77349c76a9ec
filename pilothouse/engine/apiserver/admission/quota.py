"""ResourceQuotas, as one transaction with the write they govern.

Usage is that of the store with all writes that are on their way to disk (see `tallies`), so that two requests that would fit alone cannot
both get in. Nothing is awaited between the check and the commit. Source: apiserver/pkg/admission/plugin/resourcequota.
"""

from collections.abc import Iterable
from functools import partial

from pilothouse.engine.apiserver.admission.context import Write
from pilothouse.engine.apiserver.objects import Objects
from pilothouse.engine.apiserver.quota.tallies import Tallies
from pilothouse.engine.apiserver.quota.usage import OF_CLASS, Amounts, counts, in_scopes, scope_of, unstated
from pilothouse.model.errors import Forbidden
from pilothouse.model.json import Object
from pilothouse.model.kinds import RESOURCEQUOTAS
from pilothouse.model.quantity import Quantity, whole

_ZERO = whole(0)


class ResourceQuota:
    def __init__(self, objects: Objects, tallies: Tallies) -> None:
        self._objects = objects
        self._tallies = tallies

    async def validate(self, write: Write) -> None:
        """Nothing is judged yet; what a new quota limits is counted here, in turns with others, and not by `reserve` at one go."""
        for quota in self._quotas(write):
            await self.prepare(write.namespace, quota)

    def reserve(self, write: Write) -> None:
        """Nothing has to be taken: once the write is queued, it is counted among those on their way."""
        quotas = self._quotas(write)
        if not quotas:
            return
        for quota in quotas:
            self._check(write, quota)

    def _quotas(self, write: Write) -> list[Object]:
        """Those that govern the write."""
        if write.operation not in ("CREATE", "UPDATE") or not write.namespace or write.subresource not in ("", "resize"):
            return []
        return self._objects.all(RESOURCEQUOTAS, write.namespace)

    def _check(self, write: Write, quota: Object) -> None:
        resource, value = write.group_resource, write.new()
        stated: Object = (quota.get("spec") or {}).get("hard") or {}
        if not in_scopes(quota, scope_of(resource, value)):
            return
        if write.old is not None and not in_scopes(quota, scope_of(resource, write.old)):
            wanted = counts(resource, value)  # It comes under this quota only now.
        name = quota["metadata"]["name"]
        if resource == "pods" and write.operation == "CREATE":
            _check_stated(write, name, stated, value)
        # What the quota did not mean before is as good as new to it.
        old = write.old if write.old is not None and in_scopes(quota, scope_of(resource, write.old)) else None
        wanted = _added(resource, value, old)
        asked = {key: wanted[key] for key in sorted(wanted.keys() & stated.keys()) if wanted[key] > _ZERO}
        if not asked:
            return
        hard = {key: Quantity.of(stated[key]) for key in asked}
        used = self.used(write.namespace, quota, latest=True)
        over = [key for key in asked if used.get(key, _ZERO) + asked[key] > hard[key]]
        if over:
            shown = [",".join(f"{key}={amounts.get(key, _ZERO)}" for key in over) for amounts in (asked, used, hard)]
            why = f"exceeded quota: {name}, requested: {shown[0]}, used: {shown[1]}, limited: {shown[2]}"
            raise Forbidden.of(write.served.resource.plural, write.name, why, write.served.resource.group)

    async def prepare(self, namespace: str, quota: Object) -> None:
        """Count what the quota limits without keeping the event loop busy."""
        for resource in _resources(quota):
            await self._tallies.prepare(resource, namespace)

    def used(self, namespace: str, quota: Object, *, latest: bool = False) -> Amounts:
        """What is used of each thing that the quota limits. latest: with the writes that are on their way to disk."""
        names = list((quota.get("spec") or {}).get("hard") or {})
        used: Amounts = dict.fromkeys(names, _ZERO)
        read = self._tallies.latest if latest else self._tallies.committed
        for resource in _resources(quota):
            for key, amount in read(resource, namespace, partial(in_scopes, quota)).items():
                if key in used:
                    used[key] = used[key] + amount
        return used


def _resources(quota: Object) -> set[str]:
    return {_resource_of(name) for name in (quota.get("spec") or {}).get("hard") or {}} - {""}


def _added(resource: str, value: Object, old: Object | None) -> Amounts:
    """What the write uses in addition to what was used before."""
    wanted = counts(resource, value)
    if old is None:
        return wanted
    before = counts(resource, old)
    return {name: amount - before.get(name, _ZERO) for name, amount in wanted.items()}


def _check_stated(write: Write, quota: str, hard: Iterable[str], pod: Object) -> None:
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
    if name == "requests.storage" or OF_CLASS in name:
        return "persistentvolumeclaims"
    if name in _POD_AMOUNTS or name.startswith(("requests.", "limits.", "hugepages-")):
        return "pods"
    return name
