"""Which kernel parameters pods may set, and which can be allowed."""

import pytest

from pilothouse.model.sysctls import dotted, is_allowed, wrong_pattern


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("kernel.msgmax", "kernel.msgmax"),
        ("net/ipv4/tcp_syncookies", "net.ipv4.tcp_syncookies"),
        ("net/ipv4/conf/eth0.1/rp_filter", "net.ipv4.conf.eth0/1.rp_filter"),
        ("net.ipv4.conf.eth0/1.rp_filter", "net.ipv4.conf.eth0/1.rp_filter"),
    ],
)
def test_names_are_read_with_dots_or_with_slashes(name: str, plain: str) -> None:
    assert dotted(name) == plain


@pytest.mark.parametrize(
    ("name", "patterns", "allowed"),
    [
        ("net/ipv4/tcp_syncookies", (), True),
        ("kernel.msgmax", (), False),
        ("kernel.msgmax", ("kernel.msgmax",), True),
        ("kernel.msgmnb", ("kernel.msg*",), True),
        ("kernel.shmall", ("kernel.msg*",), False),
        ("net/core/somaxconn", ("net.core.*",), True),
        ("net.core", ("net.core.*",), False),
    ],
)
def test_the_safe_ones_and_those_that_match_a_pattern_are_allowed(name: str, patterns: tuple[str, ...], allowed: bool) -> None:
    assert is_allowed(name, patterns) is allowed


@pytest.mark.parametrize("pattern", ["kernel.msgmax", "kernel.shm*", "kernel.sem", "fs.mqueue.*", "net.*", "net.core.somaxconn"])
def test_what_each_pod_has_for_itself_can_be_allowed(pattern: str) -> None:
    assert wrong_pattern(pattern) == ""


@pytest.mark.parametrize("pattern", ["", "*", "vm.*", "kernel.*", "fs.file-max", "net.*.x", "Net.core", "net core", "ne*", "-net.*"])
def test_what_is_the_machines_cannot_be_allowed(pattern: str) -> None:
    assert wrong_pattern(pattern)
