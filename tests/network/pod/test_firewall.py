from pilothouse.network.pod.firewall import foreign_drops, is_closed


def test_a_chain_is_closed_by_its_policy_or_by_its_last_rule() -> None:
    assert is_closed("FORWARD", ["-P INPUT ACCEPT", "-P FORWARD DROP", "-A FORWARD -j DOCKER-USER"])
    assert is_closed("INPUT", ["-P INPUT ACCEPT", "-A INPUT -j REJECT --reject-with icmp-host-prohibited"])
    assert not is_closed("INPUT", ["-P INPUT ACCEPT", "-P FORWARD DROP", "-A FORWARD -j REJECT"])
    assert not is_closed("FORWARD", [])


def test_tables_that_drop_forwarded_packets_are_named() -> None:
    chain = {"family": "inet", "table": "mine", "hook": "forward", "policy": "drop"}
    chains = [
        {"chain": chain},
        {"chain": chain | {"family": "ip", "table": "filter"}},
        {"chain": chain | {"hook": "input"}},
        {"metainfo": {}},
    ]
    assert foreign_drops({"nftables": chains}) == ["inet mine"]
