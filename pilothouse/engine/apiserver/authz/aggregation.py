"""Aggregated ClusterRoles: their rules are those of the roles that their selectors find.

Kept while writes of ClusterRoles are answered, so that an aggregated role never lags behind what it is made of.
Source: kubernetes pkg/controller/clusterroleaggregation.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress

import structlog

from pilothouse.engine.apiserver.resources.keys import prefix_of
from pilothouse.engine.store.errors import Mismatch, ObjectTooLarge, QuotaExceeded
from pilothouse.engine.store.record import Record
from pilothouse.engine.store.store import Store
from pilothouse.model.json import Object, fingerprint
from pilothouse.model.kinds import CLUSTERROLES
from pilothouse.model.selector import from_label_selector

_log = structlog.get_logger("apiserver")

_ROUNDS = 10
_AT_ONCE = 50


def aggregated_rules(role: Object, roles: Sequence[Object]) -> list[Object]:
    """The rules of all roles that `role` selects, by name, each once; pure, and linear in the number of rules."""
    selectors = [from_label_selector(each) for each in role["aggregationRule"].get("clusterRoleSelectors") or ()]
    rules: dict[bytes, Object] = {}
    for other in sorted(roles, key=lambda each: str(each["metadata"]["name"])):
        if other["metadata"]["name"] == role["metadata"]["name"]:
            continue
        labels = other["metadata"].get("labels") or {}
        if any(selector.matches(labels) for selector in selectors):
            for rule in other.get("rules") or ():
                rules.setdefault(fingerprint(rule), rule)
    return list(rules.values())


async def refresh(store: Store) -> None:
    """Bring all aggregated roles up to date; a role may feed another, so until nothing changes any more.

    One whose rules would be too large keeps those that it has, which the log says. Raises QuotaExceeded after the others are done.
    """
    for _ in range(_ROUNDS):
        records = store.scan(prefix_of(CLUSTERROLES))
        roles = [role async for role in _in_turns(records)]
        full: QuotaExceeded | None = None
        changed = False
        for record, role in zip(records, roles, strict=True):
            try:
                changed |= bool(role.get("aggregationRule")) and await _is_changed(store, record, role, roles)
            except QuotaExceeded as error:
                full = error
        if full is not None:
            raise full
        if not changed:
            return


async def _in_turns(records: Sequence[Record]) -> AsyncIterator[Object]:
    """Their values; what changes between two turns of the event loop is looked at again by its change."""
    for number, record in enumerate(records):
        if number % _AT_ONCE == 0:
            await asyncio.sleep(0)
        yield record.peek()


async def _is_changed(store: Store, record: Record, role: Object, roles: Sequence[Object]) -> bool:
    """Whether the role has got other rules, here or from somebody else. Raises QuotaExceeded."""
    rules = aggregated_rules(role, roles)
    if rules == (role.get("rules") or []):
        return False
    with suppress(Mismatch):
        try:
            await store.update(record.key, role | {"rules": rules or None}, expected=record.revision)
        except ObjectTooLarge as error:
            _log.warning("an aggregated role does not get the rules that it selects", name=role["metadata"]["name"], why=str(error))
            return False
    return True
