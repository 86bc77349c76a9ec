import base64
from pathlib import Path

import pytest

from pilothouse.platform.builds.environment.credentials import has_secret, masked, without_secret
from pilothouse.platform.builds.environment.effective import overridden, shown
from pilothouse.platform.builds.environment.files import credentials_data, secret_data
from pilothouse.platform.builds.environment.found import Found, discover
from pilothouse.platform.builds.environment.keys import may_have_credentials, number


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


def texts(data: dict[str, str]) -> dict[str, str]:
    return {key: base64.b64decode(value).decode() for key, value in data.items()}


def decoded(found: Found) -> dict[str, str]:
    return texts(secret_data(found))


def test_the_secret_has_a_file_for_each_program() -> None:
    files = decoded(Found(pip={"index-url": "https://x"}, npm={"registry": "https://n"}, apt_proxy="http://a", ca="CA\n"))
    assert files["pip.conf"] == "[global]\nno-input = true\nindex-url = https://x\ncert = /run/pilothouse/ca.crt\n"
    assert files["npmrc"] == "registry=https://n\ncafile=/run/pilothouse/ca.crt\n"
    assert files["ca.crt"] == "CA\n"
    assert 'Acquire::http::Proxy "http://a";\n' in files["apt.conf"]
    assert 'Acquire::https::CAInfo "/run/pilothouse/ca.crt";\n' in files["apt.conf"]


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


SECRETIVE = Found(
    pip={"index-url": "https://ann:pw-pip@pypi/simple"},
    npm={"registry": "https://npm/", "//npm/:_authToken": "tok-npm"},
    tools={"go.proxy": "https://ann:pw-go@go,direct", "gem.source": "https://pw-gem@gems/", "maven.mirror": "https://ann:pw-mvn@maven/"},
    proxies={"https_proxy": "http://ann:pw-proxy@proxy:3128", "no_proxy": "localhost,.example.org"},
    apt_proxy="http://ann:pw-apt@apt:3142",
    ca="CA\n",
)


def test_no_password_and_no_token_is_in_what_every_build_gets() -> None:
    every = "".join(decoded(SECRETIVE).values())
    assert "pw-" not in every
    assert "tok-" not in every
    assert "index-url = https://pypi/simple" in every
    assert "registry=https://npm/" in every


def test_builds_that_may_get_the_same_files_in_full_and_no_others() -> None:
    files = texts(credentials_data(SECRETIVE))
    assert set(files) == {"pip.conf", "npmrc", "go.env", "gemrc", "bundle", "maven.xml", "apt.conf", "proxy.https_proxy"}
    assert "//npm/:_authToken=tok-npm" in files["npmrc"]
    assert "<username>ann</username><password>pw-mvn</password>" in files["maven.xml"]
    assert credentials_data(Found(pip={"index-url": "https://pypi/simple"}, ca="CA\n")) == {}


def test_a_token_is_for_the_registry_that_npm_uses() -> None:
    found = overridden(Found(), {"npm.registry": "https://ann@npm.example.org/team", "npm.token": "t"})
    assert found.npm["//npm.example.org/team/:_authToken"] == "t"


def test_mirrors_of_other_tools_are_written_as_each_reads_them() -> None:
    config = {
        "go.proxy": "https://go/",
        "go.sumdb": "off",
        "gem.source": "https://gems/",
        "cargo.registry": "sparse+https://crates/",
        "maven.mirror": "https://maven/",
    }
    files = decoded(overridden(Found(), config))
    assert files["go.env"] == "GOPROXY=https://go/\nGOSUMDB=off\n"
    assert files["bundle"] == '---\nBUNDLE_MIRROR__ALL: "https://gems/"\n'
    assert files["gemrc"] == ':sources:\n- "https://gems/"\n'
    assert 'replace-with = "mirror"' in files["cargo.toml"]
    assert "<mirrorOf>central</mirrorOf><url>https://maven/</url>" in files["maven.xml"]


def test_maven_has_the_proxies_in_its_own_words() -> None:
    settings = decoded(Found(proxies={"https_proxy": "http://proxy:3128", "no_proxy": "localhost,.example.org"}))["maven.xml"]
    assert "<protocol>https</protocol><host>proxy</host><port>3128</port>" in settings
    assert "<nonProxyHosts>localhost|*.example.org</nonProxyHosts>" in settings


async def test_settings_of_go_are_found_in_variables_and_in_its_own_file(host: Path) -> None:
    path = host / "home/ann/.config/go/env"
    path.parent.mkdir(parents=True)
    path.write_text("GOPROXY=https://old\nGOSUMDB=off\nGOFLAGS=-x\n")
    found = await discover(surroundings(host, GOPROXY="https://go.example.org,direct"), host)
    assert found.tools == {"go.proxy": "https://go.example.org,direct", "go.sumdb": "off"}
    assert found.origins["go.sumdb"] == "~/.config/go/env"


@pytest.mark.parametrize(
    ("key", "value", "plain", "shown"),
    [
        ("pip.index-url", "https://ann:s3@host/simple", "https://host/simple", "https://ann:***@host/simple"),
        ("pip.index-url", "https://ann:s@3@host/simple", "https://host/simple", "https://ann:***@host/simple"),
        ("go.proxy", "https://a,https://token@b", "https://a,https://b", "https://a,https://***@b"),
        ("npm.token", "abc", None, "***"),
    ],
)
def test_a_secret_is_recognised_taken_out_and_masked(key: str, value: str, plain: str | None, shown: str) -> None:
    assert has_secret(key, value)
    assert (without_secret(key, value), masked(key, value)) == (plain, shown)
    assert not has_secret("npm.registry", "https://host/@scope/")


@pytest.mark.parametrize(("given", "may"), [("", False), ("shop", False), ("shop, default", True), ("*", True)])
def test_credentials_are_for_the_namespaces_that_the_operator_names(given: str, may: bool) -> None:
    assert may_have_credentials({"build.credentials": given}, "default") is may
