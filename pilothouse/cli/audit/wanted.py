"""Which events somebody asks for, and what of each a line shows."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pilothouse.model.json import Object

RECEIVED, STARTED = "RequestReceived", "ResponseStarted"
HEADINGS = ("time", "user", "verb", "what", "result", "from")


@dataclass(frozen=True, slots=True)
class Wanted:
    """Empty conditions let everything through; several values of one condition are alternatives.

    resources: plural names, or `pods/log` for one subresource; a name alone means its subresources too. since: Unix time.
    """

    users: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ()
    namespaces: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    since: float = 0.0
    failed: bool = False

    def matches(self, event: Object) -> bool:
        reference = event.get("objectRef") or {}
        return (
            _one_of(event.get("verb"), self.verbs)
            and _one_of(reference.get("namespace"), self.namespaces)
            and _one_of(reference.get("name"), self.names)
            and (not self.users or any(user in self.users for user in _users(event)))
            and (not self.resources or any(_is_of(reference, resource) for resource in self.resources))
            and (not self.failed or code(event) >= 400)
            and (not self.since or at(event) >= self.since)
        )


def _one_of(value: object, wanted: tuple[str, ...]) -> bool:
    return not wanted or value in wanted


def _users(event: Object) -> list[str]:
    return [(event.get(name) or {}).get("username", "") for name in ("user", "impersonatedUser")]


def _is_of(reference: Object, wanted: str) -> bool:
    resource, subresource = str(reference.get("resource", "")), reference.get("subresource", "")
    asked, slash, below = wanted.partition("/")
    asked, _, group = asked.partition(".")
    return asked in (resource, _singular(resource)) and (not slash or subresource == below) and group in ("", reference.get("apiGroup", ""))


def _singular(plural: str) -> str:
    if plural.endswith("ies"):
        return plural.removesuffix("ies") + "y"
    return plural.removesuffix("es") if plural.endswith(("sses", "xes")) else plural.removesuffix("s")


def code(event: Object) -> int:
    """0 where there is no answer yet."""
    found = (event.get("responseStatus") or {}).get("code", 0)
    return found if isinstance(found, int) else 0


def at(event: Object) -> float:
    """When the stage was reached, as Unix time; 0 for what cannot be read."""
    try:
        return datetime.fromisoformat(event["stageTimestamp"]).timestamp()
    except (KeyError, TypeError, ValueError):
        return 0.0


def is_shown(event: Object) -> bool:
    """One line a request, and one more when something begins that lasts: what is arriving has no result yet."""
    return event.get("stage") != RECEIVED


def row(event: Object) -> list[str]:
    """One cell for each of HEADINGS. What the client chose is freed of characters that a terminal would obey."""
    return [_clean(cell) for cell in (_time(event), _who(event), event.get("verb", ""), _what(event), _result(event), _whence(event))]


def _time(event: Object) -> str:
    when = at(event)
    return datetime.fromtimestamp(when, UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if when else ""


def _who(event: Object) -> str:
    user, other = _users(event)
    name = user or "-"
    return f"{name} as {other}" if other else name


def _what(event: Object) -> str:
    reference = event.get("objectRef")
    if not reference:
        return str(event.get("requestURI", "")).partition("?")[0]
    kind = "/".join(filter(None, (str(reference.get("resource", "")), reference.get("subresource"))))
    group = f".{reference['apiGroup']}" if reference.get("apiGroup") else ""
    place = f" -n {reference['namespace']}" if reference.get("namespace") else ""
    return f"{kind}{group} {reference.get('name') or ''}".rstrip() + place


def _result(event: Object) -> str:
    status = event.get("responseStatus") or {}
    text = f"{code(event) or ''} {status.get('reason') or ''}".strip()
    if not code(event):
        text = str(status.get("message", ""))
    return f"{text} (begins)" if event.get("stage") == STARTED and event.get("user") else text


def _whence(event: Object) -> str:
    addresses = event.get("sourceIPs") or ["the control plane"]
    return str(addresses[-1])


def _clean(value: Any) -> str:
    text = str(value)
    return text if text.isprintable() else "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text)
