"""What a node rejects, and the signals by which pods end their containers."""

import signal

import pytest

from pilothouse.engine.node.pod.signals import number, stop_signal
from pilothouse.engine.node.request.admission import needs_features, rejection
from pilothouse.engine.node.runtime.seam import Features
from pilothouse.model.json import Object
from tests.engine.node.builders import pod, spec

STRICT: Object = {"securityContext": {"supplementalGroupsPolicy": "Strict"}}


def test_kernel_parameters_are_rejected_unless_they_are_safe_or_allowed() -> None:
    wanted = pod(securityContext={"sysctls": [{"name": "net.ipv4.tcp_syncookies", "value": "1"}, {"name": "kernel.msgmax", "value": "1"}]})
    why = rejection(wanted, (), Features())
    assert why == ("SysctlForbidden", 'Pod was rejected: forbidden sysctl: "kernel.msgmax" not allowlisted')
    assert rejection(wanted, ("kernel.msg*",), Features()) is None


def test_strict_groups_need_a_runtime_that_knows_them() -> None:
    why = rejection(pod(**STRICT), (), Features())
    assert why is not None
    assert why.reason == "SupplementalGroupsPolicyNotSupported"
    assert rejection(pod(**STRICT), (), Features(supplemental_groups_policy=True)) is None
    assert (needs_features(pod(**STRICT)), needs_features(pod())) == (True, False)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SIGTERM", signal.SIGTERM),
        ("SIGUSR1", signal.SIGUSR1),
        ("SIGCLD", signal.SIGCHLD),
        ("SIGRTMIN", signal.SIGRTMIN),
        ("SIGRTMIN+3", signal.SIGRTMIN + 3),
        ("SIGRTMAX-1", signal.SIGRTMAX - 1),
        ("SIGRTMAX", signal.SIGRTMAX),
    ],
)
def test_signals_have_numbers(name: str, value: int) -> None:
    assert number(name) == value
    assert stop_signal(spec(lifecycle={"stopSignal": name})) == value
    assert stop_signal(spec()) == 0


def test_every_signal_that_the_api_takes_has_a_number() -> None:
    from pilothouse.engine.apiserver.kinds.pod_validation.stop_signals import LINUX

    assert len(LINUX) == 65
    assert all(0 < number(name) <= 64 for name in LINUX)
