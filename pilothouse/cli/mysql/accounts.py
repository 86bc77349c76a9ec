"""What commands for accounts and databases share: finding the objects by their names in the server, and waiting for the server."""

import asyncio
import hashlib
import re
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from pilothouse.cli import output
from pilothouse.cli.session import Session, connected, copyable, placed
from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.model.resource import Resource

if TYPE_CHECKING:
    from pilothouse.client.client import Client

UNTOUCHED = "  restarts: none\n  read-only: 0 s"
"""What a change of accounts or databases is announced to do to the servers."""
POLL_S = 0.2
GIVE_UP_S = 10.0
"""How long a refusal may stay until it is believed: another object, or an instance that starts, may end it."""


def object_name(instance: str, name: str) -> str:
    """Of the object for an account or a database: other instances of the namespace may have one of the same name."""
    plain = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    whole = f"{instance}-{plain}"
    # Names that differ only in what an object's name cannot hold are told apart by what they are made of.
    return whole if plain == name else f"{whole}-{hashlib.sha256(name.encode()).hexdigest()[:6]}"


def first(instance: str) -> str:
    """The name in the server of an instance's own database, and of its own account."""
    from pilothouse.platform.databases.mysql import names

    return names.account(instance)


@dataclass(frozen=True, slots=True)
class Table:
    """own: the row of what comes with the instance, before those of `row`. way: the command that adds another, without `ph`."""

    headings: list[str]
    own: Sequence[object]
    row: Callable[[Object], Sequence[object]]
    way: str


Of = Callable[["Client", str, str], Awaitable[list[Object]]]
"""The objects of a kind that an instance of a namespace has."""


async def listed(session: Session, name: str, namespace: str, how: str, of: Of, table: Table) -> None:
    """how: as of `output.OUTPUT`."""
    from pilothouse.cli.mysql.lookup import find_instance

    async with connected(session) as client:
        await find_instance(client, name, namespace)
        found = await of(client, name, namespace)
    if how != "table":
        output.document(found, how)
        return
    output.table(table.headings, [table.own, *map(table.row, found)])
    for line in troubles(found):
        output.say(line)
    if not found:
        output.note(f"`{copyable(table.way, namespace)}` adds another")


async def find_user(client: "Client", instance: Object, name: str) -> Object:
    from pilothouse.cli.mysql.lookup import users_of

    return _named(await users_of(client, meta.name(instance), meta.namespace(instance)), "user", name, instance)


async def find_database(client: "Client", instance: Object, name: str) -> Object:
    from pilothouse.cli.mysql.lookup import databases_of

    return _named(await databases_of(client, meta.name(instance), meta.namespace(instance)), "database", name, instance)


def _named(found: list[Object], what: str, name: str, instance: Object) -> Object:
    from pilothouse.cli.mysql.lookup import in_server

    if name == first(meta.name(instance)):
        raise click.ClickException(f"{what} {name} is {meta.name(instance)}'s own: it comes and goes with the instance, and has no object")
    match = next((each for each in found if in_server(each) == name), None)
    if match is None:
        known = ", ".join([*map(in_server, found), f"{first(meta.name(instance))} (its own)"])
        raise click.ClickException(f"{meta.name(instance)} has no {what} {name}: it has {known}")
    return match


def require_new(found: list[Object], what: str, name: str, instance: str, way: str) -> None:
    """Raises ClickException for a name that is taken. found: the objects of the kind. way: the command that changes one."""
    from pilothouse.cli.mysql.lookup import in_server

    if name == first(instance):
        raise click.ClickException(f"{what} {name} is {instance}'s own and is there already: choose another name")
    if name in map(in_server, found):
        raise click.ClickException(f"{instance} has a {what} {name} already: `{way}` changes it")


def refuse(faults: list[str]) -> None:
    """Raises ClickException for what the operator would not carry out, before it is written."""
    if faults:
        raise click.ClickException("; ".join(faults))


def is_ready(obj: Object) -> bool:
    return _is_current(obj) and meta.is_true(obj, "Ready")


def refused_rights(obj: Object) -> str:
    """Which rights of an account are refused while all else of it is carried out, a sentence; "" for none."""
    return _partial(obj, "GrantsRefused")


