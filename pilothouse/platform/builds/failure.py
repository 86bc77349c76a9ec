"""Why a build failed, in one sentence: the Dockerfile's line, the instruction, and the line of output that names the cause."""

import re

from pilothouse.platform.builds.dockerfile import line_of

_STEP = re.compile(r"^STEP \d+/\d+: (.*)$")
_STAGE_STEP = re.compile(r"^\[\d+/\d+\] STEP \d+/\d+: (.*)$")
_SUMMARY = re.compile(r'^Error: building at STEP ".*?": ')
_EXIT = re.compile(r"^(?:exit status|while running runtime: exit status) \d+$")
_COPY = re.compile(r'copier: stat: "(?P<path>[^"]+)": no such file or directory')
_NOISE = re.compile(r"^(?:subprocess exited|error building|time=|exit status|\[notice\]|WARNING: Running pip)")
_TELLING = re.compile(
    r"\b(?:error|ERR!|fatal|failed|not found|no such|cannot|denied|unable|No matching|SSLError|CERTIFICATE)\b", re.IGNORECASE
)
_CERTIFICATE = re.compile(r"CERTIFICATE_VERIFY_FAILED|SELF_SIGNED_CERT|self.signed certificate|UNABLE_TO_GET_ISSUER", re.IGNORECASE)


def explain(dockerfile: str, log: str) -> str:
    """One sentence; never empty."""
    lines = [line.rstrip() for line in log.splitlines() if line.strip()]
    step, output = _last_step(lines)
    if not step:
        return _cause(lines, step) or "the build ended before its first step"
    number = line_of(dockerfile, step)
    where = f"Dockerfile line {number}" if number else "Dockerfile"
    cause = _cause(output, step)
    if any(_CERTIFICATE.search(line) for line in output):
        cause += " (a certificate was refused: set the CA that your mirror uses with `ph config set ca FILE`)"
    return f"{where}: {_short(step)}: {cause}" if cause else f"{where}: {_short(step)} failed"


def _last_step(lines: list[str]) -> tuple[str, list[str]]:
    for index in range(len(lines) - 1, -1, -1):
        found = _STEP.match(lines[index]) or _STAGE_STEP.match(lines[index])
        if found:
            return found[1], lines[index + 1 :]
    return "", lines


def _cause(lines: list[str], step: str) -> str:
    """What buildah itself says is wrong, else the last line that sounds like an error, else the last one."""
    summary = next((_without_step(line, step) for line in reversed(lines) if _SUMMARY.match(line)), "")
    if summary and not _EXIT.match(summary):
        return _short(_own_words(summary), 300)
    plain = [line for line in lines if not _NOISE.match(line) and not _SUMMARY.match(line)]
    telling = [line for line in plain if _TELLING.search(line)]
    chosen = telling[-1] if telling else plain[-1] if plain else summary
    return _short(chosen.strip(), 300)


def _without_step(line: str, step: str) -> str:
    """The instruction may hold quotes itself, but is not always repeated as it was printed."""
    whole = f'Error: building at STEP "{step}": '
    return line.removeprefix(whole) if line.startswith(whole) else _SUMMARY.sub("", line)


def _own_words(summary: str) -> str:
    if missing := _COPY.search(summary):
        return f"the source has no {missing['path'].lstrip('/')} (or .dockerignore leaves it out)"
    return summary.removeprefix("Build error: ").partition(" &imagebuilder.Step")[0]


def _short(text: str, most: int = 120) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
