"""Match conditions: at most 64 a webhook, each of them compiled before it is stored."""

from pilothouse.engine.apiserver.kinds import field
from pilothouse.model import names
from pilothouse.model.errors import Cause
from pilothouse.model.json import Object

CONDITIONS_MAX = 64
COMPILED_MAX = 256
"""Conditions of one configuration: they are compiled while somebody waits."""

_SHOWN_MAX = 1024


def validate_conditions(conditions: list[Object], path: str) -> list[Cause]:
    causes: list[Cause] = []
    if len(conditions) > CONDITIONS_MAX:
        return [field.too_many(path, len(conditions), CONDITIONS_MAX)]
    seen: set[str] = set()
    for i, condition in enumerate(conditions):
        here, name = f"{path}[{i}]", condition.get("name") or ""
        causes += _expression((condition.get("expression") or "").strip(), f"{here}.expression")
        causes += field.each_invalid(f"{here}.name", name, names.qualified_name(name)) if name else [field.required(f"{here}.name")]
        if name in seen:
            causes.append(field.duplicate(f"{here}.name", name))
        seen.add(name or f" {i}")
    return causes


def _expression(text: str, path: str) -> list[Cause]:
    if not text:
        return [field.required(path)]
    # WHY here: the language's implementation takes memory that a cluster without conditions need not spend.
    from pilothouse.model.cel import RuleProblem, compile_condition

    try:
        compile_condition(text)
    except RuleProblem as error:
        return [field.invalid(path, text[:_SHOWN_MAX], str(error))]
    return []
