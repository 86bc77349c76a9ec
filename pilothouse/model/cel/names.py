"""How fields are called in rules: names that are no identifiers of the language are escaped, and what cannot be is out of reach.

Source: apiserver/pkg/cel/escaping.go.
"""

import re

_WORDS = "true false null in as break const continue else for function if import let loop package namespace return var void while"
_RESERVED = frozenset(_WORDS.split(" "))
_PARTS = {"__": "__underscores__", ".": "__dot__", "-": "__dash__", "/": "__slash__"}
_SPECIAL = re.compile(r"__|[./-]")
_FIELD = re.compile(r"[a-zA-Z_.\-/][a-zA-Z0-9_.\-/]*", re.ASCII)


def escaped(name: str) -> str | None:
    """The field's name in rules, None when rules cannot reach it."""
    if not _FIELD.fullmatch(name):
        return None
    if name in _RESERVED:
        return f"__{name}__"
    return _SPECIAL.sub(lambda match: _PARTS[match[0]], name)
