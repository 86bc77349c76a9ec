"""Which ports are in use, from tables as the kernel prints them."""

import sys
from ipaddress import ip_address
from pathlib import Path

import pytest

from pilothouse.network.announce.listening import ports

HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
pytestmark = pytest.mark.skipif(sys.byteorder == "big", reason="the tables below are those of a little-endian machine")


def line(local: str, state: str) -> str:
    return f"   0: {local} 00000000:0000 {state} 00000000:00000000 00:00000000 00000000     0        0 1 1\n"


def proc(folder: Path, **tables: list[str]) -> Path:
    for name in ("tcp", "tcp6", "udp", "udp6"):
        (folder / name).write_text(HEAD + "".join(tables.get(name, [])))
    return folder


def test_ports_at_all_addresses_and_at_the_nodes_own_count(tmp_path: Path) -> None:
    tcp = [line("00000000:0016", "0A"), line("070200C0:0050", "0A"), line("0100007F:18EB", "0A"), line("080200C0:0051", "0A")]
    assert ports([ip_address("192.0.2.7")], proc(tmp_path, tcp=tcp)) == ["tcp/22", "tcp/80"]


def test_both_families_count_and_mapped_addresses_are_those_of_ipv4(tmp_path: Path) -> None:
    everywhere, mapped = "0" * 32, "0000000000000000FFFF0000070200C0"
    tcp6 = [line(f"{everywhere}:1F90", "0A"), line(f"{mapped}:0050", "0A"), line(f"{'0' * 24}01000000:0051", "0A")]
    assert ports([ip_address("192.0.2.7")], proc(tmp_path, tcp6=tcp6)) == ["tcp/80", "tcp/8080"]


def test_connections_and_sockets_of_clients_do_not_count(tmp_path: Path) -> None:
    tcp = [line("00000000:0016", "0A"), line("070200C0:0019", "01"), line("00000000:0017", "0A")]
    udp = [line("00000000:0044", "07"), line("00000000:FFFE", "07")]
    assert ports([], proc(tmp_path, tcp=tcp, udp=udp)) == ["tcp/22", "udp/68"]


def test_a_machine_without_ipv6_has_no_tables_of_it(tmp_path: Path) -> None:
    proc(tmp_path, tcp=[line("00000000:0016", "0A")])
    (tmp_path / "tcp6").unlink()
    assert ports([], tmp_path) == ["tcp/22"]
