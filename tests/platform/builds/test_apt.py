"""The host's package sources become those of a base image."""

from pilothouse.platform.builds.apt import settings, source_lines, sources
from pilothouse.platform.builds.bases import suite

TARGETS = """http://mirror.example.test/debian/ bookworm bookworm main
http://mirror.example.test/debian/ bookworm-updates bookworm-updates main
http://mirror.example.test/debian-security/ bookworm-security bookworm-security main
http://mirror.example.test/debian/ bookworm bookworm main
https://vendor.example.test/node nodistro nodistro main
http://mirror.example.test/debian/ stable bookworm contrib
"""


def test_the_suite_with_its_updates_is_taken_from_the_hosts_mirror_and_vendors_are_not() -> None:
    assert source_lines(TARGETS, "bookworm") == [
        "deb http://mirror.example.test/debian-security/ bookworm-security main",
        "deb http://mirror.example.test/debian/ bookworm main",
        "deb http://mirror.example.test/debian/ bookworm-updates main",
        "deb http://mirror.example.test/debian/ stable contrib",
    ]


async def test_the_hosts_own_apt_can_be_asked() -> None:
    assert all(line.startswith("deb ") for line in await sources(suite()))
    assert all(line.startswith("Acquire::") for line in await settings())
