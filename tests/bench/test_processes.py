"""Which processes are an instance's, and which of them are containerd's."""

from pathlib import Path

from bench.rig.processes import CONTAINER, OWN, RUNTIME, Member, Process, cpu, members

HOME = Path("/var/tmp/instance")


def process(pid: int, parent: int, name: str, command: str, cpu_s: float = 0.0) -> Process:
    return Process(pid, parent, name, command, cpu_s)


TABLE = {
    each.pid: each
    for each in (
        process(1, 0, "init", "/sbin/init"),
        process(10, 1, "sh", "/bin/sh /var/tmp/instance/run/supervise.sh /var/tmp/instance/log/pilothouse.log"),
        process(11, 10, "python", "python -m pilothouse.cli.daemon.control /var/tmp/instance"),
        process(12, 11, "docker-registry", "docker-registry serve registry.yml"),
        process(20, 1, "containerd", "containerd --config /var/tmp/instance/node/containerd/config.toml"),
        process(21, 1, "containerd-shim", "containerd-shim-runc-v2 -address /var/tmp/instance/node/containerd/containerd.sock"),
        process(22, 21, "pause", "/pause -P"),
        process(23, 22, "sh", "/bin/sh -c sleep 3600"),
        process(30, 1, "python", "python -m pilothouse.cli.daemon.control /var/tmp/another"),
    )
}


def test_descendants_belong_and_strangers_do_not() -> None:
    found = {member.process.pid: member.part for member in members(HOME, TABLE)}
    assert found == {10: OWN, 11: OWN, 12: OWN, 20: RUNTIME, 21: RUNTIME, 22: CONTAINER, 23: CONTAINER}


def test_cpu_counts_what_was_spent_between_two_readings() -> None:
    before = [Member(process(11, 10, "python", "python -m pilothouse.cli.daemon.control /x", 5.0), OWN)]
    after = [
        Member(process(11, 10, "python", "python -m pilothouse.cli.daemon.control /x", 5.3), OWN),
        Member(process(40, 10, "envoy", "envoy", 9.0), OWN),
        Member(process(20, 1, "containerd", "containerd", 1.0), RUNTIME),
    ]
    assert cpu(before, after, 10.0) == {"own": 3.0, "containerd_and_shims": 0.0, "each": {"control": 3.0, "envoy": 0.0}}
