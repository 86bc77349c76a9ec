"""What a build needs to know of a Dockerfile: its instructions with their lines, its base images, its ports.

Reads what BuildKit reads: parser directives, continuation lines, heredocs, a byte order mark. Standard library alone, since it
also runs inside the builder. Source: the Dockerfile reference, and BuildKit's parser for what that leaves open.
"""

import platform
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from pilothouse.platform.builds.variables import expand, words

_DIRECTIVE = re.compile(r"^#\s*([A-Za-z][A-Za-z0-9]*)\s*=\s*(.+?)\s*$")
_MOUNT_FROM = re.compile(r"--mount=\S*\bfrom=([^,\s]+)")
_HEREDOC = re.compile(r"""(?:^|(?<=\s))\d*<<(-?)(["']?)([A-Za-z0-9_][^\s<>"']*)\2(?=\s|$)""")
_WITH_HEREDOCS = frozenset({"RUN", "COPY", "ADD"})
_SPACES = re.compile(r"\s+")
_FLAG = re.compile(r"--[a-z][a-z-]*(?:=\S*)?(?:\s+|$)")


@dataclass(frozen=True, slots=True)
class Instruction:
    """line, last: the lines it stands on, from 1, heredocs included; word: upper case; rest: continuation lines joined by one space."""

    line: int
    word: str
    rest: str
    last: int = 0
    heredocs: tuple[str, ...] = ()

    def flags(self) -> list[str]:
        """The leading `--name=value` words."""
        return self._split()[0]

    def arguments(self) -> str:
        """What follows the flags."""
        return self._split()[1]

    def _split(self) -> tuple[list[str], str]:
        found, rest = list[str](), self.rest
        while match := _FLAG.match(rest):
            found.append(match[0].strip())
            rest = rest[match.end() :]
        return found, rest


@dataclass(slots=True)
class _Reader:
    """Lines of a Dockerfile, taken one by one; number: of the line taken last."""

    lines: list[str]
    number: int = 0

    def take(self) -> str | None:
        if self.number >= len(self.lines):
            return None
        self.number += 1
        return self.lines[self.number - 1]


def instructions(text: str) -> Iterator[Instruction]:
    """The instructions in order; comments and blank lines are skipped, also inside a continued instruction."""
    reader = _Reader(text.removeprefix("\ufeff").splitlines())
    escape = _escape(reader.lines)
    first, parts = 0, list[str]()
    while (raw := reader.take()) is not None:
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        first = first or reader.number
        continued = line.endswith(escape)
        parts.append(line[: -len(escape)].strip() if continued else line)
        if not continued:
            yield _instruction(first, parts, reader)
            first, parts = 0, []
    if parts:
        yield _instruction(first, parts, reader)


def _escape(lines: list[str]) -> str:
    """Parser directives stand before everything else, an ordinary comment included."""
    for line in lines:
        found = _DIRECTIVE.match(line.strip())
        if found is None:
            break
        if found[1].lower() == "escape":
            return found[2]
    return "\\"


def _instruction(line: int, parts: list[str], reader: _Reader) -> Instruction:
    word, _, rest = " ".join(part for part in parts if part).partition(" ")
    word, rest = word.upper(), rest.strip()
    bodies: list[str] = []
    if word in _WITH_HEREDOCS and not rest.startswith("["):
        bodies = [_body(reader, found[3], strips_tabs=bool(found[1])) for found in _HEREDOC.finditer(rest)]
    return Instruction(line, word, rest, reader.number, tuple(bodies))


def _body(reader: _Reader, end: str, *, strips_tabs: bool) -> str:
    taken: list[str] = []
    while (line := reader.take()) is not None:
        line = line.lstrip("\t") if strips_tabs else line
        if line == end:
            break
        taken.append(line)
    return "".join(f"{line}\n" for line in taken)


@dataclass(slots=True)
class Stage:
    """image: of FROM, expanded; sources: what COPY --from and RUN --mount=from name; steps: all its instructions, FROM included."""

    name: str
    image: str
    sources: list[str] = field(default_factory=list)
    steps: list[Instruction] = field(default_factory=list)


def stages(text: str, args: Mapping[str, str]) -> list[Stage]:
    """The stages in order. args: build arguments given from outside; they win over an ARG's default."""
    values = _platform()
    found: list[Stage] = []
    for step in instructions(text):
        if step.word == "ARG" and not found:
            declare(step.rest, values, args)
        elif step.word == "FROM":
            parts = step.arguments().split()
            found.append(Stage(_stage_name(step), expand(parts[0], values) if parts else ""))
        elif found:
            found[-1].sources += [expand(source, values) for source in _sources(step)]
        if found:
            found[-1].steps.append(step)
    return found


