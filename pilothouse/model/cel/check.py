"""Expressions checked against the types of their variables, and what is wrong with them in the words of upstream's checker (cel-go)."""

import re

from cel_expr_python import cel

from pilothouse.model.cel.errors import RuleProblem, without_status
from pilothouse.model.cel.optionals import misplaced
from pilothouse.model.cel.tree import Expr, Tree, decode
from pilothouse.model.schema.regex import compiled

RULE_MAX = 16 * 1024
"""Characters of an expression, whatever they are estimated to cost: longer ones are not even parsed."""

_COMPLAINT_MAX = 2_048
_POSITION = re.compile(r"ERROR: <input>:(\d+):")
_TRANSLATED = (
    (re.compile(r"undefined field '([^']*)' not found in struct '[^']*'"), r"undefined field '\1'"),
    (
        re.compile(r"expression of type '([^']*)' cannot be the operand of a select operation"),
        r"type '\1' does not support field selection",
    ),
)


def checked(text: str, environment: cel.Env, *, lines_before: int = 0) -> tuple[cel.Type, Tree]:
    """The type that an expression comes to, and its tree with all types. Raises RuleProblem.

    lines_before: of the text that are not the author's; positions in messages are counted without them.
    """
    if len(text) > RULE_MAX:
        raise RuleProblem(f"the expression is too long: {len(text)} characters, at most {RULE_MAX} are compiled")
    try:
        expression = environment.compile(text)
    except RuntimeError as error:
        # Each complaint repeats the rule's line.
        raise RuleProblem(f"compilation failed: {_in_upstreams_words(str(error), lines_before)[:_COMPLAINT_MAX]}") from None
    tree = decode(expression.serialize())
    _refuse_what_fails_later(tree, text, lines_before)
    return expression.return_type(), tree


def _in_upstreams_words(told: str, lines_before: int) -> str:
    text = without_status(told)
    for pattern, words in _TRANSLATED:
        text = pattern.sub(words, text)
    return _POSITION.sub(lambda match: f"ERROR: <input>:{int(match[1]) - lines_before}:", text)


def _refuse_what_fails_later(tree: Tree, text: str, lines_before: int) -> None:
    if (found := misplaced(tree)) is not None:
        raise _problem(tree, *found, text, lines_before)
    for expr, _ in tree.walk():
        if why := _bad_pattern(expr):
            raise _problem(tree, expr, why, text, lines_before)


def _bad_pattern(expr: Expr) -> str:
    """Why a regular expression that is written out cannot be one, "" for all else."""
    if expr.kind == "call" and expr.name == "matches" and expr.below[-1].type == "string" and compiled(expr.below[-1].text) is None:
        return "invalid matches argument"
    return ""


def _problem(tree: Tree, expr: Expr, why: str, text: str, lines_before: int) -> RuleProblem:
    position = tree.positions.get(expr.id, 0)
    before = text[:position]
    line, column = before.count("\n"), position - (before.rfind("\n") + 1)
    shown = text.split("\n")[line]
    place = f"{line + 1 - lines_before}:{column + 1}"
    return RuleProblem(f"compilation failed: ERROR: <input>:{place}: {why}\n | {shown}\n | {'.' * column}^")
