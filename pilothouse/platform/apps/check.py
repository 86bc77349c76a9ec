"""What an App may hold: the rules that people meet, with the field, the value and a way out (pure).

The command line asks before anything is built, the controller for an App of plain YAML. The schema (`types`) has the same
patterns, so that an API server refuses what breaks them; what a schema cannot say is only here.
"""

import re
from collections.abc import Iterator

from pilothouse.model import meta
from pilothouse.model.cron import utc as cron
from pilothouse.model.json import Object
from pilothouse.model.quantity import QuantityError, parse
from pilothouse.platform.apps import autoscale, processes
from pilothouse.platform.apps.patterns import HOST, IMAGE, NAME, QUANTITY
from pilothouse.platform.apps.processes import RELEASE, WEB, deployment_name
from pilothouse.platform.apps.volumes import check as volumes

LEAST_MEMORY = 4 * 1024 * 1024
"""Bytes under which no container starts."""
LEAST_STORAGE = 1024 * 1024
"""Bytes under which no file system has room for files."""
_LEAST = {"memory": LEAST_MEMORY, "storage": LEAST_STORAGE}
_USE = {"memory": "starts", "storage": "fits"}
_EXAMPLES = {"cpu": "500m (half a core) or 2", "memory": "256Mi or 1Gi", "storage": "500Mi or 10Gi"}
_PROCESS = re.compile(r"[a-z0-9]([-a-z0-9]{0,28}[a-z0-9])?")
_UNITS = re.compile(r"([0-9.]+) *([kmgt])(i?)b?", re.IGNORECASE)


def app(obj: Object) -> list[str]:
    """Every fault of an App, as sentences."""
    spec = obj["spec"]
    found = [name(meta.name(obj)), image(spec.get("image") or "")]
    found += [host(each) for each in spec.get("hosts") or ()]
    found += [quantity(key, value) for key, value in (spec.get("resources") or {}).items()]
    found += [health((spec.get("health") or {}).get("path") or "")]
    found += [*_processes(obj), *autoscale.faults(obj), *volumes.faults(obj, [each.name for each in processes.of(obj)], quantity)]
    return [fault for fault in found if fault]


def name(text: str) -> str:
    """Each check returns a sentence, or "" when all is well."""
    if re.fullmatch(NAME, text):
        return ""
    example = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-0123456789")[:63].strip("-")
    shown = f"{text[:40]}..." if len(text) > 63 else text
    rule = "use at most 63 lower case letters, digits and dashes, a letter first"
    return f"{shown!r} is no name for an app: {rule}" + (f", such as {example}" if example else "")


def host(text: str) -> str:
    if re.fullmatch(HOST, text) and len(text) <= 253:
        return ""
    bare = re.sub(r"^[a-z]+://", "", text.lower()).split("/")[0].split(":")[0].strip(".").replace("_", "-")
    example = bare if re.fullmatch(HOST, bare) else "shop.example.org"
    return f"{text!r} is no host name: write it without scheme, port and path, such as {example}"


def image(text: str) -> str:
    if re.search(IMAGE, text):
        return ""
    return f"{text!r} is no image: write REPOSITORY:TAG in lower case, such as docker.io/library/nginx:1.27"


def health(path: str) -> str:
    if path and not path.startswith("/"):
        return f"the health path {path!r} does not begin with a slash: write /{path}"
    if re.search(r"[\s#]", path):
        return f"the health path {path!r} holds a blank or a #: write a path such as /healthz"
    return ""


def variable(key: str) -> str:
    if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", key):
        return ""
    return f"{key!r} is no name for a variable: use letters, digits and _, no digit first"


def quantity(resource: str, text: str) -> str:
    """resource: cpu, memory or storage."""
    examples = _EXAMPLES[resource]
    if not re.search(QUANTITY, text):
        return f"{text!r} is no amount of {resource}: write {_meant(resource, text) or examples}"
    try:
        amount = parse(text).amount if text else None
    except QuantityError:
        return f"{text!r} is no amount of {resource}: write {examples}"
    if amount is not None and amount <= 0:
        return f"{text!r} is no amount of {resource}: it must be more than nothing, such as {examples}"
    if amount is not None and amount < _LEAST.get(resource, 0):
        bytes_ = "less than a byte" if amount < 1 else f"{int(amount)} bytes"
        return f"{text!r} of {resource} is {bytes_}, in which nothing {_USE[resource]}: write {_meant(resource, text) or examples}"
    return ""


def _meant(resource: str, text: str) -> str:
    found = _UNITS.fullmatch(text.strip())
    if resource == "cpu" or found is None:
        return ""
    number, unit, binary = found[1], found[2].upper(), found[3]
    plain = "k" if unit == "K" else unit
    return f"{number}{unit}i" if binary else f"{number}{unit}i (or {number}{plain}, powers of 1000)"


def _processes(obj: Object) -> Iterator[str]:
    spec = obj["spec"]
    for key, given in (spec.get("processes") or {}).items():
        if not _PROCESS.fullmatch(key):
            yield f"{key!r} is no name for a process: use at most 30 lower case letters, digits and dashes"
            continue
        if len(deployment_name(obj, key)) > 63:
            yield f"the names of app {meta.name(obj)} and process {key} are longer than 62 letters together: shorten one"
        yield from (quantity(each, value) for each, value in (given.get("resources") or {}).items())
        yield from _kept_apart(spec, key, given)
        yield schedule(given.get("schedule") or "")


def schedule(text: str) -> str:
    try:
        if text:
            cron.parse(text)
    except cron.ScheduleError as error:
        return str(error)
    return ""


def _kept_apart(spec: Object, key: str, given: Object) -> Iterator[str]:
    if key == WEB and (given.get("replicas") is not None or given.get("schedule")):
        yield "process web runs all the time, with spec.replicas: leave its own replicas and schedule out"
    if key == RELEASE and (given.get("replicas") is not None or given.get("schedule")):
        yield "process release runs once before a rollout: leave its replicas and schedule out"
    if key not in (WEB, RELEASE) and given.get("schedule") and given.get("replicas") is not None:
        yield f"process {key} has a schedule, so one runs at a time: leave its replicas out"
    for words in ("command", "args"):
        if key == WEB and given.get(words) and spec.get(words):
            yield f"spec.{words} and spec.processes.web.{words} say the same thing: leave one out"
