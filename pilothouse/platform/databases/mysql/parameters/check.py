"""Whether the settings that a spec names can be taken (pure)."""

import difflib
from collections.abc import Collection, Mapping

from pilothouse.platform.databases.mysql.parameters.catalogue import variables
from pilothouse.platform.databases.mysql.parameters.owned import why_not
from pilothouse.platform.databases.mysql.parameters.values import ValueFault, normal


def variable_name(name: str) -> str:
    """Names are written with dashes as well as with underscores, and in any case."""
    return name.strip().lower().replace("-", "_")


def faults(flavour: str, parameters: Mapping[str, str]) -> list[str]:
    """One sentence for each that cannot be taken."""
    return [*_named_twice(parameters), *(fault for name, value in parameters.items() if (fault := fault_of(flavour, name, value)))]


def _named_twice(parameters: Mapping[str, str]) -> list[str]:
    first: dict[str, str] = {}
    twice = [(name, other) for name in parameters if (other := first.setdefault(variable_name(name), name)) != name]
    return [f"parameters {other} and {name} are the same one: leave one out" for name, other in twice]


def fault_of(flavour: str, name: str, value: str) -> str:
    known, plain = variables(flavour), variable_name(name)
    if why := why_not(flavour, plain):
        return f"parameter {name} cannot be set: {why}"
    if plain not in known:
        near = _near(plain, known)
        return f"there is no parameter {name} of {flavour}" + (f"; did you mean {near}?" if near else "")
    try:
        normal(known[plain], value)
    except ValueFault as fault:
        return f"parameter {name}: {value!r} {fault}"
    return ""


def _near(name: str, known: Collection[str]) -> str:
    """The name that is meant, by the one that a setting has now or had before, else by its letters; "" for none."""
    renamed = (name.replace("slave", "replica").replace("master", "source"), f"transaction_{name.removeprefix('tx_')}")
    return next((each for each in (*renamed, *difflib.get_close_matches(name, known, 1)) if each in known), "")


def normalized(flavour: str, parameters: Mapping[str, str]) -> dict[str, str]:
    """Those that can be taken, by the server's own name, in one spelling."""
    taken = {name: value for name, value in parameters.items() if not fault_of(flavour, name, value)}
    return {variable_name(name): normal(variables(flavour)[variable_name(name)], value) for name, value in taken.items()}


def need_restart(flavour: str, before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    """Names of those that differ and count after a restart only."""
    old, new = normalized(flavour, before), normalized(flavour, after)
    differ = sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))
    return [name for name in differ if variables(flavour)[name].restart]
