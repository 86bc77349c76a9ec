"""The texts of expressions: what stands outside of their literals, and macros that the implementation knows by another name."""

_QUOTES = ('"""', "'''", '"', "'")
_EXISTS_ONE, _ITS_NAME_WITH_TWO_VARIABLES = "exists_one", "existsOne "


def with_known_macros(text: str) -> str:
    """The expression with `existsOne` for each `exists_one` of two variables; everything stays in its place."""
    at = 0
    while (found := text.find(_EXISTS_ONE, at)) >= 0:
        outside = outside_of_texts(text)
        at = found + len(_EXISTS_ONE)
        bracket = at + len(text[at:]) - len(text[at:].lstrip())
        if outside[found] and text[bracket : bracket + 1] == "(" and _arguments(text, bracket + 1, outside) == 3:
            text = text[:found] + _ITS_NAME_WITH_TWO_VARIABLES + text[at:]
    return text


def _arguments(text: str, start: int, outside: list[bool]) -> int:
    """Of the call whose bracket is open at `start`."""
    depth, count = 0, 1
    for position in range(start, closing(text, start, outside) or start):
        if outside[position]:
            depth += (text[position] in "([{") - (text[position] in ")]}")
            count += text[position] == "," and depth == 0
    return count


def closing(text: str, start: int, outside: list[bool]) -> int | None:
    """Where the bracket closes that is open at `start`."""
    depth = 1
    for position in range(start, len(text)):
        if outside[position]:
            depth += (text[position] == "(") - (text[position] == ")")
            if depth == 0:
                return position
    return None


def outside_of_texts(text: str) -> list[bool]:
    """Of each character, whether it stands outside of string literals and comments."""
    found = [True] * len(text)
    position = 0
    while position < len(text):
        quote = next((each for each in _QUOTES if text.startswith(each, position)), "")
        end = position + 1
        if quote:
            end = _end_of_literal(text, position, quote)
        elif text.startswith("//", position):
            end = text.find("\n", position) if "\n" in text[position:] else len(text)
        if end > position + 1:
            found[position:end] = [False] * (end - position)
        position = end
    return found


def _end_of_literal(text: str, start: int, quote: str) -> int:
    is_raw = start > 0 and text[start - 1] in "rR"
    position = start + len(quote)
    while position < len(text):
        if text[position] == "\\" and not is_raw:
            position += 2
        elif text.startswith(quote, position):
            return position + len(quote)
        else:
            position += 1
    return len(text)
