"""Reads buildah's output as it comes, says where the build is, and keeps what each step took."""

import re
import time
from collections import deque
from dataclasses import dataclass

from pilothouse.platform.builds.dockerfile import instructions, line_of
from pilothouse.platform.builds.inside.output import say
from pilothouse.platform.builds.outcome import Step
from pilothouse.platform.builds.progress import Begun, Ended

_STEP = re.compile(r"^(?:\[(?P<stage>\d+)/(?P<stages>\d+)\] )?STEP (?P<number>\d+/\d+): (?P<shown>.*)$")
_CACHED = re.compile(r"^--> Using cache (?P<image>[0-9a-f]{8,64})")
_LAYER = re.compile(r"^--> (?P<image>[0-9a-f]{8,64})$")
_COMMIT = re.compile(r"^(?:\[\d+/\d+\] )?COMMIT\b")
_NOISE = re.compile(
    r"^(?:Trying to pull |Resolved \"[^\"]*\" as an alias|Resolving \"[^\"]*\" using "
    r"|Getting image source signatures|Copying (?:blob|config) |Writing manifest to image destination|Storing signatures"
    r'|time="[^"]*" level=(?:warning|info|debug) )|^[0-9a-f]{64}$'
    r"|^subprocess exited with status \d+$|^Error: building at STEP |^Successfully tagged "
)
KEPT_LINES = 4000


@dataclass(slots=True)
class _Current:
    number: str
    name: str
    line: int
    began: float
    cached: bool = False


class Watch:
    """text: the Dockerfile as the user wrote it; its instructions are what is shown, whatever the builder is given."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._shown = {step.line: f"{step.word} {step.rest}".strip() for step in instructions(text)}
        self._stages = [step.line for step in instructions(text) if step.word == "FROM"]
        self._tail: deque[str] = deque(maxlen=KEPT_LINES)
        self._given = ""
        self._with_arg: frozenset[int] = frozenset()
        self._last_line = 0
        self.current: _Current | None = None
        self.steps: list[Step] = []
        self.images: list[str] = []

    def builds(self, given: str, with_arg: frozenset[int] = frozenset()) -> None:
        """given: the Dockerfile in place of the user's, with the same lines. with_arg: stages, from 1, that the builder reads with
        one more ARG of the platform's behind FROM; it is not shown."""
        self._given = given
        self._with_arg = with_arg

    def line(self, line: str) -> None:
        """Take one line of output: print it, or the mark that it stands for."""
        self._tail.append(line)
        if found := _STEP.match(line):
            self.end()
            if not self._is_ours(found):
                self._begin(found)
        elif found := _CACHED.match(line):
            self.images.append(found["image"])
            if self.current is not None:
                self.current.cached = True
        elif found := _LAYER.match(line):
            self.images.append(found["image"])
        elif not _NOISE.match(line) and not _COMMIT.match(line):
            say(line)

    def _begin(self, found: "re.Match[str]") -> None:
        several = f"{found['stage']}:" if found["stage"] and found["stages"] != "1" else ""
        number = self._line_of(found)
        self._last_line = number or self._last_line
        name = self._shown.get(number, found["shown"])
        self.current = _Current(f"{several}{self._number(found)}", name, number, time.monotonic())
        say(Begun(self.current.number, name, number))

    def _is_ours(self, found: "re.Match[str]") -> bool:
        return int(found["stage"] or 1) in self._with_arg and found["number"].startswith("2/")

    def _number(self, found: "re.Match[str]") -> str:
        """As it is without the ARG of the platform's."""
        if int(found["stage"] or 1) not in self._with_arg:
            return found["number"]
        number, _, total = found["number"].partition("/")
        return f"{number if number == '1' else int(number) - 1}/{int(total) - 1}"

    def _line_of(self, found: "re.Match[str]") -> int:
        """FROM is shown with its arguments filled in, so it is known by its stage."""
        if found["shown"].startswith("FROM "):
            stage = int(found["stage"] or 1)
            return self._stages[stage - 1] if stage <= len(self._stages) else 0
        return line_of(self._given or self._text, found["shown"], self._last_line) or 0

    def end(self) -> None:
        """The step that runs has ended."""
        step, self.current = self.current, None
        if step is not None:
            seconds = time.monotonic() - step.began
            self.steps.append(Step(step.name, step.line, seconds, step.cached))
            say(Ended(step.number, seconds, step.cached))

    def add(self, name: str, seconds: float) -> None:
        """A step of the platform's own."""
        self.steps.append(Step(name, 0, seconds, cached=False))

    def tail(self) -> str:
        return "\n".join(self._tail)
