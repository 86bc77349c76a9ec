"""Server-side apply: a client states the fields that it wants to own; everything else of the object stays as it is.

An object that is not there is created. Source: apiserver/pkg/endpoints/handlers/patch.go, applyPatcher.
"""

import time
from dataclasses import replace
from typing import Any, NamedTuple

from pilothouse.client.transport import APPLY_PATCH
from pilothouse.engine.apiserver.answer import ObjectResponse, Stored
from pilothouse.engine.apiserver.authz.authorize import attributes
from pilothouse.engine.apiserver.backend import Backend
from pilothouse.engine.apiserver.request import body as bodies
from pilothouse.engine.apiserver.request import complaints, decode
from pilothouse.engine.apiserver.request import query as queries
from pilothouse.engine.apiserver.request.body import Unparsable
from pilothouse.engine.apiserver.request.request import ApiRequest
from pilothouse.engine.apiserver.resources.served import ServedResource
from pilothouse.engine.apiserver.verbs import last_applied
from pilothouse.engine.apiserver.verbs.making import write_request
from pilothouse.engine.apiserver.write import object_meta, ownership, storage
from pilothouse.engine.apiserver.write.create import Create
from pilothouse.engine.apiserver.write.update import Update
from pilothouse.model.apply import APPLY, UPDATE, ApplyError, Conflicts, Manager, Outcome, at_once, encode
from pilothouse.model.apply import apply as applied
from pilothouse.model.errors import MOST_CAUSES, AlreadyExists, ApiError, BadRequest, Cause, Conflict, echo, shortened
from pilothouse.model.json import Object, copy
from pilothouse.model.meta import rfc3339
from pilothouse.model.resource import Resource
from pilothouse.model.schema import DecodeError

_ATTEMPTS = 5


async def apply(backend: Backend, request: ApiRequest, served: ServedResource) -> ObjectResponse:
    """Raises BadRequest, Invalid, Conflict, ApiError 500 for a configuration that does not have the shape of its kind."""
    dry_run, strictness, _ = queries.patch_options(request.query, is_apply=True)
    config = configuration(request, strictness)
    check(request, served.resource, config)
    change = _Change(request, served, config)
    asked = write_request(request, served, dry_run=dry_run, manage=change.manage)
    for _ in range(_ATTEMPTS):
        record = backend.store.latest(served.key(request.namespace, request.name))
        if record is not None:
            outcome = await backend.writes.write(Update(asked, change.of, ahead=change.ahead))
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


def configuration(request: ApiRequest, strictness: str) -> Any:
    """The parsed body of an apply; raises BadRequest, RequestTooLarge."""
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
        complaints.of_untyped(found.doubts, ()).warn(request)
    return found.value


def check(request: ApiRequest, resource: Resource, config: Any) -> None:
    """Raises BadRequest when the configuration is not one of this kind for the object that the URL names."""
    if not isinstance(config, dict):
        why = f"json: cannot unmarshal {decode.go_name(config)} into Go value of type map[string]interface {{}}"
        raise BadRequest(f"error decoding YAML: error unmarshaling JSON: while decoding JSON: {why}")
    version, kind = _text(config.get("apiVersion")), _text(config.get("kind"))
    if (version, kind) != (resource.api_version, resource.kind):
        shown = version if "/" in version else f"/{version}"
        raise BadRequest(f"invalid object type: {shown}, Kind={kind}")
    metadata = config.get("metadata")
    if not isinstance(metadata, dict):
        config["metadata"] = metadata = {}
    if metadata.get("managedFields") is not None:
        raise BadRequest("metadata.managedFields must be nil")
    name = _text(metadata.get("name"))
    if not name:
        raise BadRequest(f"the name of the object ({request.name} based on URL) was undeterminable: name must be provided")
    if name != request.name:
        raise BadRequest(f"the name of the object ({name}) does not match the name on the URL ({request.name})")
    object_meta.set_namespace(config, request.namespace, resource.namespaced)


def _text(value: Any) -> str:
    """As Go reads a field of what has no type yet: what is no text is not there."""
    return value if isinstance(value, str) else ""


class _Made(NamedTuple):
    """managers: as the object states them."""

    value: Object
    managers: list[Object]


