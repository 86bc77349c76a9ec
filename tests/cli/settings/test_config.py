import pytest
from click.testing import CliRunner

from pilothouse.cli.main import ph
from pilothouse.cli.settings.config import rows_of

CERTIFICATE = "-----BEGIN CERTIFICATE-----\nAA\n-----END CERTIFICATE-----\n"


def row(key: str, values: dict[str, str], found: dict[str, list[str]]) -> tuple[str, str]:
    return next((each["value"], each["origin"]) for each in rows_of(values, found) if each["key"] == key)


def test_a_setting_is_shown_with_where_it_is_from() -> None:
    found = {"pip.index-url": ["https://pypi.example.org/simple", "/etc/pip.conf"]}
    assert row("pip.index-url", {}, found) == ("https://pypi.example.org/simple", "/etc/pip.conf")
    assert row("pip.index-url", {"pip.index-url": "https://mine"}, found) == ("https://mine", "set")
    assert row("npm.registry", {}, found) == ("", "")


def test_certificates_are_counted_and_added_to_those_that_were_found() -> None:
    found = {"ca": ["2 certificates", "/etc/ssl/cert.pem"]}
    assert row("ca", {"ca": CERTIFICATE}, found) == ("1 certificate, and 2 certificates", "set, and /etc/ssl/cert.pem")


def test_passwords_of_addresses_are_not_shown() -> None:
    assert row("proxy.http", {"proxy.http": "http://ann:secret@proxy:3128"}, {})[0] == "http://ann:***@proxy:3128"


@pytest.mark.parametrize(("key", "said"), [("npm.registri", "did you mean npm.registry? There are "), ("x", "there are pip.index-url, ")])
def test_an_unknown_setting_is_answered_with_the_known_ones(key: str, said: str) -> None:
    done = CliRunner().invoke(ph, ["config", "unset", key])
    assert done.exit_code == 1
    assert f"Error: there is no setting {key}: {said}" in done.output


@pytest.mark.parametrize(("key", "value"), [("pip.index-url", "https://ann:s3cret@host/simple"), ("npm.token", "s3cret")])
def test_a_secret_is_not_taken_from_the_command_line(key: str, value: str) -> None:
    done = CliRunner().invoke(ph, ["config", "set", key, value])
    assert done.exit_code == 1
    assert f"`ph config set {key} - < FILE` reads it from a file" in done.output
    assert "s3cret" not in done.output
