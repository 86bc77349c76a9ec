"""The machine's figures: read right from files like the kernel's, and plausible on the machine at hand."""

import os
from pathlib import Path

from pilothouse.engine.node.stats import machine
from pilothouse.engine.node.stats.figures import Cpu, Interface

NET = """Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo:     1       1    0    0    0     0          0         0        1       1    0    0    0     0       0          0
  eth1:    10       2    3    4    0     0          0         0       50       6    7    8    0     0       0          0
  eth0:   100      20    0    0    0     0          0         0      500      60    0    0    0     0       0          0
veth12:   100      20    0    0    0     0          0         0      500      60    0    0    0     0       0          0
"""
ROUTE = "\n".join(
    [
        "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT",
        "eth0\t00000000\t0100000A\t0003\t0\t0\t0\t00000000\t0\t0\t0",
    ]
)


def proc(folder: Path) -> Path:
    files = {
        "stat": "cpu  100 20 30 4000 500 6 7 8 90 10\ncpu0 1 1 1 1\nbtime 1700000000\n",
        "meminfo": "MemTotal: 1000 kB\nMemFree: 300 kB\nMemAvailable: 600 kB\nCached: 200 kB\nAnonPages: 100 kB\n",
        "vmstat": "pgfault 5\npgmajfault 2\n",
        "loadavg": "0.1 0.2 0.3 2/345 999\n",
        "sys/kernel/pid_max": "32768\n",
        "sys/kernel/threads-max": "20000\n",
        "9/net/dev": NET,
        "9/net/route": ROUTE,
    }
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def test_the_kernels_files_are_read_as_they_mean_it(tmp_path: Path) -> None:
    at = proc(tmp_path)
    tick_ns = 10**9 // os.sysconf("SC_CLK_TCK")
    assert machine.cpu(at) == Cpu((100 + 20 + 30 + 6 + 7 + 8) * tick_ns)
    memory, capacity = machine.memory(at)
    assert (memory.usage_bytes, memory.working_set_bytes, memory.available_bytes, capacity) == (700 << 10, 400 << 10, 600 << 10, 1000 << 10)
    assert (memory.page_faults, memory.major_page_faults, memory.rss_bytes) == (5, 2, 100 << 10)
    assert machine.processes(at) == (345, 20000)
    assert machine.booted_at(at) == 1.7e9


def test_interfaces_are_counted_without_loopback_and_the_default_one_first(tmp_path: Path) -> None:
    first, second = machine.interfaces(proc(tmp_path), "9")
    assert (first.name, second) == ("eth0", Interface("eth1", 10, 2, 3, 4, 50, 6, 7, 8))


def test_the_figures_of_this_machine_are_plausible(tmp_path: Path) -> None:
    memory, capacity = machine.memory()
    assert 0 < memory.working_set_bytes <= memory.usage_bytes + (memory.cache_bytes or 0) <= 2 * capacity
    running, most = machine.processes()
    assert 0 < running < most
    fs = machine.filesystem(tmp_path)
    assert 0 <= fs.available_bytes <= fs.capacity_bytes
    assert fs.used_bytes + fs.available_bytes <= fs.capacity_bytes
    before = machine.cpu()
    sum(range(3_000_000))
    assert machine.cpu().total_ns > before.total_ns
