"""Which resource a kind is: what is scaled, and what a metric describes, is named by its kind. Custom kinds are found like all others."""

from dataclasses import replace

from pilothouse.client.client import Client
from pilothouse.model import names
from pilothouse.model.errors import ApiError, NotFound
from pilothouse.model.json import Object
from pilothouse.model.resource import Resource

_MOST = 1000
"""Kinds that are remembered."""


class NoTarget(Exception):
    """Nothing of the kind is served, or it cannot be scaled: a sentence."""


class Targets:
    """Remembers what it has found, until somebody says that it is not so any more."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._known: dict[tuple[str, str], Resource] = {}

    def forget(self, reference: Object) -> None:
        self._known.pop(_key(reference), None)

    async def scalable(self, reference: Object) -> Resource:
        """Raises NoTarget, ApiError."""
        found = await self.resource(reference)
        if "scale" not in found.subresources:
            raise NoTarget(f"{found.group_resource} cannot be scaled: there is no subresource scale")
        return found

    async def resource(self, reference: Object) -> Resource:
        """Of the version that the reference names, else of another of its group. Raises NoTarget, ApiError."""
        key = _key(reference)
        known = self._known.get(key)
        if known is not None:
            return known
        group, version, kind = _group(key[0]), key[0].rpartition("/")[2], key[1]
        for each in await self._versions(group, version):
            found = await self._find(group, each, kind)
            if found is not None:
                if len(self._known) >= _MOST:
                    self._known.clear()
                self._known[key] = found
                return found
        raise NoTarget(f'no matches for kind "{kind}" in group "{group}"')

    async def _versions(self, group: str, version: str) -> list[str]:
        """The one that is meant first; none for a group that cannot be."""
        if group and names.dns1123_subdomain(group):
            return []
        stated = [] if names.dns1035_label(version) else [version]
        if not group:
            return stated
        try:
            found = await self._client.call("GET", f"/apis/{group}")
        except NotFound:
            return []
        return list(dict.fromkeys([*stated, *(each["version"] for each in found.get("versions") or ())]))

    async def _find(self, group: str, version: str, kind: str) -> Resource | None:
        try:
            found = await self._client.call("GET", f"/apis/{group}/{version}" if group else f"/api/{version}")
        except ApiError as error:
            if error.code == 404:
                return None
            raise
        entries = found.get("resources") or ()
        entry = next((each for each in entries if each.get("kind") == kind and "/" not in each["name"]), None)
        if entry is None:
            return None
        plural = entry["name"]
        below = tuple(each["name"].partition("/")[2] for each in entries if each["name"].startswith(f"{plural}/"))
        return replace(Resource(group, version, plural, kind, namespaced=bool(entry.get("namespaced"))), subresources=below)


def _key(reference: Object) -> tuple[str, str]:
    return reference.get("apiVersion") or "", reference.get("kind") or ""


def _group(api_version: str) -> str:
    return api_version.rpartition("/")[0]
