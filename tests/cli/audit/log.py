"""A home with an audit log."""

import time
from pathlib import Path

from pilothouse.engine.apiserver.audit.files import CURRENT, Bounds, put_aside, tidy
from pilothouse.model import meta
from pilothouse.model.json import Object, dumps


def event(user: str, verb: str, path: str, code: int = 200, *, ago_s: float = 0, stage: str = "ResponseComplete") -> Object:
    """path: RESOURCE[.GROUP] NAMESPACE NAME, separated by blanks; a namespace of `-` is none."""
    resource, namespace, name = path.split()
    plural, _, group = resource.partition(".")
    plural, _, subresource = plural.partition("/")
    reference = {"resource": plural, "namespace": namespace, "name": name, "apiGroup": group, "subresource": subresource}
    return {
        **{"kind": "Event", "stage": stage, "verb": verb, "user": {"username": user}, "sourceIPs": ["10.0.0.1"]},
        "objectRef": {key: value for key, value in reference.items() if value not in ("", "-")},
        "responseStatus": {"code": code},
        "stageTimestamp": meta.rfc3339(time.time() - ago_s).replace("Z", ".000000Z"),
    }


class Log:
    def __init__(self, home: Path) -> None:
        self.folder = home / "log" / "audit"
        self.folder.mkdir(parents=True, exist_ok=True)

    def add(self, *events: Object) -> None:
        with (self.folder / CURRENT).open("ab") as file:
            file.writelines(dumps(each) + b"\n" for each in events)

    def rotate(self, *, compress: bool = False) -> None:
        put_aside(self.folder, time.time())
        if compress:
            tidy(self.folder, Bounds(), time.time())