class _Change:
    """What one configuration makes of the object that is there; carried out anew when somebody else was quicker."""

    def __init__(self, request: ApiRequest, served: ServedResource, config: Object) -> None:
        self._request = request
        self._served = served
        self._config = config
        self._manager = ownership.manager(request, served, APPLY)
        self._now = rfc3339(time.time())
        self._managers: list[Object] = []
        self._ahead: tuple[Stored, _Made] | None = None

    async def ahead(self, record: Stored) -> None:
        """The managers of other versions have to be asked about the object as it is there, which may take a webhook."""
        if self._served.awaits:
            self._ahead = record, await self._made(record.value)

    def _made_of(self, record: Stored | None) -> "_Made":
        ahead, self._ahead = self._ahead, None
        if ahead is not None and ahead[0] is record:
            return ahead[1]
        return at_once(self._made(None if record is None else record.value))

    async def _made(self, stored: Object | None) -> "_Made":
        shown = None if stored is None else self._served.typed(ownership.without_managers(stored) or {})
        outcome = await self._applied(stored, shown)
        if outcome.value is None and stored is not None:
            return _Made(copy(stored), encode(outcome.managers))
        value = self._typed(outcome.value or {})
        if stored is not None:
            last_applied.follow(value, self._config, self._manager)
        return _Made(value, encode(outcome.managers))

    def first(self) -> Object:
        """The new object, where there is none."""
        value, self._managers = self._made_of(None)
        return value

    def of(self, record: Stored) -> Object:
        value, self._managers = self._made_of(record)
        metadata, stated = value["metadata"], self._config["metadata"].get("resourceVersion")
        metadata.pop("resourceVersion", None)
        if stated or not self._served.kind.unconditional_update:
            metadata["resourceVersion"] = stated or record.value["metadata"]["resourceVersion"]
        return value

    async def manage(self, old: Object | None, value: Object) -> None:
        ownership.put(value, self._managers)

    async def _applied(self, stored: Object | None, shown: Object | None = None) -> Outcome:
        request, served = self._request, self._served
        force = queries.boolean(request.query, "force")

        async def attempt(*, force: bool) -> Outcome:
            return await applied(
                shown,
                self._config,
                ownership.managers_of(stored),
                self._manager,
                ownership.versions_of(served),
                now=self._now,
                force=force,
                ignored=ownership.ignored(request, served),
            )

        try:
            return await attempt(force=force)
        except Conflicts as conflicts:
            if last_applied.settles(conflicts, shown, self._manager, served.schema().whole):
                return await attempt(force=True)
            raise conflict(conflicts) from conflicts
        except ApplyError as error:
            raise self._shapeless(error.message) from error

    def _typed(self, merged: Object) -> Object:
        served = self._served
        try:
            decoded = served.decode(merged)
        except DecodeError as error:
            raise self._shapeless(error.message) from error
        value = decode.without_type(decoded.value)
        if served.kind.to_stored is not None:
            value = served.kind.to_stored(value)
        served.kind.default(value)
        return value

    def _shapeless(self, why: str) -> ApiError:
        resource = self._served.resource
        what = f"{self._request.namespace}/{self._request.name}; {resource.group}/{resource.version}, Kind={resource.kind}"
        return ApiError(f"failed to create typed patch object ({what}): {why}", code=500, reason="")


def conflict(conflicts: Conflicts) -> Conflict:
    """What the client is told."""
    shown = {_shown(manager): paths for manager, paths in conflicts.by.items()}
    found = [Cause(path, "FieldManagerConflict", f"conflict with {who}") for who, paths in shown.items() for path in paths]
    causes = [cause.shortened().to_dict() for cause in found]
    number = len(causes)
    if number == 1:
        text = f"1 conflict: {causes[0]['message']}: {causes[0]['field']}"
    else:
        lines = [line for who in sorted(shown) for line in (f"conflicts with {who}:", *(f"- {shortened(path)}" for path in shown[who]))]
        more = [f"and {len(lines) - MOST_CAUSES} lines more"] if len(lines) > MOST_CAUSES else []
        text = f"{number} conflicts: " + "\n".join([*lines[:MOST_CAUSES], *more])
    return Conflict(f"Apply failed with {text}", details={"causes": causes[:MOST_CAUSES]})


def _shown(manager: Manager) -> str:
    through = f' with subresource "{manager.subresource}"' if manager.subresource else ""
    return f'"{echo(manager.name)}"{through}' + (f" using {manager.version}" if manager.operation == UPDATE else "")
