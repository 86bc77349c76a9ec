"""Why a build failed, in one sentence: where, and the first error of its output, which is the cause of those behind it.

Package managers close with a line that says nothing ("exit status 1", "This error originates from a subprocess"); what matters
stands above it. Standard library alone: this runs in the builder.
"""

import itertools
import re
from dataclasses import dataclass

from pilothouse.platform.builds.dockerfile import line_of

_STEP = re.compile(r"^(?:\[\d+/\d+\] )?STEP \d+/\d+: (.*)$")
_SUMMARY = re.compile(r'^Error: building at STEP ".*?": ')
_EXIT = re.compile(r"^(?:exit status|while running runtime: exit status) \d+$")
_KILLED = re.compile(r"^(?:exit status|while running runtime: exit status) 137$|signal: killed|: Killed$")
_COPY = re.compile(r'copier: stat: "(?P<path>[^"]+)": no such file or directory')
_NO_MATCH = re.compile(r"no items matching glob \"(?P<path>[^\"]+)\" copied")
_SECRET = re.compile(r'secret required but no secret with id "(?P<id>[^"]*)" found')
_NPM = re.compile(r"^npm (?:ERR!|error)(?= [A-Z])")
_RUST_PLACE = re.compile(r"^--> (\S+)$")
_NO_FILE = re.compile(r"Could not open requirements file: .*No such file or directory: '(?P<path>[^']+)'")
_OTHER_PYTHON = re.compile(r"^ERROR: Ignored the following versions that require a different python version: ")
_REQUIRES_PYTHON = re.compile(r"Requires-Python ([^;]+)")
_NO_DISTRIBUTION = re.compile(r"^ERROR: No matching distribution found for (.+)$")
_TRACEBACK = re.compile(r"^Traceback \(most recent call last\):")
_EXCEPTION = re.compile(r"^(?:[a-zA-Z_]\w*\.)*[A-Z]\w*(?:Error|Exception|Warning|Exit|Interrupt|ImproperlyConfigured)\b(?:: .*)?$")

_DISK = re.compile(r"No space left on device|ENOSPC|no space left|Disk quota exceeded|os error 28", re.IGNORECASE)
_CERTIFICATE = re.compile(
    r"CERTIFICATE_VERIFY_FAILED|SELF_SIGNED_CERT|self.signed certificate|UNABLE_TO_(?:GET_ISSUER|VERIFY_LEAF)|x509: certificate"
    r"|certificate verif(?:y|ication) failed|SSL certificate problem|unable to get local issuer|PKIX path building failed",
    re.IGNORECASE,
)
_NETWORK = re.compile(
    r"Temporary failure (?:in name resolution|resolving)|Could not resolve|Name or service not known|getaddrinfo (?:EAI_AGAIN|ENOTFOUND)"
    r"|EAI_AGAIN"
    r"|Network is unreachable|No route to host"
    r"|Connection (?:refused|timed out|reset by peer)|ECONNREFUSED|ETIMEDOUT|ECONNRESET|i/o timeout"
    r"|dial tcp .*: |TLS handshake timeout|Unknown host|UnknownHostException|ConnectTimeoutError"
    r"|Tunnel connection failed|Max retries exceeded|Could not reach host|error sending request for url|Connection failed \[IP",
    re.IGNORECASE,
)
_MEMORY = re.compile(
    r"Cannot allocate memory|JavaScript heap out of memory|java\.lang\.OutOfMemoryError|MemoryError|fatal error: Killed signal",
    re.IGNORECASE,
)

