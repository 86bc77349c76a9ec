"""Patterns of schemas are written for Go's regexp, which is RE2: the same language here, and time linear in the value."""

import re2

from pilothouse.model.caching import remembered

_MEMORY_BYTES = 2 << 20
"""Of one compiled pattern; beyond it RE2 goes on without its cache of states, and refuses a pattern that is larger by itself."""


def _options() -> re2.Options:
    options = re2.Options()
    options.log_errors = False
    options.max_mem = _MEMORY_BYTES
    return options


_OPTIONS = _options()


class Pattern:
    """A compiled pattern; `search` says whether it matches anywhere."""

    __slots__ = ("_expression",)

    def __init__(self, expression: re2._Regexp) -> None:
        self._expression = expression

    @property
    def size(self) -> int:
        """How many steps each character of a text takes, at most."""
        size: int = self._expression.programsize
        return size

    def search(self, text: str) -> bool:
        """A text that is no Unicode (a lone surrogate) matches nothing."""
        try:
            return self._expression.search(text) is not None
        except UnicodeEncodeError:
            return False


@remembered(1024, longest=4096)
def compiled(pattern: str) -> Pattern | None:
    """None when it is no pattern of Go's."""
    if "\\C" in pattern:  # RE2 knows it, Go does not.
        return None
    try:
        return Pattern(re2.compile(pattern, _OPTIONS))
    except (re2.error, UnicodeEncodeError):
        return None
