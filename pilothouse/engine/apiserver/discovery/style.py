"""What the two versions of OpenAPI write differently."""

from typing import NamedTuple


class Style(NamedTuple):
    """reference: what references to schemas start with."""

    version: int
    reference: str