_COMPILERS = re.compile(
    r"^\S+\.\w+:\d+(?::\d+)?: (?:fatal )?error: ?\S"  # gcc, clang, javac
    r"|^(?:\./)?\S+\.go:\d+:\d+: "
    r"|^\S+\(\d+,\d+\): error TS\d+|^\S+:\d+:\d+ - error TS\d+|^error TS\d+"
    r"|^error(?:\[E\d+\])?: (?!could not compile|aborting|build failed|failed to run custom build|Recipe"  # cargo, setuptools
    r"|subprocess|metadata-generation|legacy-install)"
    r"|^\[ERROR\] (?!Failed to execute goal|To see|Re-run|For more|Help|\[Help|After correcting|COMPILATION ERROR|-> |\s|$"
    r"|\[ERROR\] |The build could not read |Plugin \S+ or one of its dependencies)"  # Maven: what follows names the cause
    r"|^(?:PHP )?(?:Parse|Fatal) error: |^SyntaxError: |^Module not found: |^\[vite\].*error|^✘ \[ERROR\] |^ERROR in "
)
_PACKAGES = re.compile(
    r"^ERROR: (?!Failed building wheel|Failed to build|Exception:|Command errored|Could not build wheels"  # pip
    r"|Could not find a version that satisfies)"
    r"|^npm (?:ERR!|error) (?!code |errno |syscall |path |command |dest |A complete log"
    r"|cwd |Lifecycle|Exit |\s*$|.*-debug)"
    r"|^error (?!Command failed|An unexpected error occurred: \"?$)\S"  # yarn 1
    r"|^➤ YN0*(?!0000|0013|0002|0060)\d+: (?!.*(?:Fetch|Resolution|Link) step)|^\s?ERR_PNPM_\w+"
    r"|^E: (?!Sub-process|Some index files)|^W: Failed to fetch"
    r"|^go: (?!downloading|finding|extracting|added|upgraded)\S|^(?:\S+: )?no required module provides package|cannot find (?:main )?module"
    r"|^\[FATAL\] |^\[ERROR\] Plugin |^FAILURE: |^> Could not |^\* What went wrong"
    r"|^\s*- (?:Root composer\.json requires|\S+ \S+ requires ext-)|^Composer could not find"
    r"|^Could not find (?:gem|compatible versions)|^Bundler could not find"
    r"|^Gem::\w+Error|^Your Ruby version is|^An error occurred while installing"
    r"|requires a different Python|^Because .* depends on |^\u00d7 No solution found|^The lock file|^Could not parse"
)
_SHELL = re.compile(r": not found$|command not found|^make: \*\*\*|: Permission denied$|No such file or directory$|^fatal: ")
_NOISE = re.compile(
    r"^(?:subprocess exited|error building|time=|exit status|\[notice\]|WARNING: Running pip|DEPRECATION|note: |hint: "
    r"|npm (?:WARN|warn|notice|(?:ERR!|error) (?:code|errno|syscall))"
    r"|error: subprocess-exited-with-error|\[end of output\]|exit code: |\u00d7 (?!No solution)|╰─> |│ "
    r"|To see the full stack trace|Error: exit status|while running runtime"
    r"|Picked up (?:JAVA_TOOL|JDK_JAVA)_OPTIONS|NOTE: Picked up"
    r"|error: cannot run ssh|fatal: unable to fork)"  # git's after Composer could not fetch by HTTPS
)
_TELLING = re.compile(r"\b(?:error|ERR!|fatal|failed|not found|no such|cannot|denied|unable|invalid)\b", re.IGNORECASE)

_REFUSED = re.compile(
    r"Incorrect or missing password|Unable to authenticate"
    r"|\bE40[13]\b|40[13] (?:Unauthorized|Forbidden)|Bad username or password"
    r"|status code:? ?40[13]|authentication (?:required|failed)|Authentication is required|\bUser for \S+: |\b40[13] (?:Client )?Error\b",
    re.IGNORECASE,
)
_LOGIN_HINT = " (a login was refused: the operator gives builds passwords and tokens with `ph config set build.credentials NAMESPACE`)"
_CA_HINT = " (a certificate was refused: set the CA that your mirror uses with `ph config set ca FILE`)"
_NETWORK_HINT = " (the network was not reached from the build: set a mirror or a proxy with `ph config`)"
_DISK_HINT = "the disk is full"
_MEMORY_HINT = " (the memory ran out: build with less at a time, or give the machine more)"

_PURPOSES = (
    (
        re.compile(
            r"\b(?:pip3? install|uv (?:sync|pip)|poetry (?:install|export)|pdm (?:install|sync)|pipenv"
            r"|npm (?:ci|i|install)|yarn install|pnpm (?:i|install))\b"
        ),
        "installing the dependencies",
    ),
    (
        re.compile(r"\b(?:composer install|bundle install|go mod download|cargo fetch|mvn (?:\S+ )*dependency)\b"),
        "installing the dependencies",
    ),
    (
        re.compile(r"\b(?:npm run|yarn (?:run )?build|pnpm (?:run )?build|go build|cargo build|javac|mvn|gradlew?|collectstatic)\b"),
        "building the app",
    ),
    (re.compile(r"\bapt(?:-get)? "), "installing system packages"),
)


@dataclass(frozen=True, slots=True)
class _Where:
    """shown: the instruction as buildah printed it, "" before the first."""

    shown: str
    line: int | None
    is_generated: bool

    def sentence(self, cause: str) -> str:
        if not self.shown:
            return cause or "the build ended before its first step"
        if self.is_generated:
            return f"{_purpose(self.shown)} failed{f': {cause}' if cause else ''}"
        where = f"Dockerfile line {self.line}" if self.line else "Dockerfile"
        return f"{where}: {_short(self.shown)}: {cause}" if cause else f"{where}: {_short(self.shown)} failed"


def explain(dockerfile: str, log: str, *, is_generated: bool = False) -> str:
    """One sentence; never empty. is_generated: the user has no Dockerfile, so the step is named by what it is for."""
    lines = [line.rstrip() for line in log.splitlines() if line.strip()]
    shown, output = _last_step(lines)
    return _Where(shown, line_of(dockerfile, shown) if shown else None, is_generated).sentence(_cause(output, shown))


def _last_step(lines: list[str]) -> tuple[str, list[str]]:
    for index in range(len(lines) - 1, -1, -1):
        if found := _STEP.match(lines[index]):
            return found[1], lines[index + 1 :]
    return "", lines


