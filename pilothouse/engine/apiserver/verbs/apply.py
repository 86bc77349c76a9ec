"""Server-side apply: a client states the fields that it wants to own; everything else of the object stays as it is.

An object that is not there is created. Source: apiserver/pkg/endpoints/handlers/patch.go, applyPatcher.
"""

import time
from dataclasses import replace
from typing import Any

from pilothouse.client.transport import APPLY_PATCH
from pilothouse.engine.apiserver.answer import ObjectResponse
from pilothouse.engine.apiserver.authz.authorize import attributes
from pilothouse.engine.apiserver.backend import Backend
from pilothouse.engine.apiserver.request import body as bodies
from pilothouse.engine.apiserver.request import decode
from pilothouse.engine.apiserver.request import query as queries
from pilothouse.engine.apiserver.request.body import Unparsable
from pilothouse.engine.apiserver.request.request import ApiRequest
from pilothouse.engine.apiserver.resources.served import ServedResource
from pilothouse.engine.apiserver.verbs import last_applied
from pilothouse.engine.apiserver.verbs.making import write_request
from pilothouse.engine.apiserver.write import object_meta, ownership, storage
from pilothouse.engine.apiserver.write.create import Create
from pilothouse.engine.apiserver.write.update import Update
from pilothouse.engine.store.record import Record
from pilothouse.model.apply import APPLY, UPDATE, ApplyError, Conflicts, Manager, Outcome
from pilothouse.model.apply import apply as applied
from pilothouse.model.errors import AlreadyExists, ApiError, BadRequest, Cause, Conflict, shortened
from pilothouse.model.json import Object, copy
from pilothouse.model.meta import rfc3339
from pilothouse.model.schema import DecodeError

_OPTIONS = "PatchOptions"
_ATTEMPTS = 5


async def apply(backend: Backend, request: ApiRequest, served: ServedResource) -> ObjectResponse:
    """Raises BadRequest, Invalid, Conflict, ApiError 500 for a configuration that does not have the shape of its kind."""
    dry_run = queries.dry_run(request.query, _OPTIONS)
    strictness = queries.field_validation(request.query, _OPTIONS)
    if not queries.field_manager(request.query, _OPTIONS):
        cause = Cause("fieldManager", "FieldValueRequired", "Required value: is required for apply patch")
        raise queries.invalid_options(_OPTIONS, [cause])
    config = _config(request, strictness)
    _check(request, served, config)
    change = _Change(request, served, config)
    asked = write_request(request, served, dry_run=dry_run, manage=change.manage)
    for _ in range(_ATTEMPTS):
        if backend.store.latest(served.key(request.namespace, request.name)) is not None:
            outcome = await backend.writes.write(Update(asked, change.of))
            return ObjectResponse(served, outcome.record)
        if request.target.subresource:
            raise storage.not_found(served, request.name)
        backend.authorizer.check(replace(attributes(request), verb="create"))
        if config["metadata"].get("resourceVersion") or config["metadata"].get("uid"):
            raise storage.conflict(served, request.name)
        try:
            outcome = await backend.writes.write(Create(asked, change.first))
            return ObjectResponse(served, outcome.record, 201)
        except AlreadyExists:
            continue
    raise storage.conflict(served, request.name)


def _config(request: ApiRequest, strictness: str) -> Any:
    if request.too_large:
        raise bodies.too_large()
    if not isinstance(request.body, bytes):
        return copy(request.body)
    try:
        found = bodies.of_request(request, APPLY_PATCH)
    except Unparsable as error:
        raise BadRequest(f"error decoding YAML: {error.message}") from error
    if found.doubts and strictness == "Strict":
        lines = "".join(f"\n  {shortened(doubt)}" for doubt in found.doubts)
        raise BadRequest(f"error strict decoding YAML: error converting YAML to JSON: yaml: unmarshal errors:{lines}")
    if strictness != "Ignore":
        decode.warn(request, found.doubts, [])
    return found.value


