"""The host's package sources become those of a base image."""

from pilothouse.oci.packages.apt import for_release, settings, source_lines, sources
from pilothouse.oci.packages.release import suite

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


def test_the_sources_of_another_release_are_those_of_the_same_archive() -> None:
    lines = ["deb http://m/debian bookworm main", "deb http://m/bookworm bookworm-updates main", "deb http://m/sec bookworm-security main"]
    assert for_release(lines, "bookworm", "trixie") == [
        "deb http://m/debian trixie main",
        "deb http://m/bookworm trixie-updates main",
        "deb http://m/sec trixie-security main",
    ]
