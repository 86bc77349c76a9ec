"""YAML bodies, read as upstream reads them: YAML 1.1 scalars without time stamps, keys made strings, the first document only.

Aliases and merge keys are expanded under a budget, so that a short text cannot become a huge value.
Source: sigs.k8s.io/yaml (goyaml.v2).
"""

import re
from collections.abc import Iterator
from typing import Any

import yaml

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_RESOLVER: Any = yaml.resolver.Resolver()

_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_TRUE = frozenset({"y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"})
_FALSE = frozenset({"n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"})
_INTEGER = re.compile(r"[-+]?(0[bB][01_]+|0[oO]?[0-7_]+|0[xX][0-9a-fA-F_]+|[0-9][0-9_]*)", re.ASCII)
_FLOAT = re.compile(r"[-+]?(?:[0-9]++(?:\.[0-9]*+)?|\.[0-9]++)(?:[eE][-+]?[0-9]+)?", re.ASCII)
_TAG = "tag:yaml.org,2002:"
_BUDGET_RATIO, _BUDGET_FREE = 10, 10_000


class YAMLProblem(ValueError):
    """The text is not YAML, or nothing that JSON could carry; the message is upstream's."""


def loads_yaml(data: bytes) -> tuple[Any, list[str]]:
    """The value, and a message for each duplicate key (`line 7: key "k" already set in map`). Raises YAMLProblem."""
    reader = _reader(data)
    return next((reader.value(root) for root in _roots(data)), None), reader.duplicates


def loads_all_yaml(data: bytes) -> tuple[list[Any], list[str]]:
    """As `loads_yaml`, of all documents; the budget is one for all of them. Raises YAMLProblem."""
    reader = _reader(data)
    return [reader.value(root) for root in _roots(data)], reader.duplicates


def _reader(data: bytes) -> "_Reader":
    return _Reader(_BUDGET_FREE + _BUDGET_RATIO * (data.count(b"\n") + data.count(b",") + data.count(b":") + 1))


def _roots(data: bytes) -> Iterator[Any]:
    """Raises YAMLProblem."""
    try:
        yield from _documents(data)
    except yaml.MarkedYAMLError as error:
        line = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        raise YAMLProblem(f"yaml: {line}{error.problem or error}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise YAMLProblem(f"yaml: {error}") from None
    except RecursionError:
        raise YAMLProblem("yaml: exceeded max depth") from None


def _documents(data: bytes) -> Iterator[Any]:
    loader = _LOADER(data)
    try:
        while loader.check_node():
            yield loader.get_node()
    finally:
        loader.dispose()


class _Reader:
    def __init__(self, budget: int) -> None:
        self.budget = budget
        self.duplicates: list[str] = []
        self.inside: set[int] = set()

    def value(self, node: Any) -> Any:
        self._spend(1)
        if isinstance(node, yaml.ScalarNode):
            return _scalar(node)
        if id(node) in self.inside:
            raise YAMLProblem("yaml: anchor value contains itself")
        self.inside.add(id(node))
        try:
            return [self.value(each) for each in node.value] if isinstance(node, yaml.SequenceNode) else self.mapping(node)
        except RecursionError:
            raise YAMLProblem("yaml: exceeded max depth") from None
        finally:
            self.inside.discard(id(node))

    def mapping(self, node: Any) -> dict[str, Any]:
        found: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if isinstance(key_node, yaml.ScalarNode) and key_node.value == "<<" and not key_node.style:
                merged = self.merged(value_node) | merged
                continue
            key = _key(key_node)
            if key in found:
                self.duplicates.append(f'line {key_node.start_mark.line + 1}: key "{key}" already set in map')
            found[key] = self.value(value_node)
        return merged | found if merged else found

    def merged(self, node: Any) -> dict[str, Any]:
        """What a merge key brings in; of several mappings the first wins."""
        sources = node.value if isinstance(node, yaml.SequenceNode) else [node]
        found: dict[str, Any] = {}
        for source in sources:
            value = self.value(source)
            if not isinstance(value, dict):
                raise YAMLProblem("yaml: map merge requires map or sequence of maps as the value")
            self._spend(len(value))
            found = value | found
        return found

    def _spend(self, count: int) -> None:
        self.budget -= count
        if self.budget < 0:
            raise YAMLProblem("yaml: document contains excessive aliasing")


def _key(node: Any) -> str:
    if not isinstance(node, yaml.ScalarNode):
        raise YAMLProblem("error converting YAML to JSON: yaml: invalid map key: only scalars can be keys")
    key = _scalar(node)
    if isinstance(key, str):
        return key
    if key is None:
        return "null"
    return str(key).lower() if isinstance(key, bool) else str(key)


def _scalar(node: Any) -> Any:
    """Quoted and block scalars are strings; plain ones (whose style is empty) are what they look like, unless tagged."""
    text: str = node.value
    if node.style or _is_tagged_string(node):
        return text
    if node.tag == f"{_TAG}binary":
        return "".join(text.split())
    return _plain(text)


def _is_tagged_string(node: Any) -> bool:
    """Whether a plain scalar says `!!str`: its tag is then not the one that its text would get."""
    if node.tag != f"{_TAG}str" or node.value in _TRUE or node.value in _FALSE:
        return False
    implicit: str = _RESOLVER.resolve(yaml.ScalarNode, node.value, (True, False))
    return bool(implicit != node.tag)


def _plain(text: str) -> Any:
    if text in _NULLS:
        return None
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    if not text[:1] or text[0] not in "0123456789+-.":
        return text
    return _numeric(text)


def _numeric(text: str) -> Any:
    if _INTEGER.fullmatch(text):
        number = _integer(text.replace("_", ""))
        if number is not None and -(2**63) <= number < 2**64:
            return number
    if _FLOAT.fullmatch(text.replace("_", "")):
        return float(text.replace("_", ""))
    return text


def _integer(text: str) -> int | None:
    sign, digits = (text[0], text[1:]) if text[0] in "+-" else ("", text)
    if len(digits) > 70:
        return None
    octal = len(digits) > 1 and digits[0] == "0" and digits[1] not in "bBoOxX"
    try:
        return int(sign + (f"0o{digits[1:]}" if octal else digits), 0)
    except ValueError:
        return None
