"""Which representation a client gets."""

import pytest

from pilothouse.engine.apiserver.request.negotiate import JSON, YAML, choose, choose_stream
from pilothouse.model.errors import NotAcceptable

TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"


@pytest.mark.parametrize(
    "accept",
    ["", "*/*", "application/json;q=0", "application/xml, application/json", "application/vnd.kubernetes.protobuf,application/json"],
)
def test_json_is_what_most_clients_get(accept: str) -> None:
    assert choose(accept) == (JSON, "", "v1")


def test_the_first_type_that_is_served_wins() -> None:
    assert choose("application/yaml;q=0.1, application/json").media == YAML
    assert choose(f"{TABLE}, application/json").view == "Table"


def test_an_unknown_view_is_passed_over_and_refused_when_nothing_is_left() -> None:
    assert choose("application/json;as=Table;v=v9;g=meta.k8s.io, application/json").view == ""
    with pytest.raises(NotAcceptable, match="only the following media types are accepted"):
        choose("application/json;as=Table;v=v9;g=meta.k8s.io")


def test_a_media_type_nobody_serves_is_406() -> None:
    with pytest.raises(NotAcceptable, match="406: Not Acceptable"):
        choose("text/html")


def test_a_watch_is_never_yaml() -> None:
    with pytest.raises(NotAcceptable):
        choose_stream("application/yaml")
