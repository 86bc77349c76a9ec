"""Which representation a client gets."""

import pytest

from pilothouse.engine.apiserver.request.negotiate import JSON, MOST_CLAUSES, YAML, choose, choose_stream, clauses, media_of_error
from pilothouse.model.errors import NotAcceptable

TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"


@pytest.mark.parametrize(
    "accept",
    ["", "*/*", "application/json;q=0", "application/xml, application/json", "application/vnd.kubernetes.protobuf,application/json"],
)
def test_json_is_what_most_clients_get(accept: str) -> None:
    assert choose(accept) == (JSON, "", "v1")


def test_what_is_weighed_most_wins_and_the_first_among_equals() -> None:
    assert choose("application/yaml;q=0.1, application/json").media == JSON
    assert choose("application/yaml, application/json").media == YAML
    assert choose("application/yaml;q=x, application/json").media == YAML
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


def test_of_a_header_of_thousands_of_types_the_first_count() -> None:
    assert len(clauses("a/b," * 20_000)) == MOST_CLAUSES
    assert choose("a/b," * 20 + "application/yaml").media == "application/yaml"
    assert media_of_error("application/yaml," + "a/b," * 20_000) == "application/yaml"
