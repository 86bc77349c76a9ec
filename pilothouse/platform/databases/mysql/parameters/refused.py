"""Settings that a running server has refused. No server starts with them, so members are not told them any more (pure)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pilothouse.model.json import Object


@dataclass(frozen=True, slots=True)
class Heard:
    """instance: by name. refused: for `status.refusedParameters`.

    is_all: whether all members have taken, or refused, the settings as they are wanted now.
    """

    instance: str
    refused: Sequence[Object]
    is_all: bool

    def sentences(self) -> str:
        """ "" when none is refused."""
        return "; ".join(
            f"the server does not take {each['name']}={each['value']} and goes on without ({each['message']}): "
            f"ph mysql params unset {self.instance} {each['name']}"
            for each in self.refused
        )


def refused(wanted: Mapping[str, str], before: Iterable[Object], said: Iterable[Mapping[str, object]]) -> list[Object]:
    """For `status.refusedParameters`, by name.

    wanted: of the spec, as `check.normalized` has them. before: as the status has them; one whose value is no longer asked for is
    forgotten. said: by member, the `rejected` of an agent that has done all that it was told, by name of the setting why.
    """
    found = {each["name"]: each for each in before if wanted.get(each["name"]) == each["value"]}
    for rejected in said:
        for name in rejected.keys() & wanted.keys():
            found.setdefault(name, {"name": name, "value": wanted[name], "message": str(rejected[name])})
    return [found[name] for name in sorted(found)]


def taken(wanted: Mapping[str, str], refused: Iterable[Object]) -> dict[str, str]:
    """What members are told."""
    without = {each["name"] for each in refused if wanted.get(each["name"]) == each["value"]}
    return {name: value for name, value in wanted.items() if name not in without}
