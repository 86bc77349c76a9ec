"""Regular expressions beyond `matches`. Source: apiserver/pkg/cel/library/regex.go."""

import re2

from pilothouse.model.cel.functions.declare import T, method

_OPTIONS = re2.Options()
_OPTIONS.log_errors = False


def _find(text: str, pattern: str) -> str:
    found = re2.compile(pattern, _OPTIONS).search(text)
    return "" if found is None else str(found[0])


def _find_all(text: str, pattern: str, limit: int = -1) -> list[str]:
    found: list[str] = []
    for match in re2.compile(pattern, _OPTIONS).finditer(text):
        if 0 <= limit <= len(found):
            break
        found.append(match[0])
    return found


REGEXES = (
    method("find", (T.STRING, (T.STRING, T.STRING), _find)),
    method(
        "findAll",
        (T.List(T.STRING), (T.STRING, T.STRING), _find_all),
        (T.List(T.STRING), (T.STRING, T.STRING, T.INT), _find_all),
    ),
)
