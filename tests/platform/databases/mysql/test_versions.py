"""Which version may follow which on the same data."""

import pytest

from pilothouse.platform.databases.mysql import versions


@pytest.mark.parametrize(
    ("flavour", "has", "wanted", "said"),
    [
        ("mariadb", "10.11.18", "10.11.17", ""),
        ("mariadb", "10.11.18", "11.8", ""),
        ("mariadb", "10.11.18", "10.6", "restore a backup of 10.6"),
        ("mysql", "8.0.36", "8.0.46", ""),
        ("mysql", "8.0.46", "8.0", ""),
        ("mysql", "8.0.46", "8.0.36", "restore a backup of 8.0.36"),
        ("mysql", "8.4.7", "8.4.6", ""),
        ("mysql", "8.4.7", "8.0.46", "restore a backup of 8.0.46"),
        ("mysql", "8.0.46", "8.4", ""),
        ("mysql", "8.0.46", "9.7", "go to 8.4 first"),
        ("mysql", "8.4.7", "9.7.0", ""),
        ("mysql", "", "8.0.36", ""),
    ],
)
def test_data_go_up_and_back_as_far_as_servers_can_read_them(flavour: str, has: str, wanted: str, said: str) -> None:
    found = versions.fault(flavour, has, wanted)
    assert said in found
    assert bool(said) == bool(found)


def test_data_are_judged_by_the_highest_version_that_has_opened_them() -> None:
    assert versions.highest("8.0.36", "", "8.0.46", "8.0.5") == "8.0.46"
    assert versions.of_data({"version": "8.0.46"}) == ""
    assert versions.of_data({"version": "8.0.46", "seeded": "orders-0"}) == "8.0.46"
    assert versions.of_data({"version": "8.0.46", "seeded": "orders-0", "dataVersion": "8.0.36"}) == "8.0.36"
