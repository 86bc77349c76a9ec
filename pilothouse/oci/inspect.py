"""Images of any registry, looked at from this machine without being pulled: by skopeo, with the machine's own credentials and mirrors."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from pilothouse.aio.process import Completed, ProcessTimeout, run
from pilothouse.model.json import Object, loads

_LIMIT_S = 30
_DIGEST = re.compile(r"@(sha256:[0-9a-f]{64})$")
_LEVEL = re.compile(r'^time="[^"]*" level=\w+ msg="(.*)"$')


class InspectError(Exception):
    """An image that cannot be looked at: half a sentence with the cause."""


class MissingImage(InspectError):
    """Its registry answers and does not have it."""


@dataclass(frozen=True, slots=True)
class Inspected:
    """reference: by its digest, so that it never changes. env, labels: of the image's config, for this machine's architecture."""

    reference: str
    env: Mapping[str, str]
    labels: Mapping[str, str]


async def inspect(reference: str, *, plain: bool = False) -> Inspected:
    """reference: as pods write it. plain: whether its registry speaks HTTP. Raises InspectError."""
    argv = ["skopeo", "inspect", "--no-tags", f"--tls-verify={str(not plain).lower()}", f"docker://{_asked(reference)}"]
    try:
        done = await run(argv, timeout_s=_LIMIT_S)
    except FileNotFoundError as error:
        raise InspectError("skopeo is missing on the platform's machine") from error
    except ProcessTimeout as error:
        raise InspectError(f"its registry did not answer within {_LIMIT_S} s") from error
    if done.returncode != 0:
        raise _error(done)
    return _read(reference, loads(done.stdout.decode()))


def digest_of(reference: str) -> str:
    """The digest that a reference ends with; "" where it names a tag, or nothing."""
    found = _DIGEST.search(reference)
    return found[1] if found else ""


def pinned(reference: str, digest: str) -> str:
    """The reference by a digest, without its tag."""
    before, slash, last = reference.partition("@")[0].rpartition("/")
    return f"{before}{slash}{last.partition(':')[0]}@{digest}"


def _asked(reference: str) -> str:
    """Of a tag and a digest, which pods may name together, skopeo takes the digest alone."""
    digest = digest_of(reference)
    return pinned(reference, digest) if digest else reference


def _read(reference: str, document: Object) -> Inspected:
    env = dict(each.partition("=")[::2] for each in document.get("Env") or ())
    return Inspected(pinned(reference, document["Digest"]), env, document.get("Labels") or {})


def _error(done: Completed) -> InspectError:
    lines = [line for line in done.stderr.decode(errors="replace").splitlines() if line.strip()]
    last = lines[-1].strip() if lines else "skopeo gave no reason"
    found = _LEVEL.match(last)
    text = (found[1] if found else last).replace('\\"', '"')
    if re.search(r"manifest unknown|name unknown|not found", text):
        return MissingImage("its registry has no such image")
    if re.search(r"unauthorized|authentication required|denied", text):
        return InspectError("its registry wants a login")
    return InspectError(text[-300:])