def waiting_rights(obj: Object) -> str:
    """Which rights of an account wait for their tables while all else of it is carried out, a sentence; "" for none."""
    return _partial(obj, "GrantsWait")


def _partial(obj: Object, reason: str) -> str:
    ready = meta.condition(obj, "Ready") or {}
    return output.harmless(ready.get("message") or "") if _is_current(obj) and ready.get("reason") == reason else ""


def _is_current(obj: Object) -> bool:
    return bool((obj.get("status") or {}).get("observedGeneration") == meta.generation(obj))


def state(obj: Object) -> str:
    """In a word or two, for a table; `troubles` has the sentence."""
    ready = meta.condition(obj, "Ready") or {}
    return "ready" if is_ready(obj) else output.harmless(ready.get("reason") or "not there yet")


def troubles(found: list[Object]) -> Iterator[str]:
    """A line for each object that is not carried out, with all that is said of it."""
    from pilothouse.cli.mysql.lookup import in_server

    for each in found:
        if said := (meta.condition(each, "Ready") or {}).get("message") if not is_ready(each) else "":
            yield output.folded(f"{in_server(each)}: {output.harmless(said)}", indent=2)


async def settle(
    client: "Client", resource: Resource, written: Object, timeout_s: float | None, is_done: Callable[[Object], bool] = lambda obj: True
) -> Object:
    """The object once the server has it as asked for; raises ClickException with the reason when it has not. timeout_s: None: as it is.

    One of an account some rights of which are refused is there, too: `refused_rights`.
    """
    if timeout_s is None:
        return written
    name, namespace, waiting = meta.name(written), meta.namespace(written), output.Waiting()
    said, since = "", asyncio.get_running_loop().time()
    try:
        async with asyncio.timeout(timeout_s):
            while True:
                found = await client.get(resource, name, namespace)
                if (is_ready(found) or refused_rights(found) or waiting_rights(found)) and is_done(found):
                    return found
                now, clock = _trouble(found), asyncio.get_running_loop().time()
                if now != said:
                    said, since = now, clock
                if said and clock - since > GIVE_UP_S:
                    raise click.ClickException(placed(said, namespace=namespace))
                waiting.show(said or "waiting for the server")
                await asyncio.sleep(POLL_S)
    except TimeoutError as error:
        more = copyable(f"kubectl describe {resource.singular} {name}", namespace)
        raise click.ClickException(
            f"{name} is not there after {timeout_s:g} s: {said or 'the platform said nothing'}; see `{more}`"
        ) from error
    finally:
        waiting.clear()


def _trouble(obj: Object) -> str:
    """What keeps it from being carried out, by the newest status."""
    ready = meta.condition(obj, "Ready") or {}
    return str(ready.get("message") or ready.get("reason") or "") if _is_current(obj) and ready.get("status") != "True" else ""


async def gone(client: "Client", resource: Resource, obj: Object, timeout_s: float | None) -> None:
    """Delete it, and wait until it is not there any more."""
    name, namespace, waiting = meta.name(obj), meta.namespace(obj), output.Waiting()
    await client.delete(resource, name, namespace, uid=meta.uid(obj))
    if timeout_s is None:
        return
    try:
        async with asyncio.timeout(timeout_s):
            while (found := await client.get_or_none(resource, name, namespace)) is not None and meta.uid(found) == meta.uid(obj):
                waiting.show(_trouble(found) or f"{name} is being removed")
                await asyncio.sleep(POLL_S)
    except TimeoutError as error:
        raise click.ClickException(f"{name} is being removed and is not gone after {timeout_s:g} s") from error
    finally:
        waiting.clear()


def granted(user: Object) -> str:
    """`SELECT, INSERT on orders; ALL on *`."""
    return "; ".join(f"{', '.join(each['privileges'])} on {each['target']}" for each in user["spec"].get("grants") or ()) or "nothing"


def refuse_bound(user: Object, name: str) -> None:
    """Raises ClickException for an account that a Binding made: it would be made anew."""
    owner = meta.controller_of(user) or {}
    if owner.get("kind") == "Binding":
        raise click.ClickException(f"{name} was made by the binding {owner['name']}: `ph unbind` takes it back with all that belongs to it")