def _check(request: ApiRequest, served: ServedResource, config: Any) -> None:
    if not isinstance(config, dict):
        why = f"json: cannot unmarshal {decode.go_name(config)} into Go value of type map[string]interface {{}}"
        raise BadRequest(f"error decoding YAML: error unmarshaling JSON: while decoding JSON: {why}")
    resource, version, kind = served.resource, config.get("apiVersion") or "", config.get("kind") or ""
    if (version, kind) != (resource.api_version, resource.kind):
        shown = version if "/" in version else f"/{version}"
        raise BadRequest(f"invalid object type: {shown}, Kind={kind}")
    metadata = config.get("metadata")
    if not isinstance(metadata, dict):
        config["metadata"] = metadata = {}
    if metadata.get("managedFields") is not None:
        raise BadRequest("metadata.managedFields must be nil")
    name = metadata.get("name")
    if not name:
        raise BadRequest(f"the name of the object ({request.name} based on URL) was undeterminable: name must be provided")
    if name != request.name:
        raise BadRequest(f"the name of the object ({name}) does not match the name on the URL ({request.name})")
    object_meta.set_namespace(config, request.namespace, resource.namespaced)


class _Change:
    """What one configuration makes of the object that is there; carried out anew when somebody else was quicker."""

    def __init__(self, request: ApiRequest, served: ServedResource, config: Object) -> None:
        self._request = request
        self._served = served
        self._config = config
        self._manager = ownership.manager(request, served, APPLY)
        self._now = rfc3339(time.time())
        self._outcome = Outcome(None, {})

    def first(self) -> Object:
        """The new object, where there is none."""
        self._outcome = self._applied(None)
        return self._typed(self._outcome.value or {})

    def of(self, record: Record) -> Object:
        shown = self._served.typed(ownership.without_managers(record.value) or {})
        self._outcome = self._applied(record.value, shown)
        if self._outcome.value is None:
            value: Object = copy(record.value)
        else:
            value = self._typed(self._outcome.value)
            last_applied.follow(value, self._config, self._manager)
        metadata, stated = value["metadata"], self._config["metadata"].get("resourceVersion")
        metadata.pop("resourceVersion", None)
        if stated or not self._served.kind.unconditional_update:
            metadata["resourceVersion"] = stated or record.value["metadata"]["resourceVersion"]
        return value

    def manage(self, old: Object | None, value: Object) -> None:
        ownership.write(value, self._outcome.managers)

    def _applied(self, stored: Object | None, shown: Object | None = None) -> Outcome:
        request, served = self._request, self._served
        force = queries.boolean(request.query, "force")

        def attempt(*, force: bool) -> Outcome:
            return applied(
                shown,
                self._config,
                ownership.managers_of(stored),
                self._manager,
                served.schema().whole,
                now=self._now,
                force=force,
                ignored=ownership.ignored(request, served),
            )

        try:
            return attempt(force=force)
        except Conflicts as conflicts:
            if last_applied.settles(conflicts, shown, self._manager, served.schema().whole):
                return attempt(force=True)
            raise _conflict(conflicts) from conflicts
        except ApplyError as error:
            raise self._shapeless(error.message) from error

    def _typed(self, merged: Object) -> Object:
        served = self._served
        try:
            decoded = served.decode(merged)
        except DecodeError as error:
            raise self._shapeless(error.message) from error
        value = decode.without_type(decoded.value)
        served.kind.default(value)
        return value

    def _shapeless(self, why: str) -> ApiError:
        resource = self._served.resource
        what = f"{self._request.namespace}/{self._request.name}; {resource.group}/{resource.version}, Kind={resource.kind}"
        return ApiError(f"failed to create typed patch object ({what}): {why}", code=500, reason="")


def _conflict(conflicts: Conflicts) -> Conflict:
    shown = {_shown(manager): paths for manager, paths in conflicts.by.items()}
    causes = [Cause(path, "FieldManagerConflict", f"conflict with {who}").to_dict() for who, paths in shown.items() for path in paths]
    number = len(causes)
    if number == 1:
        text = f"1 conflict: {causes[0]['message']}: {causes[0]['field']}"
    else:
        lines = [line for who in sorted(shown) for line in (f"conflicts with {who}:", *(f"- {path}" for path in shown[who]))]
        text = f"{number} conflicts: " + "\n".join(lines)
    return Conflict(f"Apply failed with {text}", details={"causes": causes})


def _shown(manager: Manager) -> str:
    through = f' with subresource "{manager.subresource}"' if manager.subresource else ""
    return f'"{manager.name}"{through}' + (f" using {manager.version}" if manager.operation == UPDATE else "")
