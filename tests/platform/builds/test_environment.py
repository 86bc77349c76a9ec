import base64
from pathlib import Path

import pytest

from pilothouse.platform.builds.environment import Found, discover, number, overridden, secret_data, shown


@pytest.fixture
def host(tmp_path: Path) -> Path:
    """A machine with settings of pip, npm and certificates in the places where they are looked for."""
    files = {
        "etc/pip.conf": "[global]\nindex-url = https://old.example.org/simple\ncert = /etc/ssl/ca.pem\n",
        "home/ann/.config/pip/pip.conf": "[global]\nindex-url = https://pypi.example.org/simple\n"
        "extra-index-url =\n    https://more.example.org/simple\n    file:///opt/wheels\nno-cache-dir = true\n",
        "etc/npmrc": "registry=https://npm.example.org/\ncache=/var/npm\n",
        "home/ann/.npmrc": "//npm.example.org/:_authToken=${NPM_TOKEN}\n@us:registry = https://us.example.org/\nprefix=~/.npm\n",
        "etc/ssl/certs/ca-certificates.crt": "-----BEGIN CERTIFICATE-----\nAA\n",
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def surroundings(host: Path, **more: str) -> dict[str, str]:
    empty = host / "apt.conf"
    empty.write_text('Acquire::http::Proxy "http://apt.example.org:3142";\n')
    return {"HOME": "/home/ann", "PATH": "/usr/bin:/bin", "APT_CONFIG": str(empty), **more}


async def test_settings_of_the_host_are_found_and_places_of_this_machine_left_out(host: Path) -> None:
    found = await discover(surroundings(host, NPM_TOKEN="secret", HTTPS_PROXY="http://proxy:3128", no_proxy="localhost"), host)
    assert found.pip == {"index-url": "https://pypi.example.org/simple", "extra-index-url": "https://more.example.org/simple"}
    assert found.npm == {
        "registry": "https://npm.example.org/",
        "//npm.example.org/:_authToken": "secret",
        "@us:registry": "https://us.example.org/",
    }
    assert found.apt_proxy == "http://apt.example.org:3142"
    assert found.proxies == {"https_proxy": "http://proxy:3128", "no_proxy": "localhost"}
    assert found.ca.startswith("-----BEGIN CERTIFICATE")


async def test_variables_win_over_files(host: Path) -> None:
    own = host / "own.conf"
    own.write_text("[install]\ntrusted-host = pypi.example.org\n")
    variables = {"PIP_CONFIG_FILE": "/own.conf", "PIP_INDEX_URL": "https://mine.example.org/simple", "npm_config_registry": "https://n/"}
    found = await discover(surroundings(host, **variables), host)
    assert found.pip["index-url"] == "https://mine.example.org/simple"
    assert found.pip["trusted-host"] == "pypi.example.org"
    assert found.npm["registry"] == "https://n/"


async def test_a_machine_without_settings_and_without_apt_has_none(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/pip.conf").write_text("this is no configuration\n")
    assert await discover({"HOME": "/nowhere", "PATH": str(tmp_path)}, tmp_path) == Found()


def test_what_ph_config_sets_wins_and_certificates_are_added() -> None:
    found = Found(pip={"index-url": "a", "timeout": "5"}, npm={"registry": "b"}, proxies={"http_proxy": "c"}, ca="HOST\n")
    config = {"pip.index-url": "A", "npm.registry": "B", "apt.proxy": "P", "proxy.https": "S", "proxy.no": "N", "ca": "MINE\n"}
    wanted = overridden(found, config)
    assert wanted.pip == {"index-url": "A", "timeout": "5"}
    assert wanted.npm == {"registry": "B"}
    assert wanted.apt_proxy == "P"
    assert wanted.proxies == {"http_proxy": "c", "https_proxy": "S", "no_proxy": "N"}
    assert wanted.ca == "HOST\nMINE\n"


def decoded(found: Found) -> dict[str, str]:
    return {key: base64.b64decode(value).decode() for key, value in secret_data(found).items()}


def test_the_secret_has_a_file_for_each_program() -> None:
    files = decoded(Found(pip={"index-url": "https://x"}, npm={"registry": "https://n"}, apt_proxy="http://a", ca="CA\n"))
    assert files["pip.conf"] == "[global]\nindex-url = https://x\ncert = /run/pilothouse-ca.crt\n"
    assert files["npmrc"] == "registry=https://n\ncafile=/run/pilothouse-ca.crt\n"
    assert files["ca.crt"] == "CA\n"
    assert 'Acquire::http::Proxy "http://a";\n' in files["apt.conf"]
    assert 'Acquire::https::CAInfo "/run/pilothouse-ca.crt";\n' in files["apt.conf"]


def test_proxies_are_keys_of_their_own_and_what_is_empty_is_left_out() -> None:
    files = decoded(Found(proxies={"https_proxy": "http://p"}))
    assert files["proxy.https_proxy"] == "http://p"
    assert not {"ca.crt", "npmrc", "apt.conf"} & set(files)


@pytest.mark.parametrize(("text", "expected"), [("", 1800), ("60", 60), ("1", 10), ("999999", 86_400), ("soon", 1800), ("-5", 1800)])
def test_a_setting_that_is_a_number_stays_within_its_bounds(text: str, expected: int) -> None:
    assert number({"build.timeout": text} if text else {}, "build.timeout", 1800) == expected


async def test_what_was_found_is_shown_with_its_origin_and_without_passwords(host: Path) -> None:
    found = shown(await discover(surroundings(host, HTTPS_PROXY="http://ann:secret@proxy:3128"), host))
    assert found["pip.index-url"] == ("https://pypi.example.org/simple", "~/.config/pip/pip.conf")
    assert found["npm.registry"] == ("https://npm.example.org/", "/etc/npmrc")
    assert found["proxy.https"] == ("http://ann:***@proxy:3128", "$HTTPS_PROXY")
    assert found["ca"] == ("1 certificate", "/etc/ssl/certs/ca-certificates.crt")
    assert found["apt.proxy"] == ("http://apt.example.org:3142", "apt-config")


async def test_a_variable_is_the_origin_of_what_it_overrides(host: Path) -> None:
    found = shown(await discover(surroundings(host, PIP_INDEX_URL="https://mine/simple", npm_config_registry="https://n/"), host))
    assert found["pip.index-url"] == ("https://mine/simple", "$PIP_INDEX_URL")
    assert found["npm.registry"] == ("https://n/", "$npm_config_registry")
