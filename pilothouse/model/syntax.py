"""JSON as Go reads it, for the bodies that the fast decoder refuses, and for saying what is wrong and which fields came twice.

Go takes what orjson does not: invalid UTF-8 and lone surrogates (they become U+FFFD) and nesting up to 10,000 levels. The parser keeps its
own stack, so that no body can exhaust the interpreter's. It is slow, and used for odd bodies only.
Source: encoding/json/scanner.go, for the wording of errors.
"""

import re
from typing import Any

MAX_DEPTH = 10_000
DUPLICATES_MAX = 100
"""Fields that came twice beyond these are not told; source: sigs.k8s.io/json, maxStrictErrors."""

_SPACE = re.compile(r"[ \t\r\n]*")
_PLAIN = re.compile(r'[^"\\\x00-\x1f]*')
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?", re.ASCII)
_ESCAPES = {'"': '"', "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_LITERALS = {"t": ("true", True), "f": ("false", False), "n": ("null", None)}
_END = object()


class SyntaxProblem(ValueError):
    """The text is not JSON; the message is upstream's."""


def parse(data: bytes) -> tuple[Any, list[str]]:
    """The value, and the paths of fields that occur more than once in one object; the last one counts. Raises SyntaxProblem."""
    return _Parser(data.decode("utf-8", "replace")).parse()


class _Open:
    """An object or array that is being read."""

    __slots__ = ("key", "path", "value")

    def __init__(self, value: Any, path: str) -> None:
        self.value = value
        self.path = path
        self.key = ""

    def below(self) -> str:
        if isinstance(self.value, list):
            return f"{self.path}[{len(self.value)}]"
        return f"{self.path}.{self.key}" if self.path else self.key


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0
        self.open: list[_Open] = []
        self.duplicates: dict[str, None] = {}

    def parse(self) -> tuple[Any, list[str]]:
        value = self.value()
        while value is _END or self.open:
            value = self.value() if value is _END else self.attach(value)
        self.skip()
        if self.position < len(self.text):
            raise self.invalid("after top-level value")
        return value, list(self.duplicates)

    def skip(self) -> str:
        """The next character that is no white space, "" at the end; it is not consumed."""
        match = _SPACE.match(self.text, self.position)
        self.position = match.end() if match else self.position
        return self.text[self.position : self.position + 1]

    def invalid(self, where: str) -> SyntaxProblem:
        if self.position >= len(self.text):
            return SyntaxProblem("unexpected end of JSON input")
        return SyntaxProblem(f"invalid character {quoted(self.text[self.position])} {where}")

    def value(self) -> Any:
        """Read a scalar, or open an object or array: then _END stands for `go on inside`, unless it is empty."""
        mark = self.skip()
        if mark == '"':
            return self.string()
        if mark in ("{", "["):
            return self.enter(mark)
        if mark == "-" or mark.isdigit():
            return self.number()
        if mark in _LITERALS:
            return self.literal(*_LITERALS[mark])
        raise self.invalid("looking for beginning of value")

    def enter(self, mark: str) -> Any:
        if len(self.open) >= MAX_DEPTH:
            raise self.invalid("exceeded max depth")
        self.position += 1
        path = self.open[-1].below() if self.open else ""
        opened = _Open({} if mark == "{" else [], path)
        following = self.skip()
        if following == ("}" if mark == "{" else "]"):
            self.position += 1
            return opened.value
        self.open.append(opened)
        if mark == "{":
            self.key()
        return _END

    def key(self) -> None:
        if self.skip() != '"':
            raise self.invalid("looking for beginning of object key string")
        opened = self.open[-1]
        opened.key = self.string()
        if opened.key in opened.value and len(self.duplicates) < DUPLICATES_MAX:
            self.duplicates[opened.below()] = None
        if self.skip() != ":":
            raise self.invalid("after object key")
        self.position += 1

    def attach(self, value: Any) -> Any:
        """Put a complete value into what is open; _END when more follows there, otherwise the value that is complete now."""
        opened = self.open[-1]
        is_object = isinstance(opened.value, dict)
        if is_object:
            opened.value[opened.key] = value
        else:
            opened.value.append(value)
        mark = self.skip()
        if mark == ",":
            self.position += 1
            if is_object:
                self.key()
            return _END
        if mark != ("}" if is_object else "]"):
            raise self.invalid("after object key:value pair" if is_object else "after array element")
        self.position += 1
        self.open.pop()
        return opened.value

    def literal(self, word: str, value: Any) -> Any:
        for expected in word:
            if self.text[self.position : self.position + 1] != expected:
                raise self.invalid(f"in literal {word} (expecting {quoted(expected)})")
            self.position += 1
        return value

    def number(self) -> Any:
        match = _NUMBER.match(self.text, self.position)
        if match is None:
            self.position += 1
            raise self.invalid("in numeric literal")
        self.position = match.end()
        following = self.text[self.position : self.position + 2]
        if following[:1] == "." or following[:1] in ("e", "E"):
            raise self.broken_number(following)
        text = match[0]
        if text.lstrip("-").isdigit() and len(text) < 20:
            return int(text)
        return float(text)

    def broken_number(self, following: str) -> SyntaxProblem:
        self.position += 1
        if following[0] == ".":
            return self.invalid("after decimal point in numeric literal")
        if following[1:] in ("+", "-"):
            self.position += 1
        return self.invalid("in exponent of numeric literal")

    def string(self) -> str:
        self.position += 1
        parts: list[str] = []
        while True:
            match = _PLAIN.match(self.text, self.position)
            if match is not None:
                parts.append(match[0])
                self.position = match.end()
            mark = self.text[self.position : self.position + 1]
            if mark == '"':
                self.position += 1
                return _without_surrogates("".join(parts))
            if mark != "\\":
                raise self.invalid("in string literal")
            self.position += 1
            parts.append(self.escape())

    def escape(self) -> str:
        mark = self.text[self.position : self.position + 1]
        if mark in _ESCAPES:
            self.position += 1
            return _ESCAPES[mark]
        if mark != "u":
            raise self.invalid("in string escape code")
        start = self.position + 1
        for self.position in range(start, start + 4):
            if not re.match("[0-9a-fA-F]", self.text[self.position : self.position + 1]):
                raise self.invalid("in \\u hexadecimal character escape")
        self.position = start + 4
        return chr(int(self.text[start : start + 4], 16))


def _without_surrogates(text: str) -> str:
    """Join surrogate pairs and replace lone ones."""
    if text.isascii() or not any("\ud800" <= mark <= "\udfff" for mark in text):
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def quoted(mark: str) -> str:
    """A character as Go quotes it in these messages."""
    named = {"'": "\\'", '"': '"', "\t": "\\t", "\n": "\\n", "\r": "\\r", "\\": "\\\\"}
    if mark in named:
        return f"'{named[mark]}'"
    return f"'{mark}'" if mark.isprintable() else f"'\\x{ord(mark):02x}'" if ord(mark) < 256 else f"'\\u{ord(mark):04x}'"
