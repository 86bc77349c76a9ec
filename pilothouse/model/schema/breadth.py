"""How dear a custom resource's schema makes each value that it is about: an estimate, for who has to plan its work."""

import re

from pilothouse.model.schema.node import Node

_OF_A_RULE = 20
"""Evaluating one takes as long as so many values of a schema without any."""
_CHARACTERS = 16
_REPETITION = re.compile(r"\{(\d{1,6})(?:,(\d{1,6}))?")


def breadth(node: Node) -> int:
    """How many checks one value is held to, at the place in the schema where these are most."""
    below = [each for each in (*node.properties.values(), node.items, node.additional) if each is not None]
    return max(_here(node), *map(breadth, below), 1)


def _here(node: Node) -> int:
    checks = node.checks
    found = 1 + _OF_A_RULE * len(node.rules) + _of_pattern(checks.get("pattern") or "")
    found += sum(breadth(each) for name in ("allOf", "anyOf", "oneOf") for each in checks.get(name) or ())
    return found + (breadth(checks["not"]) if "not" in checks else 0)


def _of_pattern(pattern: str) -> int:
    """By the size of what it is compiled to."""
    repeated = sum(int(number) for bounds in _REPETITION.findall(pattern) for number in bounds if number)
    return (len(pattern) + repeated) // _CHARACTERS
