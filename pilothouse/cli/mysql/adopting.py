"""`ph mysql create --from-volumes`: an instance of the data that one left on its volumes when its namespace went."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import click

from pilothouse.cli import output
from pilothouse.model import kinds, meta
from pilothouse.model.errors import Forbidden
from pilothouse.model.json import Object
from pilothouse.platform.databases.mysql.objects.volumes import Left, left

if TYPE_CHECKING:
    from pilothouse.client.client import Client

Found = tuple[Object, Left]
"""A volume that is no claim's any more, and what was noted on it."""


async def find(client: "Client", source: str) -> tuple[Found, list[str]]:
    """The volume to begin with, and the names of the others of the same instance.

    source: [NAMESPACE/]INSTANCE, or the name of a volume. Raises ClickException where it is not plain which volume that is.
    """
    try:
        found = (await client.list_all(kinds.PERSISTENTVOLUMES)).items
    except Forbidden as error:
        raise click.ClickException("volumes are the cluster's: ask somebody who may list and patch persistentvolumes") from error
    kept = [(volume, said) for volume in found if _is_free(volume) and (said := left(volume)) is not None]
    chosen = choose(source, kept)
    return chosen, [meta.name(volume) for volume, said in kept if said.uid == chosen[1].uid and volume is not chosen[0]]


def _is_free(volume: Object) -> bool:
    return (volume.get("status") or {}).get("phase") in ("Available", "Released")


def choose(source: str, kept: Sequence[Found]) -> Found:
    """The primary's, which had everything. Raises ClickException."""
    if named := [each for each in kept if meta.name(each[0]) == source]:
        return named[0]
    space, _, name = source.rpartition("/")
    mine = [each for each in kept if each[1].instance == name and (not space or each[1].namespace == space)]
    if not mine:
        known = sorted({f"{said.namespace}/{said.instance}" for _, said in kept})
        raise click.ClickException(f"no volume was left by {source}: " + (f"there are some of {', '.join(known)}" if known else "none was"))
    primaries = [each for each in mine if each[1].is_primary]
    if len(primaries) == 1:
        return primaries[0]
    why = "several instances of the name have left some" if primaries else "none of them was the primary's when the namespace went"
    raise click.ClickException(f"{source} is not one volume: {why}; name one, of {_listed(mine)}")


def _listed(found: Iterable[Found]) -> str:
    return ", ".join(f"{meta.name(volume)} ({said.namespace}/{said.member}, left at {said.at})" for volume, said in found)


async def reserve(client: "Client", volume: Object, claim: str, namespace: str) -> None:
    """Keep the volume for that claim, which binds it as soon as it is made; done once more it changes nothing."""
    reference = {"apiVersion": "v1", "kind": kinds.PERSISTENTVOLUMECLAIMS.kind, "namespace": namespace, "name": claim}
    metadata = {"uid": meta.uid(volume), "resourceVersion": meta.resource_version(volume)}
    patch = {"metadata": metadata, "spec": {"claimRef": reference | {"uid": None, "resourceVersion": None}}}
    await client.patch(kinds.PERSISTENTVOLUMES, meta.name(volume), patch)


def tell(found: Found, others: Sequence[str]) -> None:
    volume, said = found
    output.note(f"  the data are those of {said.namespace}/{said.instance} at {said.at}, on volume {meta.name(volume)}")
    output.note("  members beside the first are copied from it; backups, bindings and objects of accounts went with the namespace")
    if others:
        output.note(f"  left as they are: {', '.join(others)}, the other members' volumes")
