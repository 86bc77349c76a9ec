"""Which flow schema, and so which priority level, a request belongs to: the first that matches, by precedence and then by name."""

from collections.abc import Iterable, Iterator

from pilothouse.engine.apiserver.fairness.configuration import FlowSchema, Rules
from pilothouse.engine.apiserver.identity import User
from pilothouse.engine.apiserver.request.routing import Target

_KEPT = 4096
"""Users, and what they ask for; paths are kept up to _LONGEST_PATH characters, users up to _LONGEST_USER with their groups."""
_LONGEST_PATH, _LONGEST_USER = 256, 1024
_Candidates = tuple[tuple[FlowSchema, tuple[Rules, ...]], ...]


class Classifier:
    """Keeps, for users it has seen, what concerns them (most schemas are for somebody else), and what it has found of late."""

    def __init__(self, schemas: Iterable[FlowSchema], otherwise: FlowSchema) -> None:
        """otherwise: takes what no schema does."""
        self._otherwise = otherwise
        self._schemas = sorted(schemas, key=lambda schema: (schema.precedence, schema.name))
        self._by_user: dict[tuple[str, tuple[str, ...]], _Candidates] = {}
        self._found: dict[tuple[str, tuple[str, ...], str, str, str, str, str], FlowSchema] = {}

    def find(self, user: User, verb: str, target: Target) -> FlowSchema:
        if not target.is_resource or len(target.path) > _LONGEST_PATH or _is_long(user):
            return self._first(user, verb, target)
        key = user.name, user.groups, verb, target.group, target.resource, target.subresource, target.namespace
        found = self._found.get(key)
        if found is None:
            if len(self._found) >= _KEPT:
                self._found.clear()
            found = self._found[key] = self._first(user, verb, target)
        return found

    def _first(self, user: User, verb: str, target: Target) -> FlowSchema:
        for schema, rules in self._candidates(user):
            if any(rule.cover(verb, target) for rule in rules):
                return schema
        return self._otherwise

    def _candidates(self, user: User) -> _Candidates:
        key = user.name, user.groups
        found = self._by_user.get(key)
        if found is None:
            found = tuple(self._concerning(user))
            if not _is_long(user):
                if len(self._by_user) >= _KEPT:
                    self._by_user.clear()
                self._by_user[key] = found
        return found

    def _concerning(self, user: User) -> Iterator[tuple[FlowSchema, tuple[Rules, ...]]]:
        for schema in self._schemas:
            if rules := tuple(rule for rule in schema.rules if rule.concern(user)):
                yield schema, rules


def _is_long(user: User) -> bool:
    """Who may take the names of others, such as service accounts of a namespace, may make them up as long as a head allows."""
    return len(user.name) + sum(map(len, user.groups)) > _LONGEST_USER
