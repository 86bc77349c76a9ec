"""Symbolic file modes, as `chmod` reads them (without the umask)."""

import re

_CLAUSE = re.compile(r"^([ugoa]*)((?:[-+=][rwxXst]*)+)$")
_ACTION = re.compile(r"([-+=])([rwxXst]*)")
_BITS = {"r": 4, "w": 2, "x": 1}
_SHIFT = {"u": 6, "g": 3, "o": 0}


def is_symbolic(text: str) -> bool:
    return bool(text) and all(_CLAUSE.match(part) for part in text.split(","))


def changed(mode: int, text: str, *, is_folder: bool) -> int:
    """mode: permission bits. Raises ValueError for what is no symbolic mode."""
    for part in text.split(","):
        clause = _CLAUSE.match(part)
        if clause is None:
            raise ValueError(f"{text!r} is no file mode: write it like 0644 or u=rw,go=r")
        who = "ugo" if not clause[1] or "a" in clause[1] else clause[1]
        for sign, letters in _ACTION.findall(clause[2]):
            mode = _applied(mode, who, sign, letters, is_folder)
    return mode


def _applied(mode: int, who: str, sign: str, letters: str, is_folder: bool) -> int:
    bits = _wanted(mode, who, letters, is_folder)
    if sign == "+":
        return mode | bits
    if sign == "-":
        return mode & ~bits
    return mode & ~sum(7 << _SHIFT[each] for each in set(who)) | bits


def _wanted(mode: int, who: str, letters: str, is_folder: bool) -> int:
    bits = 0
    may_execute = is_folder or bool(mode & 0o111)
    for each in who:
        for letter in letters:
            if letter in _BITS or (letter == "X" and may_execute):
                bits |= _BITS.get(letter, 1) << _SHIFT[each]
    if "s" in letters:
        bits |= (0o4000 if "u" in who else 0) | (0o2000 if "g" in who else 0)
    return bits | (0o1000 if "t" in letters else 0)
