"""The question that authorization answers: may this user do this there?"""

from dataclasses import dataclass

from pilothouse.engine.apiserver.identity import User
from pilothouse.model.errors import Forbidden, echo
from pilothouse.model.selector import FieldSelector


@dataclass(frozen=True, slots=True)
class Attributes:
    """path: of a request that is for no resource; everything else is empty then, but the verb.

    fields, labels: what a collection is narrowed to; labels as the selector was sent.
    """

    user: User
    verb: str
    namespace: str = ""
    group: str = ""
    resource: str = ""
    subresource: str = ""
    name: str = ""
    path: str = ""
    fields: FieldSelector | None = None
    labels: str = ""

    def selected(self, field: str) -> str:
        """The one value of a field that the collection is narrowed to, "" when it is not."""
        return (self.fields.exact(field) or "") if self.fields is not None else ""

    @property
    def resource_path(self) -> str:
        """`pods`, `pods/log`: how rules name resources."""
        return f"{self.resource}/{self.subresource}" if self.subresource else self.resource


def forbidden(asked: Attributes, why: str = "") -> Forbidden:
    """The refusal in upstream's words. why: the authorizers' reason, if they have one."""
    why = f": {why}" if why else ""
    who = f'User "{asked.user.name}" cannot {asked.verb}'
    if asked.path:
        return Forbidden(f'forbidden: {who} path "{echo(asked.path)}"{why}', details={})
    where = f'in the namespace "{echo(asked.namespace)}"' if asked.namespace else "at the cluster scope"
    text = f'{who} resource "{echo(asked.resource_path)}" in API group "{echo(asked.group)}" {where}{why}'
    return Forbidden.of(asked.resource, asked.name, text, asked.group)
