"""Server-side apply to a Scale: who owns the number of replicas, kept among the managers of the object that is scaled.

Whoever manages the object's own field of that number, through whichever version, manages `spec.replicas` of the Scale.
Source: apimachinery/pkg/util/managedfields/scalehandler.go.
"""

import time

from pilothouse.engine.apiserver.request import query as queries
from pilothouse.engine.apiserver.request.request import ApiRequest
from pilothouse.engine.apiserver.resources.served import ServedResource
from pilothouse.engine.apiserver.verbs import apply as applies
from pilothouse.engine.apiserver.write import ownership
from pilothouse.model.apply import (
    APPLY,
    UPDATE,
    ApplyError,
    Conflicts,
    Manager,
    Managers,
    OneVersion,
    Owned,
    apply,
    at_once,
    difference,
    field_set,
    intersection,
)
from pilothouse.model.errors import ApiError
from pilothouse.model.json import Object
from pilothouse.model.meta import rfc3339
from pilothouse.model.schema import DecodeError, Schema

_VERSION = "autoscaling/v1"
_REPLICAS = field_set("spec.replicas")


class ScaleOwners:
    """What one applied Scale makes of an object's managers; `applied` comes before `manage` in each attempt."""

    def __init__(self, request: ApiRequest, served: ServedResource, path: str, config: Object, schema: Schema) -> None:
        """path: of the replicas in the object, dotted."""
        self._request = request
        self._config = config
        self._schema = schema
        self._field = field_set(path.strip("."))
        self._version = served.resource.api_version
        self._manager = ownership.manager(request, served, APPLY)
        self._now = rfc3339(time.time())
        self._owners: Managers = {}

    def applied(self, stored: Object, shown: Object) -> Object:
        """The Scale that comes of it; raises Conflict, ApiError 500 for a configuration that does not have the shape of a Scale."""
        try:
            outcome = at_once(
                apply(
                    shown,
                    self._config,
                    self._of_scale(ownership.managers_of(stored)),
                    self._manager,
                    OneVersion(_VERSION, self._schema.whole),
                    now=self._now,
                    force=queries.boolean(self._request.query, "force"),
                    ignored=field_set("status"),
                )
            )
            self._owners = outcome.managers
            wanted: Object = self._schema.decode(outcome.value or shown).value
            return wanted
        except Conflicts as conflicts:
            raise applies.conflict(conflicts) from conflicts
        except (ApplyError, DecodeError) as error:
            raise ApiError(f"failed to create typed patch object ({_VERSION}, Kind=Scale): {error.message}", code=500, reason="") from error

    async def manage(self, old: Object | None, value: Object) -> None:
        left: Managers = {}
        for manager, owned in ownership.managers_of(old).items():
            keeps = _as_of_scale(manager) in self._owners or not intersection(owned.fields, self._field)
            fields = owned.fields if keeps else difference(owned.fields, self._field)
            if fields:
                left[manager] = owned._replace(fields=fields)
        if self._manager in self._owners:
            left[self._manager] = Owned(self._field, self._owners[self._manager].time, self._version)
        ownership.write(value, left)

    def _of_scale(self, managers: Managers) -> Managers:
        return {
            _as_of_scale(manager): Owned(_REPLICAS, owned.time, _VERSION if manager.operation == APPLY else "")
            for manager, owned in managers.items()
            if intersection(owned.fields, self._field)
        }


def _as_of_scale(manager: Manager) -> Manager:
    return manager._replace(version=_VERSION) if manager.operation == UPDATE else manager
