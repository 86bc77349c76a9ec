import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilothouse.model import names

LABEL = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric"
GOOD = [
    (names.dns1123_label, ["a", "a-b", "0a", "a" * 63]),
    (names.dns1123_subdomain, ["a", "a.b-c.d", "a" * 253]),
    (names.dns1035_label, ["a", "a-1", "a" * 63]),
    (names.wildcard_subdomain, ["*.example.com"]),
    (names.qualified_name, ["a", "A_b.c", "example.com/A", "a" * 63]),
    (names.label_value, ["", "a", "A_b.c", "a" * 63]),
    (names.config_map_key, ["a", "A_b.c", ".x", "a" * 253]),
    (names.env_var_name, ["A", "a.b-c", "1A", "with space"]),
    (names.port_name, ["http", "h-1"]),
    (names.path_segment, ["a b", "a:b", "..."]),
    (names.http_header_name, ["X-A"]),
    (names.percent, ["0%", "100%", "250%"]),
    (names.fully_qualified_name, ["a.b.c"]),
    (names.domain_prefixed_path, ["acme.io/foo/bar"]),
    (names.ip, ["10.0.0.1", "::1"]),
    (names.cidr, ["10.0.0.1/8", "::/0"]),
]
BAD = [
    (names.dns1123_label, ["", "-a", "a-", "A", "a_b", "a.b", "a" * 64]),
    (names.dns1123_subdomain, ["", "-a", "a..b", "A.b", "a" * 254]),
    (names.dns1035_label, ["", "1a", "a" * 64]),
    (names.wildcard_subdomain, ["example.com", "*", "*."]),
    (names.qualified_name, ["", "/a", "a/", "a/b/c", "A_b/c", "-a", "a" * 64]),
    (names.label_value, ["-", "a ", "ä", "a" * 64]),
    (names.config_map_key, ["", "a b", ".", "..", "..a", "a" * 254]),
    (names.env_var_name, ["", "a=b", "ä", "a\nb"]),
    (names.port_name, ["", "80", "a--b", "-a", "A", "a" * 16]),
    (names.path_segment, [".", "..", "a/b", "a%b"]),
    (names.http_header_name, ["", "a b"]),
    (names.percent, ["", "1", "-1%", "1.5%"]),
    (names.fully_qualified_name, ["a.b"]),
    (names.domain_prefixed_path, ["foo", "acme.io/", "/foo", "A/b"]),
    (names.ip, ["", "1.2.3", "fe80::1%eth0", "01.2.3.4"]),
    (names.cidr, ["10.0.0.1", "10.0.0.0/33", "10.0.0.0/08", "10.0.0.0/255.0.0.0"]),
]


@pytest.mark.parametrize(("validator", "value"), [(validator, value) for validator, values in GOOD for value in values])
def test_good_values_have_no_message(validator: names.Validator, value: str) -> None:
    assert validator(value) == []


@pytest.mark.parametrize(("validator", "value"), [(validator, value) for validator, values in BAD for value in values])
def test_bad_values_have_a_message(validator: names.Validator, value: str) -> None:
    assert validator(value)


def test_a_label_with_dots_is_told_so() -> None:
    assert names.dns1123_label("a.b") == ["must not contain dots"]
    assert names.dns1123_label("A.b")[0].startswith(LABEL)


def test_messages_show_examples_and_the_pattern_as_upstream_does() -> None:
    assert names.dns1035_label("1") == [
        "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an"
        " alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')"
    ]


def test_label_lengths_are_counted_in_bytes() -> None:
    assert names.label_value("a" * 64) == ["must be no more than 63 bytes"]
    assert names.qualified_name("example.com/" + "a" * 64)[0] == "name part must be no more than 63 bytes"


def test_port_names_report_every_fault() -> None:
    assert names.port_name("-8--") == [
        "must contain at least one letter (a-z)",
        "must not contain consecutive hyphens",
        "must not begin or end with a hyphen",
    ]


@pytest.mark.parametrize(("port", "valid"), [(0, False), (1, True), (65535, True), (65536, False)])
def test_port_numbers_have_sixteen_bits(port: int, valid: bool) -> None:
    assert (names.port_number(port) == []) is valid


def test_a_prefix_may_end_with_a_dash() -> None:
    assert names.prefix_of(names.dns1123_label)("web-") == []
    assert names.prefix_of(names.dns1123_label)("Web-")


@given(st.text(st.sampled_from("ab1-_./A"), max_size=70))
def test_label_values_are_those_the_pattern_says(value: str) -> None:
    valid = re.fullmatch("(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?", value) is not None and len(value) <= 63
    assert (names.label_value(value) == []) is valid


@given(st.text(max_size=20))
def test_no_text_makes_a_validator_fail(value: str) -> None:
    for validator, _ in GOOD:
        assert isinstance(validator(value), list)
