"""What a build needs to know of a Dockerfile: its base images, its ports, and which line an instruction stands on."""

import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

_VARIABLE = re.compile(r"\$(?:\{(\w+)(?::-([^}]*))?\}|(\w+))")
_ESCAPE = re.compile(r"^#\s*escape\s*=\s*(.)", re.IGNORECASE)
_MOUNT_FROM = re.compile(r"--mount=\S*\bfrom=([^,\s]+)")
_SPACES = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class Instruction:
    """line: the first line it stands on, from 1; word: upper case; rest: continuation lines joined by one space."""

    line: int
    word: str
    rest: str


def instructions(text: str) -> Iterator[Instruction]:
    """The instructions in order; comments and blank lines are skipped, also inside a continued instruction."""
    escape = "\\"
    first, parts = 0, list[str]()
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.strip()
        if number == 1 and (found := _ESCAPE.match(line)):
            escape = found[1]
        if not line or line.startswith("#"):
            continue
        if not parts:
            first = number
        continued = line.endswith(escape)
        parts.append(line[: -len(escape)].strip() if continued else line)
        if not continued:
            yield _instruction(first, parts)
            parts = []
    if parts:
        yield _instruction(first, parts)


def _instruction(line: int, parts: list[str]) -> Instruction:
    word, _, rest = " ".join(part for part in parts if part).partition(" ")
    return Instruction(line, word.upper(), rest.strip())


def base_images(text: str, args: Mapping[str, str]) -> list[str]:
    """The images that FROM and COPY --from name, without `scratch` and the file's own stages, each once.

    args: build arguments given from outside; they win over an ARG's default.
    """
    values: dict[str, str] = {}
    stages: set[str] = set()
    found: dict[str, None] = {}
    seen_from = False
    for step in instructions(text):
        if step.word == "ARG" and not seen_from:
            name, _, default = step.rest.partition("=")
            values[name.strip()] = args.get(name.strip(), default.strip().strip("\"'"))
        elif step.word == "FROM":
            seen_from = True
            words = [word for word in step.rest.split() if not word.startswith("--")]
            image = expand(words[0], values) if words else ""
            if image and image != "scratch" and image.lower() not in stages:
                found[image] = None
            if len(words) == 3 and words[1].upper() == "AS":
                stages.add(words[2].lower())
        else:
            images = [expand(source, values) for source in _sources(step)]
            found |= {image: None for image in images if image.lower() not in stages and not image.isdigit()}
    return list(found)


def _sources(step: Instruction) -> list[str]:
    """The stages and images that an instruction takes files from."""
    if step.word in ("COPY", "ADD"):
        flags = itertools.takewhile(lambda word: word.startswith("--"), step.rest.split())
        return [flag.removeprefix("--from=") for flag in flags if flag.startswith("--from=")]
    return _MOUNT_FROM.findall(step.rest) if step.word == "RUN" else []


def expand(text: str, values: Mapping[str, str]) -> str:
    """`$NAME`, `${NAME}` and `${NAME:-default}`."""
    return _VARIABLE.sub(lambda m: values.get(m[1] or m[3]) or m[2] or "", text)


def exposed_port(text: str) -> int | None:
    """The first port of EXPOSE."""
    for step in instructions(text):
        if step.word == "EXPOSE" and (found := re.match(r"\d+", step.rest)):
            return int(found[0])
    return None


def line_of(text: str, shown: str) -> int | None:
    """The line of the instruction that buildah prints as `RUN pip install ...`; None when it is not found."""
    wanted = _SPACES.sub(" ", shown).strip()
    for step in instructions(text):
        if _SPACES.sub(" ", f"{step.word} {step.rest}") == wanted:
            return step.line
    return None
