from pathlib import Path

import pytest

from pilothouse.platform.builds.environment.files import IN_BUILD
from pilothouse.platform.builds.inside.settings import Settings
from pilothouse.platform.builds.inside.steps import FOLDER, Steps, proxy_options, with_variables


def steps(tmp_path: Path, *, credentials: dict[str, str] | None = None, **files: str) -> Steps:
    """With the files of the environment (`pip_conf` for `pip.conf`) and of the credentials."""
    for folder, given in (
        ("environment", {name.replace("_", "."): text for name, text in files.items()}),
        ("credentials", credentials or {}),
    ):
        (tmp_path / folder).mkdir()
        for name, text in given.items():
            (tmp_path / folder / name).write_text(text)
    environ = {"ENVIRONMENT": str(tmp_path / "environment"), "CREDENTIALS": str(tmp_path / "credentials"), "STEPS": str(tmp_path / "steps")}
    return Steps(Settings.of(environ), {})


def places(made: Steps) -> set[str]:
    return {option.split(":")[1] for option in made.mounts() if option != "--volume"}


def test_the_steps_see_the_files_where_the_settings_say_that_they_are() -> None:
    assert FOLDER == IN_BUILD


def test_only_settings_that_say_something_reach_the_steps(tmp_path: Path) -> None:
    made = steps(tmp_path, pip_conf="[global]\n", npmrc="")
    assert places(made) == {FOLDER, "/etc/pip.conf"}
    assert made.variables == {}


def test_without_settings_nothing_is_mounted(tmp_path: Path) -> None:
    assert list(steps(tmp_path).mounts()) == []


def test_yarn_and_pnpm_see_the_settings_of_npm_wherever_node_is(tmp_path: Path) -> None:
    assert places(steps(tmp_path, npmrc="a=b\n")) == {FOLDER, "/etc/npmrc", "/usr/etc/npmrc", "/usr/local/etc/npmrc"}


@pytest.mark.parametrize(
    "variable", ["SSL_CERT_FILE", "CURL_CA_BUNDLE", "GIT_SSL_CAINFO", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS", "CARGO_HTTP_CAINFO"]
)
def test_certificates_reach_programs_by_their_own_variable(tmp_path: Path, variable: str) -> None:
    assert steps(tmp_path, ca_crt="PEM").variables[variable] == f"{FOLDER}/ca.crt"


def test_wget_and_java_have_the_certificates_in_files_of_their_own(tmp_path: Path) -> None:
    made = steps(tmp_path, ca_crt="PEM")
    assert (made.folder / "wgetrc").read_text() == "ca_certificate = /run/pilothouse/ca.crt\n"
    assert "-Djavax.net.ssl.trustStore=/run/pilothouse/java.jks" in made.variables["JAVA_TOOL_OPTIONS"]


def test_a_file_with_credentials_stands_before_the_one_without(tmp_path: Path) -> None:
    made = steps(tmp_path, credentials={"npmrc": "full"}, npmrc="plain", pip_conf="plain")
    assert (made.folder / "npmrc").read_text() == "full"
    assert (made.folder / "pip.conf").read_text() == "plain"


def test_java_has_the_proxies_without_their_passwords() -> None:
    environ = {"http_proxy": "http://ann:secret@proxy:3128", "https_proxy": 'http://"; -Devil', "no_proxy": "localhost,.example.org"}
    assert proxy_options(environ) == ["-Dhttp.proxyHost=proxy", "-Dhttp.proxyPort=3128", "-Dhttp.nonProxyHosts=localhost|*.example.org"]


def test_variables_are_arguments_of_the_stages_that_run_something() -> None:
    text = "FROM a AS x\nRUN b\nFROM c\nCOPY --from=x /d /d\nFROM \\\n  e\nRUN f\n"
    given, stages = with_variables(text, {"A": "1 2"})
    assert given == 'FROM a AS x\nARG A="1 2"\nRUN b\nFROM c\nCOPY --from=x /d /d\nFROM \\\n  e\nARG A="1 2"\nRUN f\n'
    assert stages == {1, 3}
    assert with_variables(text, {}) == (text, frozenset())
