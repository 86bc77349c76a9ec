"""Command lines as shells run them, with the last program in the shell's place where that is safe.

A container's first process gets SIGTERM. A shell that waits for a child does not pass it on, so the program of a simple
line takes the shell's place (`exec`). Lines with pipes, background jobs, alternatives, traps or compound commands stay
as they are.
"""

import re
import shlex

_OPERATOR = re.compile(r"&&|\|\||;;|[;|&()]|\d*<<")
_ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=")
_COMPOUND = frozenset(
    [
        "if",
        "then",
        "else",
        "elif",
        "fi",
        "for",
        "while",
        "until",
        "do",
        "done",
        "case",
        "esac",
        "select",
        "function",
        "coproc",
        "{",
        "}",
        "!",
        "[[",
        "(",
        ")",
        "time",
        "trap",
        "wait",
        "exec",
        "eval",
    ]
)
_BUILT_IN = frozenset(
    ["cd", ":", ".", "source", "export", "set", "unset", "exit", "return", "test", "[", "read", "alias", "umask", "ulimit", "shift"]
)
"""What a shell carries out itself: no program to take its place."""
_SEPARATORS = frozenset({"&&", ";"})


def with_exec(line: str) -> str:
    """The line with `exec` before its last command, or unchanged."""
    start = _last_command(line)
    return line if start is None else f"{line[:start]}exec {line[start:]}"


def argv(line: str, shell: str = "/bin/sh") -> tuple[str, ...]:
    """What a container runs for a command line."""
    return (shell, "-c", with_exec(line))


def _last_command(line: str) -> int | None:
    """Where the program's name of the last simple command begins; None when the line is not a plain list of commands."""
    words = _words(line)
    if words is None or any(operator and word not in _SEPARATORS for _, word, operator in words):
        return None
    programs: list[tuple[int, str]] = []
    expected = True
    for at, word, operator in words:
        if operator:
            expected = True
        elif expected and not _ASSIGNMENT.match(word):
            programs.append((at, word))
            expected = False
    if expected or not programs or any(word in _COMPOUND for _, word in programs) or programs[-1][1] in _BUILT_IN:
        return None
    return programs[-1][0]


def _words(line: str) -> list[tuple[int, str, bool]] | None:
    """(position, text, is an operator) of each word; None for what this reader does not take apart (here-documents, open quotes)."""
    found: list[tuple[int, str, bool]] = []
    at, end = 0, len(line)
    while at < end:
        if line[at].isspace():
            at += 1
        elif operator := _OPERATOR.match(line, at):
            found.append((at, operator[0], True))
            at += len(operator[0])
        elif (after := _word_end(line, at)) is None:
            return None
        else:
            found.append((at, line[at:after], False))
            at = after
    return found


def _word_end(line: str, at: int) -> int | None:
    """The end of the word that begins here; quotes, `$(...)`, `${...}` and backquotes belong to it. None when one is left open."""
    while at < len(line) and not line[at].isspace() and line[at] not in ";|()":
        character = line[at]
        # `>&2` and `2>&1` are redirections, no background job.
        if character == "&" and line[at - 1 : at] not in ("<", ">"):
            break
        following: int | None = at + 1
        if character == "\\":
            following = at + 2
        elif character in "'\"`":
            following = _closing(line, at + 1, character)
        elif line.startswith(("$(", "${"), at):
            following = _closing(line, at + 2, ")" if line[at + 1] == "(" else "}")
        if following is None:
            return None
        at = following
    return at


def _closing(line: str, at: int, closing: str) -> int | None:
    """Behind the closing character; nested `$(...)` and quotes are stepped over, except inside single quotes."""
    while at < len(line):
        if line[at] == closing:
            return at + 1
        following: int | None = at + 1
        if closing != "'" and line[at] == "\\":
            following = at + 2
        elif closing != "'" and line.startswith("$(", at):
            following = _closing(line, at + 2, ")")
        elif closing in ")}" and line[at] in "'\"":
            following = _closing(line, at + 1, line[at])
        if following is None:
            return None
        at = following
    return None


def quoted(word: str) -> str:
    """A word as a shell reads it back, without line ends, which a Dockerfile's RUN line cannot hold."""
    return shlex.quote(" ".join(word.split()))
