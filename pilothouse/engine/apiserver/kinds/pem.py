"""PEM inside of objects: blocks between lines of dashes, whatever stands around them."""

from collections.abc import Iterator

CERTIFICATE = "CERTIFICATE"
_MARK = "-----"


def blocks(text: str) -> Iterator[tuple[str, str]]:
    """Kind and content of each block that has an end, in one walk over the lines."""
    kind, body = "", [""]
    for line in text.splitlines():
        is_mark = line.startswith(_MARK) and line.rstrip().endswith(_MARK)
        verb, _, name = line.strip().strip("-").partition(" ") if is_mark else ("", "", "")
        if verb == "BEGIN":
            kind, body = name, []
        elif verb == "END" and kind and name == kind:
            yield kind, "\n".join(body)
            kind = ""
        elif kind:
            body.append(line)
