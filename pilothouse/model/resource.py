"""What a resource is: where it lives in the URL space, how it is named, what may be done with it."""

from dataclasses import dataclass
from urllib.parse import quote

VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")


@dataclass(frozen=True, slots=True)
class Resource:
    """A served resource. Built-in ones are constants of `model.kinds`; custom ones are made from their CRD.

    group: "" for core/v1. plural: as in URLs ("pods"). subresources: names as in URLs ("status", "scale", "log").
    verbs: empty for resources that exist only as subresources of others (pods/binding).
    """

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool = True
    singular: str = ""
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    verbs: tuple[str, ...] = VERBS
    subresources: tuple[str, ...] = ()
    custom: bool = False

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def group_resource(self) -> str:
        """`deployments.apps`, or `pods` for the core group: what error messages and the store's keys use."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    def path(self, namespace: str | None = None, name: str | None = None, subresource: str | None = None) -> str:
        """The URL path of the collection, of one object, or of an object's subresource; names are percent-encoded."""
        parts = ["/apis", self.group, self.version] if self.group else ["/api", self.version]
        if self.namespaced and namespace:
            parts += ["namespaces", _segment(namespace)]
        parts += [part for part in (self.plural, _segment(name or ""), subresource) if part]
        return "/".join(parts)


def _segment(name: str) -> str:
    """A name as one segment of a path, whatever characters it holds; `.` and `..` would be read as folders."""
    if name in (".", ".."):
        return name.replace(".", "%2E")
    return name if name.isalnum() and name.isascii() else quote(name, safe=":@!$&'()*+,;=")
