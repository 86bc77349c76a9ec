"""Says in older words what the builder does not know of a Dockerfile: COPY with --link, --parents, --exclude and symbolic --chmod.

`--link` changes how layers are stored, not what is in them, and is left out. For the others the files are laid out in a folder
beside the source as they are to be copied, and the instruction takes them from there. Every instruction stays on its line.
"""

import json
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pilothouse.platform.builds.dockerfile import Instruction, declare, instructions
from pilothouse.platform.builds.inside import modes
from pilothouse.platform.builds.inside.layout import Layout, NothingFound
from pilothouse.platform.builds.inside.settings import Settings
from pilothouse.platform.builds.variables import expand, words

_UNNEEDED = re.compile(
    r"^(\s*(?:COPY|ADD|RUN)(?:\s|\\\n|--(?!link\b|security\b)\S+(?=\s))*)--(?:link(?:=\w+)?|security=sandbox)(?=\s)", re.IGNORECASE
)
_ARCHIVE = re.compile(r"\.(?:tar|tgz|tar\.\w+|tbz2?|txz)$", re.IGNORECASE)
_URL = re.compile(r"^(?:https?|git|ssh)://|^git@", re.IGNORECASE)


class Untranslatable(Exception):
    """One sentence with the line and the way out."""


@dataclass(frozen=True, slots=True)
class Translation:
    """text: the Dockerfile for the builder; contexts: folders that it takes files from, by name."""

    text: str
    contexts: Mapping[str, Path] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Flags:
    """of one COPY or ADD. rest: those that the builder knows."""

    parents: bool
    chmod: str
    excludes: tuple[str, ...]
    source: str
    rest: tuple[str, ...]

    @classmethod
    def of(cls, step: Instruction, values: Mapping[str, str]) -> "Flags":
        found = [flag.partition("=") for flag in step.flags()]
        value = {name: expand(text, values) for name, _, text in found}
        symbolic = modes.is_symbolic(value.get("--chmod", ""))
        own = {"--parents", "--exclude", "--link", *(["--chmod"] if symbolic else [])}
        return cls(
            "--parents" in value and value["--parents"] != "false",
            value["--chmod"] if symbolic else "",
            tuple(expand(text, values) for name, _, text in found if name == "--exclude"),
            value.get("--from", ""),
            tuple(flag for flag in step.flags() if flag.partition("=")[0] not in own),
        )

    @property
    def need_layout(self) -> bool:
        return bool(self.parents or self.chmod or (self.excludes and not self.source))


def translated(settings: Settings, text: str) -> Translation:
    """Raises Untranslatable. The folders lie beside the source, under `copies/`."""
    lines = text.removeprefix("\ufeff").splitlines()
    values: dict[str, str] = {}
    contexts: dict[str, Path] = {}
    for step in instructions(text):
        _note_values(step, values, settings.args)
        if step.word not in ("COPY", "ADD", "RUN"):
            continue
        flags = Flags.of(step, values) if step.word != "RUN" else None
        if flags is None or not flags.need_layout:
            _replace(lines, step, _without_unneeded("\n".join(lines[step.line - 1 : step.last])))
        elif step.heredocs:
            _replace(lines, step, _with_octal(step, flags, "\n".join(lines[step.line - 1 : step.last])))
        else:
            name = f"copy-{step.line}"
            contexts[name] = settings.source.parent / "copies" / name
            _replace(lines, step, _from_layout(settings.context, contexts[name], step, flags, values))
    return Translation("".join(f"{line}\n" for line in lines), contexts)


def _note_values(step: Instruction, values: dict[str, str], args: Mapping[str, str]) -> None:
    if step.word == "ARG":
        declare(step.rest, values, args)
    elif step.word == "ENV":
        for word in words(step.rest):
            name, equals, value = word.partition("=")
            if equals:
                values[name] = expand(value, values)


def _replace(lines: list[str], step: Instruction, text: str) -> None:
    """Put the text in the instruction's place; what it needs less is blank."""
    given = text.split("\n")
    room = step.last - step.line + 1
    lines[step.line - 1 : step.last] = [*given, *[""] * (room - len(given))]


def _without_unneeded(text: str) -> str:
    while found := _UNNEEDED.match(text):
        text = found[1] + text[found.end() :].lstrip(" \t")
    return text


def _with_octal(step: Instruction, flags: Flags, text: str) -> str:
    """A heredoc is a file of mode 0644 until it is changed."""
    if flags.parents or flags.excludes:
        raise Untranslatable(f"Dockerfile line {step.line}: --parents and --exclude mean nothing for a heredoc: leave them out")
    mode = modes.changed(0o644, flags.chmod, is_folder=False)
    return _without_unneeded(re.sub(r"--chmod=\S+", f"--chmod={mode:04o}", text, count=1))


def _from_layout(context: Path, folder: Path, step: Instruction, flags: Flags, values: Mapping[str, str]) -> str:
    *sources, target = [expand(word, values) for word in _operands(step)]
    if flags.source:
        raise Untranslatable(
            f"Dockerfile line {step.line}: {step.word} --from takes no --parents and no symbolic --chmod here: "
            "write the paths out, and the mode like 0644"
        )
    if any(_URL.match(source) or (step.word == "ADD" and _ARCHIVE.search(source)) for source in sources):
        raise Untranslatable(
            f"Dockerfile line {step.line}: ADD of a URL or an archive takes no --parents, --exclude or symbolic --chmod here: "
            "write the mode like 0644"
        )
    shutil.rmtree(folder, ignore_errors=True)
    layout = Layout(context, folder, flags.chmod, flags.excludes)
    try:
        laid = [path for source in sources for path in layout.add(source, parents=flags.parents)]
    except NothingFound as error:
        raise Untranslatable(f"Dockerfile line {step.line}: {step.word} {step.rest}: {error}") from error
    if not laid:
        raise Untranslatable(f"Dockerfile line {step.line}: {step.word} {step.rest}: --exclude leaves nothing to copy")
    named = [*dict.fromkeys(laid), target if len(laid) == 1 or target.endswith("/") else f"{target}/"]
    return " ".join(["COPY", f"--from={folder.name}", *flags.rest, json.dumps(named)])


def _operands(step: Instruction) -> list[str]:
    text = step.arguments()
    if text.startswith("["):
        try:
            return [str(word) for word in json.loads(text)]
        except ValueError:
            pass
    return words(text)
