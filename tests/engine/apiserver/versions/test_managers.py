"""Managers of fields that write in different versions."""

from typing import Any

import pytest

from pilothouse.client.transport import APPLY_PATCH
from pilothouse.model.errors import ApiError, Conflict
from pilothouse.model.json import Object
from tests.engine.apiserver.api import Api
from tests.engine.apiserver.test_crds import CRDS
from tests.engine.apiserver.versions.things import CRD, ONE, TWO, V1, V2, definition, redefine, thing
from tests.engine.apiserver.webhooks.listener import Listener


async def applied(api: Api, of: str, manager: str, *, force: bool = False, **spec: str) -> Object:
    path = f"/apis/example.com/{of}/namespaces/default/things/shared"
    found: Object = await api.patch(path, thing(of, "shared", **spec), APPLY_PATCH, fieldManager=manager, force=str(force).lower())
    return found


async def owned(api: Api) -> dict[str, tuple[str, Any]]:
    """By manager: the version of its entry, and what it owns of the spec."""
    entries = (await api.get(f"{V1}/shared"))["metadata"]["managedFields"]
    return {each["manager"]: (each["apiVersion"], each["fieldsV1"].get("f:spec")) for each in entries}


async def test_who_applies_another_value_in_another_version_is_in_conflict(api: Api, converted: Listener) -> None:
    await applied(api, "v1", "one", host="a", port="1")
    with pytest.raises(Conflict, match=r'conflict with "one": \.spec\.host'):
        await applied(api, "v2", "two", address="b")
    await applied(api, "v2", "two", address="b", force=True)
    assert await owned(api) == {"one": ("example.com/v1", {"f:port": {}}), "two": ("example.com/v2", {"f:address": {}})}


async def test_who_applies_the_same_value_in_another_version_shares_it(api: Api, converted: Listener) -> None:
    await applied(api, "v1", "one", host="a")
    await applied(api, "v2", "two", address="a")
    assert await owned(api) == {"one": ("example.com/v1", {"f:host": {}}), "two": ("example.com/v2", {"f:address": {}})}


async def test_an_update_takes_fields_from_managers_of_other_versions(api: Api, converted: Listener) -> None:
    await applied(api, "v1", "one", host="a", port="1")
    await api.patch(f"{V2}/shared", {"spec": {"address": "b"}}, fieldManager="editor")
    assert await owned(api) == {"one": ("example.com/v1", {"f:port": {}}), "editor": ("example.com/v2", {"f:address": {}})}


async def test_what_is_not_applied_any_more_goes_though_the_version_is_another(api: Api, converted: Listener) -> None:
    await applied(api, "v1", "one", host="a", port="1")
    await applied(api, "v2", "one", port="1")
    assert (await api.get(f"{V1}/shared"))["spec"] == {"port": "1"}
    assert await owned(api) == {"one": ("example.com/v2", {"f:port": {}})}


async def test_what_somebody_else_applied_in_another_version_stays(api: Api, converted: Listener) -> None:
    await applied(api, "v1", "one", host="a", port="1")
    await applied(api, "v2", "two", address="a")
    await applied(api, "v1", "one", port="1")
    assert (await api.get(f"{V1}/shared"))["spec"] == {"host": "a", "port": "1"}


async def test_managers_of_a_version_that_is_gone_are_given_up(api: Api) -> None:
    await api.post(CRDS, definition(ONE, TWO))
    await applied(api, "v1", "one", port="1")
    await applied(api, "v2", "two", port="1")
    found = await redefine(api, ONE)
    await api.put(f"{CRD}/status", found | {"status": found["status"] | {"storedVersions": ["v1"]}})
    await api.patch(f"{V1}/shared", {"spec": {"host": "b"}}, fieldManager="editor")
    assert await owned(api) == {"one": ("example.com/v1", {"f:port": {}}), "editor": ("example.com/v1", {"f:host": {}})}


async def test_an_update_in_the_stored_version_does_not_depend_on_the_webhook(api: Api, converted: Listener) -> None:
    await applied(api, "v2", "two", address="a")
    converted.answer = lambda document: {}
    await api.patch(f"{V1}/shared", {"spec": {"port": "1"}}, fieldManager="editor")
    assert (await owned(api))["two"] == ("example.com/v2", {"f:address": {}})
    with pytest.raises(ApiError, match=r"conversion webhook for example\.com/v1, Kind=Thing failed"):
        await applied(api, "v1", "one", port="2", force=True)
