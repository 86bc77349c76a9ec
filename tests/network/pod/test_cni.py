import json
from typing import Any

import pytest

from pilothouse.network.pod.cni import CniError, CniRequest, PortMapping, parse_request, result, versions


def request(
    command: str = "ADD", *, container: str = "c", netns: str = "/n", interface: str = "eth0", arguments: str = "", **config: Any
) -> bytes:
    header = "\n".join((command, container, netns, interface, arguments))
    return f"{header}\n{json.dumps({'cniVersion': '1.0.0', **config})}".encode()


def ports(**mapping: Any) -> bytes:
    return request(runtimeConfig={"portMappings": [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"} | mapping]})


def refusal(data: bytes) -> tuple[int, str]:
    with pytest.raises(CniError) as error:
        parse_request(data)
    return error.value.code, error.value.message


def test_a_request_as_the_script_sends_it() -> None:
    arguments = "IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME=web-0"
    parsed = parse_request(request(arguments=arguments))
    assert (parsed.command, parsed.container, parsed.netns, parsed.interface) == ("ADD", "c", "/n", "eth0")
    assert parsed.pod == "default/web-0"


def test_port_mappings_are_read_as_the_runtime_writes_them() -> None:
    assert parse_request(ports(hostIP="127.0.0.1", protocol="UDP")).ports == (PortMapping("udp", 8080, 80, "127.0.0.1"),)
    assert parse_request(ports(hostIP="0.0.0.0")).ports == (PortMapping("tcp", 8080, 80),)
    assert parse_request(ports(hostIP="FD00::0:1")).ports == (PortMapping("tcp", 8080, 80, "fd00::1"),)
    assert parse_request(ports(hostPort=0)).ports == ()
    capital = [{"HostPort": 8080, "ContainerPort": 80, "Protocol": "tcp", "HostIP": ""}]
    assert parse_request(request(runtimeConfig={"portMappings": capital})).ports == (PortMapping("tcp", 8080, 80),), "containerd's spelling"


@pytest.mark.parametrize(
    ("data", "code", "words"),
    [
        (b"ADD\nc", 4, "ends before"),
        (request(container=""), 4, "ADD without container"),
        (request(netns=""), 4, "ADD without netns"),
        (request(interface="a" * 16), 4, "not valid"),
        (request(cniVersion="0.1.0"), 1, "cniVersion 0.1.0 is not one of"),
        (b"ADD\nc\n/n\neth0\n\n{", 6, "not JSON"),
        (b"ADD\nc\n/n\neth0\n\n[]", 6, "not a JSON object"),
        (ports(protocol="sctp"), 7, "protocol sctp of hostPort 8080 is not supported"),
        (ports(containerPort=70000), 7, "between 1 and 65535"),
        (ports(hostIP="::x"), 7, "::x"),
        (request(runtimeConfig={"portMappings": [1]}), 7, "portMappings"),
    ],
)
def test_bad_requests_are_refused_with_the_codes_of_the_specification(data: bytes, code: int, words: str) -> None:
    refused = refusal(data)
    assert refused[0] == code
    assert words in refused[1]


def test_a_result_names_both_ends() -> None:
    shown = result(CniRequest("ADD", "c", "/n", "eth0", "1.0.0"), link="ph1", link_mac="m1", mac="m2", addresses=["10.0.0.2", "fd00::2"])
    assert shown["interfaces"] == [{"name": "ph1", "mac": "m1"}, {"name": "eth0", "mac": "m2", "sandbox": "/n"}]
    assert shown["ips"] == [
        {"address": "10.0.0.2/32", "gateway": "169.254.1.1", "interface": 1},
        {"address": "fd00::2/128", "gateway": "fe80::1", "interface": 1},
    ]
    assert shown["routes"] == [{"dst": "0.0.0.0/0", "gw": "169.254.1.1"}, {"dst": "::/0", "gw": "fe80::1"}]


def test_results_of_old_versions_carry_the_address_family() -> None:
    shown = result(CniRequest("ADD", "c", "/n", "eth0", "0.4.0"), link="ph1", link_mac="", mac="", addresses=["fd00::2", "10.0.0.2"])
    assert [each["version"] for each in shown["ips"]] == ["6", "4"]


def test_the_runtime_learns_which_versions_are_spoken() -> None:
    assert "1.0.0" in versions("1.0.0")["supportedVersions"]