def declare(rest: str, values: dict[str, str], args: Mapping[str, str]) -> None:
    """Take over what one ARG declares: several names, with defaults that use earlier ones."""
    for word in words(rest):
        name, equals, default = word.partition("=")
        if name in args:
            values[name] = args[name]
        elif equals:
            values[name] = expand(default, values)


def _platform() -> dict[str, str]:
    """The arguments that FROM may use without declaring them."""
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    return {
        f"{side}{name}": value
        for side in ("BUILD", "TARGET")
        for name, value in (("PLATFORM", f"linux/{machine}"), ("OS", "linux"), ("ARCH", machine), ("VARIANT", ""))
    }


def base_images(text: str, args: Mapping[str, str]) -> list[str]:
    """The images that the last stage needs, without `scratch` and the file's own stages, each once."""
    every = stages(text, args)
    needed = _needed(every)
    found: dict[str, None] = {}
    for index in sorted(needed):
        names = [(every[index].image, True), *((name, False) for name in every[index].sources)]
        found |= {
            name: None for name, is_from in names if name not in ("", "scratch") and not _is_stage(every[:index], name, is_from=is_from)
        }
    return list(found)


def _needed(every: list[Stage]) -> set[int]:
    """The last stage and those it takes something from; the builder leaves the others out."""
    waiting, needed = [len(every) - 1] if every else [], set[int]()
    while waiting:
        index = waiting.pop()
        if index not in needed:
            needed.add(index)
            named = {every[index].image, *every[index].sources}
            waiting += [
                i for i, stage in enumerate(every[:index]) if stage.name.lower() in {n.lower() for n in named if n} or str(i) in named
            ]
    return needed


def _is_stage(earlier: list[Stage], name: str, *, is_from: bool) -> bool:
    """A number means a stage in COPY --from, but not in FROM."""
    return any(stage.name == name.lower() for stage in earlier) or (name.isdigit() and not is_from)


def _sources(step: Instruction) -> list[str]:
    """The stages and images that an instruction takes files from."""
    if step.word in ("COPY", "ADD"):
        return [flag.removeprefix("--from=") for flag in step.flags() if flag.startswith("--from=")]
    return _MOUNT_FROM.findall(" ".join(step.flags())) if step.word == "RUN" else []


class NoStage(ValueError):
    """A Dockerfile has no stage of a name: one sentence with those that it has."""


def up_to_stage(text: str, target: str) -> str:
    """The text with a stage as its last one, as if the file ended there; all of it for "".

    target: the stage's name, in any case, or its number from 0. Lines keep their numbers. Raises NoStage.
    """
    if not target:
        return text
    found = [(step.line, _stage_name(step)) for step in instructions(text) if step.word == "FROM"]
    index = next((i for i, (_, name) in enumerate(found) if target.lower() == name or target == str(i)), None)
    if index is None:
        names = ", ".join(name for _, name in found if name) or "none that has a name"
        raise NoStage(f"the Dockerfile has no stage {target}; its stages are: {names}")
    lines = text.splitlines(keepends=True)
    return "".join(lines[: found[index + 1][0] - 1] if index + 1 < len(found) else lines)


def _stage_name(step: Instruction) -> str:
    """Of `FROM IMAGE AS NAME`, in lower case; "" for a stage without one."""
    parts = step.arguments().split()
    return parts[2].lower() if len(parts) == 3 and parts[1].upper() == "AS" else ""


def exposed_port(text: str) -> int | None:
    """The first port of EXPOSE."""
    for step in instructions(text):
        if step.word == "EXPOSE" and (found := re.match(r"\d+", step.rest)):
            return int(found[0])
    return None


def own_ports_first(text: str, exposed: Iterable[int]) -> tuple[int, ...]:
    """The ports of an image, those that the Dockerfile's last stage names itself before those of its base, each ascending."""
    own: set[int] = set()
    for step in instructions(text):
        if step.word == "FROM":
            own.clear()
        elif step.word == "EXPOSE":
            own |= {int(found[0]) for word in step.rest.split() if (found := re.match(r"\d+", word))}
    return tuple(sorted(set(exposed), key=lambda port: (port not in own, port)))


def line_of(text: str, shown: str, after: int = 0) -> int | None:
    """The line of the instruction that buildah prints as `RUN pip install ...`; None when it is not found.

    after: a line; of several that look the same, the first behind it is meant. buildah shows a heredoc's body in brackets.
    """
    wanted = _SPACES.sub(" ", shown).strip()
    found = [step.line for step in instructions(text) if _is_shown(step, wanted)]
    return next((line for line in found if line > after), found[0] if found else None)


def _is_shown(step: Instruction, wanted: str) -> bool:
    own = _SPACES.sub(" ", f"{step.word} {step.rest}").strip()
    return own == wanted or (bool(step.heredocs) and wanted.startswith(f"{own} ("))
