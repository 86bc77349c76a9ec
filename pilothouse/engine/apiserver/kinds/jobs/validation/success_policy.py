"""When enough of an Indexed job's indexes have succeeded."""

from pilothouse.engine.apiserver.kinds import field
from pilothouse.engine.apiserver.kinds.jobs.validation import indexes
from pilothouse.engine.apiserver.kinds.jobs.validation.indexes import BadIndexes
from pilothouse.model.errors import Cause
from pilothouse.model.json import Object

RULES_MAX, INDEXES_MAX_BYTES = 20, 64 * 1024


def validate_success_policy(policy: Object, spec: Object, path: str) -> list[Cause]:
    if spec.get("completionMode") != "Indexed":
        return [field.invalid(path, policy, "requires indexed completion mode")]
    rules, here = policy.get("rules") or [], f"{path}.rules"
    causes: list[Cause] = []
    if not rules:
        causes.append(field.required(here, "at least one rules must be specified when the successPolicy is specified"))
    if len(rules) > RULES_MAX:
        causes.append(field.too_many(here, len(rules), RULES_MAX))
    for i, rule in field.until_enough(causes, enumerate(rules)):
        causes += _rule(rule, spec.get("completions") or 0, f"{here}[{i}]")
    return causes


def _rule(rule: Object, completions: int, path: str) -> list[Cause]:
    text, wanted = rule.get("succeededIndexes"), rule.get("succeededCount")
    if text is None and wanted is None:
        return [field.required(path, "at least one of succeededCount or succeededIndexes must be specified")]
    causes: list[Cause] = []
    named = 0
    if text is not None:
        here = f"{path}.succeededIndexes"
        if len(text) > INDEXES_MAX_BYTES:
            causes.append(field.too_long(here, INDEXES_MAX_BYTES))
        try:
            named = indexes.count(text, completions)
        except BadIndexes as error:
            causes.append(field.invalid(here, text, f"error parsing succeededIndexes: {error}"))
    if wanted is not None:
        causes += _count(wanted, completions, None if text is None else named, f"{path}.succeededCount")
    return causes


def _count(wanted: int, completions: int, named: int | None, path: str) -> list[Cause]:
    causes = field.non_negative(path, wanted)
    for most, what in ((completions, "specified completions"), (named, "indexes in the specified succeededIndexes field")):
        if most is not None and wanted > most:
            causes.append(field.invalid(path, wanted, f"must be less than or equal to {most} (the number of {what})"))
    return causes
