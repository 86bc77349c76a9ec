"""Which patch formats are served, and what is said of others."""

from types import SimpleNamespace
from typing import Any

import pytest

from pilothouse.engine.apiserver.verbs.patch import media
from pilothouse.model.errors import UnsupportedMediaType


@pytest.mark.parametrize("stated", ["application/apply-patch+yaml", "text/plain"])
def test_a_refusal_names_only_formats_that_are_served(stated: str) -> None:
    request: Any = SimpleNamespace(content_type=stated)
    with pytest.raises(UnsupportedMediaType) as refusal:
        media(request, custom=False)
    _, _, accepted = refusal.value.message.partition("accepted media types include: ")
    for each in accepted.split(", "):
        assert media(SimpleNamespace(content_type=each), custom=False) == each  # type: ignore[arg-type]
