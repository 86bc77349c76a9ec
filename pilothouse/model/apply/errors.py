"""How an apply fails."""

from collections.abc import Mapping, Sequence

from pilothouse.model.apply.managers import Manager


class ApplyError(Exception):
    """The applied configuration does not have the shape of its schema. message: with the path, such as `.spec.nope: ...`."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class Conflicts(Exception):
    """Other managers have set the fields that this apply would change. by: their paths, by manager."""

    def __init__(self, by: Mapping[Manager, Sequence[str]]) -> None:
        super().__init__(f"conflicts with {len(by)} managers")
        self.by = by
