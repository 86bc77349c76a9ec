"""Environments: which variables, types and functions an expression may use.

An expression is compiled twice. Checked, its variables have the types that their schema gives them, so that what cannot be evaluated is
refused when it is stored. To be evaluated, the same text takes its variables as they come: as JSON. Then it moves on to an environment
that carries out what the implementation only declares, and does not declare what the implementation only carries out.
"""

from collections.abc import Mapping
from functools import cache

from cel_expr_python import cel
from google.protobuf.descriptor_pool import DescriptorPool

from pilothouse.model.cel.entries import with_lists_of_entries
from pilothouse.model.cel.functions import CHECKED, COMPILED, EVALUATED
from pilothouse.model.cel.messages import POOL

_LIBRARIES = """
name: kubernetes
extensions:
- name: optional
- name: strings
  version: 2
- name: sets
- name: lists
  version: 2
"""
_MACROS = f"{_LIBRARIES}- name: two-var-comprehensions\n"


def checking(variables: Mapping[str, cel.Type], pool: DescriptorPool) -> cel.Env:
    """Of types in the pool, which is one of `messages.new_pool(opaque=True)`; expressions of it are not evaluated."""
    return _environment(variables, pool, CHECKED, _MACROS)


def compiled(text: str, variables: tuple[str, ...]) -> cel.Expression:
    """To be evaluated, with variables of any type. Raises RuntimeError."""
    return _evaluating(variables).deserialize(with_lists_of_entries(_compiling(variables).compile(text).serialize()))


@cache
def _compiling(variables: tuple[str, ...]) -> cel.Env:
    return _environment(dict.fromkeys(variables, cel.Type.DYN), POOL, COMPILED, _MACROS)


@cache
def _evaluating(variables: tuple[str, ...]) -> cel.Env:
    return _environment(dict.fromkeys(variables, cel.Type.DYN), POOL, EVALUATED, _LIBRARIES)


def _environment(variables: Mapping[str, cel.Type], pool: DescriptorPool, functions: list[cel.FunctionDecl], libraries: str) -> cel.Env:
    return cel.NewEnv(
        descriptor_pool=pool,
        config=cel.NewEnvConfigFromYaml(libraries),
        variables=variables,
        extensions=[cel.CelExtension("kubernetes", functions)],
    )
