"""Whether the rules that somebody holds cover others. Pure.

Who may write roles decides how many rules are held and how many are wanted, thousands of each. So they are not compared one with another:
each word that matters (a verb, a group, a resource, a name) is looked up with all the held rules that have it, as the bits of one number.
Source: component-helpers auth/rbac/validation (rule covering).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from pilothouse.engine.apiserver.authz.rules import ALL, broken_down
from pilothouse.model.json import Object

_PARTS = ("verbs", "apiGroups", "resources", "resourceNames")


def uncovered(owned: Sequence[Object], wanted: Sequence[Object]) -> list[Object]:
    """The single rules of `wanted` that nothing in `owned` covers."""
    singles = [single for rule in wanted for single in broken_down(rule)]
    held = _Held(owned, singles)
    return [single for single in singles if not held.covers(single)]


class _Held:
    """The owned rules, as far as the single rules ask for them."""

    def __init__(self, owned: Sequence[Object], singles: Iterable[Object]) -> None:
        asked = _words(singles)
        marks: dict[str, dict[str, bytearray]] = {part: {} for part in _PARTS}
        unnamed, size_bytes = bytearray(len(owned) // 8 + 1), len(owned) // 8 + 1
        for index, rule in enumerate(owned):
            for part in _PARTS:
                for word in rule.get(part) or ():
                    if word in asked[part]:
                        _mark(marks[part].setdefault(word, bytearray(size_bytes)), index)
            if not rule.get("resourceNames"):
                _mark(unnamed, index)
        self._with = {part: {word: _number(mark) for word, mark in found.items()} for part, found in marks.items()}
        self._unnamed = _number(unnamed)
        self._of_paths = [(rule.get("verbs") or (), rule["nonResourceURLs"]) for rule in owned if rule.get("nonResourceURLs")]

    def covers(self, single: Object) -> bool:
        verb = single["verbs"][0]
        if "nonResourceURLs" in single:
            return self._covers_path(verb, single["nonResourceURLs"][0])
        found = self._have("verbs", verb, ALL) & self._have("apiGroups", single["apiGroups"][0], ALL)
        found &= self._have("resources", *_covering(single["resources"][0]))
        return bool(found & (self._unnamed | self._have("resourceNames", *single.get("resourceNames", ()))))

    def _have(self, part: str, *words: str) -> int:
        """The rules that have one of the words."""
        found, known = 0, self._with[part]
        for word in words:
            found |= known.get(word, 0)
        return found

    def _covers_path(self, verb: str, path: str) -> bool:
        return any(
            (verb in verbs or ALL in verbs) and any(_path_covers(pattern, path) for pattern in patterns)
            for verbs, patterns in self._of_paths
        )


def _words(singles: Iterable[Object]) -> Mapping[str, set[str]]:
    """What could cover one of the single rules."""
    found: dict[str, set[str]] = {part: {ALL} for part in _PARTS}
    for single in singles:
        for part in ("verbs", "apiGroups", "resourceNames"):
            found[part].update(single.get(part) or ())
        for resource in single.get("resources") or ():
            found["resources"].update(_covering(resource))
    return found


def _covering(resource: str) -> Iterator[str]:
    """What covers a resource, or a subresource of one."""
    yield ALL
    yield resource
    _, slash, subresource = resource.partition("/")
    if slash:
        yield f"{ALL}/{subresource}"


def _mark(bits: bytearray, index: int) -> None:
    bits[index >> 3] |= 1 << (index & 7)


def _number(bits: bytearray) -> int:
    return int.from_bytes(bits, "little")


def _path_covers(pattern: str, wanted: str) -> bool:
    if pattern in (ALL, wanted):
        return True
    return pattern.endswith(ALL) and wanted.startswith(pattern.rstrip(ALL))
