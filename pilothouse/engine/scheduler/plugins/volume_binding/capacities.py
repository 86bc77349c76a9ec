"""Whether a driver has room for a volume where a node is, by what it has reported (CSIStorageCapacity).

Only drivers whose CSIDriver says that they report are held to it: a node for which nothing is reported has no room then.
Source: kubernetes pkg/scheduler/framework/plugins/volumebinding (hasEnoughCapacity).
"""

from collections.abc import Iterable

from pilothouse.client.informers import Informers
from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.model.kinds import CSIDRIVERS, CSISTORAGECAPACITIES
from pilothouse.model.quantity import Quantity
from pilothouse.model.selector import NOTHING, Selector, SelectorError, from_label_selector
from pilothouse.model.volumes import requested


class Capacities:
    def __init__(self, informers: Informers) -> None:
        self._drivers = informers.of(CSIDRIVERS)
        self._reported = informers.of(CSISTORAGECAPACITIES, indexes={"class": _class_of})
        self.informers = (self._drivers, self._reported)
        self._places: dict[str, Selector] = {}

    def has_room(self, claim: Object, storage_class: Object, node: Object) -> bool:
        driver = self._drivers.get(storage_class.get("provisioner") or "")
        if driver is None or not (driver.get("spec") or {}).get("storageCapacity"):
            return True
        wanted, labels = requested(claim), meta.labels(node)
        reported = self._reported.by_index("class", meta.name(storage_class))
        return any(_most(each) >= wanted and self._place(each).matches(labels) for each in reported)

    def _place(self, reported: Object) -> Selector:
        """Of the nodes that it is about; worked out once, as what was asked for does not change."""
        uid, stated = meta.uid(reported), reported.get("nodeTopology")
        known = self._places.get(uid)
        if known is not None:
            return known
        try:
            found = NOTHING if stated is None else from_label_selector(stated)
        except SelectorError:
            found = NOTHING
        if len(self._places) > 2 * len(self._reported) + 16:
            self._places.clear()
        self._places[uid] = found
        return found


def _class_of(reported: Object) -> Iterable[str]:
    return [reported.get("storageClassName") or ""]


def _most(reported: Object) -> Quantity:
    """The largest volume that can be made: what the driver says of one volume goes before what it has in all."""
    stated = reported.get("maximumVolumeSize") or reported.get("capacity")
    return Quantity.of(stated or "0")
