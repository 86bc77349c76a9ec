"""The question that authorization answers: may this user do this there?"""

from dataclasses import dataclass

from pilothouse.engine.apiserver.identity import User
from pilothouse.model.errors import Forbidden, qualified


@dataclass(frozen=True, slots=True)
class Attributes:
    """path: of a request that is for no resource; everything else is empty then, but the verb."""

    user: User
    verb: str
    namespace: str = ""
    group: str = ""
    resource: str = ""
    subresource: str = ""
    name: str = ""
    path: str = ""

    @property
    def resource_path(self) -> str:
        """`pods`, `pods/log`: how rules name resources."""
        return f"{self.resource}/{self.subresource}" if self.subresource else self.resource


def forbidden(asked: Attributes, why: str = "") -> Forbidden:
    """The refusal in upstream's words."""
    who = f'User "{asked.user.name}" cannot {asked.verb}'
    if asked.path:
        return Forbidden(f'forbidden: {who} path "{asked.path}"{why}', details={})
    where = f'in the namespace "{asked.namespace}"' if asked.namespace else "at the cluster scope"
    text = f'{who} resource "{asked.resource_path}" in API group "{asked.group}" {where}{why}'
    subject = f' "{asked.name}"' if asked.name else ""
    details = {"name": asked.name, "group": asked.group, "kind": asked.resource}
    return Forbidden(
        f"{qualified(asked.resource, asked.group)}{subject} is forbidden: {text}",
        details={key: value for key, value in details.items() if value},
    )
