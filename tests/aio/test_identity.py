"""Processes that are known by more than their pid."""

import os
import signal
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from pilothouse.aio.identity import Identity, find

PROGRAM = "echo up; read line"


@contextmanager
def called_envoy(argument: str, *prefix: str) -> Iterator["subprocess.Popen[str]"]:
    """A process that calls itself envoy and has the argument in its command line."""
    words = [*prefix, "bash", "-c", f"exec -a /bin/envoy bash -c '{PROGRAM}' \"$0\"", argument]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        assert child.stdout.readline() == "up\n"
        try:
            yield child
        finally:
            child.stdin.close()


def test_a_process_is_found_by_program_and_argument() -> None:
    marker = f"/{uuid.uuid4()}/bootstrap.json"
    with called_envoy(marker) as child:
        assert find("envoy", marker) == Identity.of(child.pid)
        assert find("containerd", marker) is None
    assert find("envoy", marker) is None


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to make a pid namespace and to become another user")
@pytest.mark.parametrize("prefix", [("unshare", "--pid", "--fork"), ("setpriv", "--reuid", "65534", "--clear-groups")])
def test_a_process_of_a_container_or_another_user_passes_for_none_of_ours(prefix: tuple[str, ...]) -> None:
    marker = f"/{uuid.uuid4()}/bootstrap.json"
    with called_envoy(marker, *prefix):
        assert find("envoy", marker) is None


def test_a_signal_to_a_process_that_has_gone_is_no_error_and_reaches_nobody() -> None:
    with subprocess.Popen(["sleep", "60"]) as child:
        identity = Identity.of(child.pid)
        Identity(child.pid, identity.started + 1).signal(signal.SIGKILL)
        assert identity.alive()
        identity.signal(signal.SIGKILL)
        assert child.wait(timeout=10) == -signal.SIGKILL
    identity.signal(signal.SIGKILL)


def test_a_file_of_an_earlier_boot_names_no_process_of_this_one(tmp_path: Path) -> None:
    file = tmp_path / "node.pid"
    with subprocess.Popen(["sleep", "60"]) as child:
        identity = Identity.of(child.pid)
        identity.save(file)
        assert Identity.load(file) == identity
        earlier = replace(identity, boot="0" * 8)
        earlier.save(file)
        loaded = Identity.load(file)
        assert loaded == earlier
        assert not loaded.alive()
        loaded.signal(signal.SIGKILL)
        assert identity.alive()
        child.kill()


def test_a_file_without_a_boot_is_taken_for_one_of_this_boot(tmp_path: Path) -> None:
    file = tmp_path / "node.pid"
    file.write_text("12 3456\n")
    assert Identity.load(file) == Identity(12, 3456)


@pytest.mark.parametrize("text", ["", "12", "12 x", "x 12"])
def test_a_file_that_says_nothing_names_nobody(tmp_path: Path, text: str) -> None:
    file = tmp_path / "node.pid"
    file.write_text(text)
    assert Identity.load(file) is None
