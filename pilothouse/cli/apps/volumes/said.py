"""What becomes of an app's volumes, before it is written: refused where it cannot be, else said in a line each."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from pilothouse.cli import output
from pilothouse.cli.apps.volumes.listed import age_s, claims_of_app
from pilothouse.cli.session import copyable, placed
from pilothouse.model import meta
from pilothouse.model.errors import Forbidden
from pilothouse.model.json import Object
from pilothouse.model.quantity import parse
from pilothouse.model.volumes import requested
from pilothouse.platform.apps import check, processes
from pilothouse.platform.apps.volumes import claims as rules
from pilothouse.platform.apps.volumes import mounts, spec
from pilothouse.platform.apps.volumes.claims import DEFAULT_SIZE, Claims
from pilothouse.platform.apps.volumes.spec import Volume

if TYPE_CHECKING:
    from pilothouse.client.client import Client


async def require_volumes(client: "Client", wanted: Object, before: Object | None, *, undone: str) -> list[str]:
    """Lines to say. Raises ClickException for what the platform would not carry out. undone: what is not done then: `not deployed`.

    What the user may not see of claims is left to the platform to tell.
    """
    if before is not None and not wanted["spec"].get("volumes") and not before["spec"].get("volumes"):
        return []
    try:
        found: Claims = await claims_of_app(client, wanted)
    except Forbidden:
        return []
    name = meta.name(wanted)
    faults = [fault for fault in check.app(wanted) if fault] or list(rules.faults(wanted, found))
    if faults:
        raise click.ClickException(placed(f"{name} is {undone}: {faults[0]}", namespace=meta.namespace(wanted)))
    return [placed(line, namespace=meta.namespace(wanted)) for line in changes(wanted, before, found)]


def changes(wanted: Object, before: Object | None, claims: Claims) -> Iterator[str]:
    """What the app gets, finds again, lets grow and leaves."""
    name = meta.name(wanted)
    old = {volume.name: volume for volume in spec.of(before)} if before is not None else {}
    new = {volume.name: volume for volume in spec.of(wanted)}
    for volume in new.values():
        known = old.get(volume.name)
        if known is None or known.claim != volume.claim:
            yield _given(name, volume, claims.get(volume.claim))
        elif volume.size and volume.claim in claims and parse(volume.size).amount > requested(claims[volume.claim]).amount:
            yield _growing(name, volume, claims[volume.claim])
    yield from _one_by_one(wanted, before, claims)
    for volume in old.values():
        if volume.name not in new:
            yield _left(name, volume)
    if before is None:
        mounted = {volume.claim for volume in new.values()}
        yield from (_kept(name, claim) for key, claim in claims.items() if key not in mounted and rules.app_of(claim) == name)


def _growing(app: str, volume: Volume, claim: Object) -> str:
    restart = copyable(f"restart {app}")
    return (
        f"volume {volume.name} of {app} is to have {volume.size} instead of {requested(claim)}: `{copyable('volumes')}` shows when it has; "
        f"where a machine cannot let it grow in use, `{restart}` does"
    )


def _kept(app: str, claim: Object) -> str:
    """Of a volume that an earlier app of the name has left."""
    volume, path = meta.labels(claim)[rules.VOLUME_LABEL], meta.annotations(claim).get(rules.PATH) or "PATH"
    return f"volume {app}/{volume} of an earlier {app} is kept and not mounted: `--volume {volume}:{path}` gives it back"


def _given(app: str, volume: Volume, claim: Object | None) -> str:
    if claim is None:
        return f"volume {volume.name} of {app} is made: {volume.size or DEFAULT_SIZE} at {volume.path}"
    if not volume.is_own:
        return f"volume {volume.name} of {app} is claim {volume.claim}, {requested(claim)}, at {volume.path}"
    since = f", {output.age(age_s(claim))} old" if claim["metadata"].get("creationTimestamp") else ""
    return f"volume {volume.name} of {app} is there already ({requested(claim)}{since}), and {app} finds what is in it at {volume.path}"


def _one_by_one(wanted: Object, before: Object | None, claims: Claims) -> Iterator[str]:
    """Said once, when it begins."""
    alone = [each.name for each in processes.lasting(wanted) if mounts.recreates(wanted, each.name, claims)]
    began = before is not None and any(mounts.recreates(before, each, claims) for each in alone)
    if alone and not began:
        yield (
            f"{' and '.join(alone)} of {meta.name(wanted)} {'writes' if len(alone) == 1 else 'write'} to a volume for one: "
            "at each deploy the old replica ends before the new one starts, and nothing answers meanwhile"
        )


def _left(app: str, volume: Volume) -> str:
    if not volume.is_own:
        return f"volume {volume.name} is taken out of {app}; claim {volume.claim} stays"
    remove = copyable(f"volumes delete {app}/{volume.name}")
    return f"volume {volume.name} is taken out of {app}; what is in it stays until `{remove}`"