def _purpose(shown: str) -> str:
    word, _, rest = shown.partition(" ")
    if word == "RUN":
        return next((purpose for pattern, purpose in _PURPOSES if pattern.search(rest)), f"the step `{_short(rest)}`")
    return {"COPY": "copying the source", "ADD": "copying the source", "FROM": f"getting the base image {rest.partition(' ')[0]}"}.get(
        word, shown
    )


def _cause(lines: list[str], step: str) -> str:
    """What stops every step first (disk, memory, network), then what buildah itself says is wrong, then the first error of a program."""
    plain = [line.strip() for line in lines if not _SUMMARY.match(line) and not _NOISE.match(line.strip())]
    summary = next((_without_step(line, step) for line in reversed(lines) if _SUMMARY.match(line)), "")
    if full := _first(_DISK, [*plain, summary]):
        return f"{_DISK_HINT}: {_short(full, 200)}"
    if summary and not _EXIT.match(summary) and not _KILLED.search(summary):
        return _short(_own_words(summary), 300)
    if found := _first(_MEMORY, plain):
        return _short(found, 250) + _MEMORY_HINT
    if found := _first(_COMPILERS, plain):
        return _short(_in_full(found, plain), 300)
    if found := _first(_CERTIFICATE, plain):
        return _short(_sober(found, plain), 250) + _CA_HINT
    if found := _first(_REFUSED, plain):
        return _short(_sober(found, plain), 250) + _LOGIN_HINT
    if found := _first(_NETWORK, plain):
        return _short(_sober(found, plain), 250) + _NETWORK_HINT
    if _KILLED.search(summary):
        return f"it was killed{_MEMORY_HINT}"
    return _short(_program_error(plain) or summary, 300)


def _program_error(plain: list[str]) -> str:
    """The first error by the patterns of package managers, interpreters and shells; else what sounds like one; else the last line."""
    found = [text for text in (_first(_PACKAGES, plain), _exception(plain)) if text]
    if found:
        return _in_full(min(found, key=plain.index), plain)
    return _first(_SHELL, plain) or _first(_TELLING, plain) or (plain[-1] if plain else "")


def _exception(plain: list[str]) -> str:
    """The line that ends the first traceback."""
    start = next((i for i, line in enumerate(plain) if _TRACEBACK.match(line)), None)
    return _first(_EXCEPTION, plain[start:]) if start is not None else ""


def _first(pattern: "re.Pattern[str]", lines: list[str]) -> str:
    return next((line for line in lines if pattern.search(line)), "")


def _sober(line: str, plain: list[str]) -> str:
    """A closing error that names the address says more than the first retry."""
    if not re.search(r"Retry|Retrying", line):
        return line
    return next((each for each in plain if re.search(r"^(?:ERROR|E|npm ERR!|npm error|error)\b", each)), line)


def _in_full(line: str, plain: list[str]) -> str:
    """With the lines that belong to it, and in words for users where a program's own mislead."""
    if missing := _NO_FILE.search(line):
        return f"the requirements name a file {missing['path']} that is not in the image at this step: copy it before the install"
    if _OTHER_PYTHON.match(line):
        return _other_python(line, plain)
    behind = plain[plain.index(line) + 1 :][:2]
    if behind and (place := _RUST_PLACE.match(behind[0])):
        return f"{line} ({place[1]})"
    if npm := _NPM.match(line):
        rest = itertools.takewhile(lambda each: each.startswith(f"{npm[0]} ") and not line.endswith((".", '"')), behind)
        return " ".join([line, *(each.removeprefix(npm[0]).strip() for each in rest)])
    return line


def _other_python(line: str, plain: list[str]) -> str:
    """pip names each version that it left out before it says what it was looking for."""
    sought = next((found[1] for each in plain if (found := _NO_DISTRIBUTION.match(each))), "")
    if not sought:
        return line
    ranges = list(dict.fromkeys(found.strip() for found in _REQUIRES_PYTHON.findall(line)))
    asked = " or ".join([*ranges[:3], *(["others"] if ranges[3:] else [])])
    return (
        f"no version of {sought} is for the image's Python; those left out ask for Python {asked}: name another in .python-version or FROM"
    )


def _without_step(line: str, step: str) -> str:
    """The instruction may hold quotes itself, but is not always repeated as it was printed."""
    whole = f'Error: building at STEP "{step}": '
    return line.removeprefix(whole) if line.startswith(whole) else _SUMMARY.sub("", line)


def _own_words(summary: str) -> str:
    if missing := _COPY.search(summary) or _NO_MATCH.search(summary):
        return f"the source has no {missing['path'].lstrip('/')} (or .dockerignore leaves it out)"
    if secret := _SECRET.search(summary):
        return f"it asks for the secret {secret['id']}, and builds get no secrets here: make the mount required=false, or do without it"
    return summary.removeprefix("Build error: ").partition(" &imagebuilder.Step")[0]


def _short(text: str, most: int = 120) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
