"""What libnftables holds in this process."""

import os

import pytest

from pilothouse.linux.nft import LibraryNft


def test_a_library_that_nobody_uses_any_more_gives_back_its_socket() -> None:
    try:
        first = LibraryNft()
    except OSError:
        pytest.skip("libnftables is not installed")
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        LibraryNft()
    assert len(os.listdir("/proc/self/fd")) == before
    del first
