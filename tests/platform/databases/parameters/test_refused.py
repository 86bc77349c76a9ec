"""Settings that a running server refuses."""

from pilothouse.platform.databases.mysql.parameters.refused import refused, taken

BAD = {"name": "collation_server", "value": "klingon", "message": "Unknown collation"}


def test_what_a_server_refuses_is_kept_from_members_until_its_value_is_another() -> None:
    wanted = {"collation_server": "klingon", "wait_timeout": "60"}
    found = refused(wanted, [], [{}, {"collation_server": "Unknown collation", "max_connections": "of the platform's own"}])
    assert found == [BAD]
    assert taken(wanted, found) == {"wait_timeout": "60"}
    assert refused(wanted, found, [{}]) == [BAD], "it is not told it any more, and so says nothing of it"
    better = wanted | {"collation_server": "utf8mb4_bin"}
    assert taken(better, found) == better
    assert refused(better, found, [{}]) == []
