"""Corefiles: what is carried out, and what is refused with line and word."""

import pytest

from pilothouse.network.dns.codec import name_of
from pilothouse.network.dns.corefile import CorefileError
from pilothouse.network.dns.corefile.rewriting import Rewrite, rewritten
from tests.network.dns.served import configuration

KUBEADM = """
.:53 {
    errors
    kubernetes cluster.local in-addr.arpa ip6.arpa {
       pods insecure
       fallthrough in-addr.arpa ip6.arpa
       ttl 30
    }
    forward . /etc/resolv.conf {
       max_concurrent 1000
    }
    cache 30 {
       disable success cluster.local
       disable denial cluster.local
    }
    loop
    reload
    loadbalance
}
"""


def test_kubeadms_corefile_is_taken_but_for_what_the_node_tells() -> None:
    (block,) = configuration(KUBEADM).blocks
    assert (block.zones, block.kubernetes, block.ttl_s, block.longest_s, block.errors) == (((),), True, 30, 30, True)
    with pytest.raises(CorefileError, match=r'line 3: "health" is not there: .* take the line out'):
        configuration(KUBEADM.replace("errors", "health"))


def test_a_stub_domain_leaves_the_rest_as_it_is() -> None:
    found = configuration("example.corp:53 {\n  forward . 10.0.0.1 10.0.0.2:5353 [fd00::1]:54\n}")
    stub = found.block_of(name_of("www.example.corp"))
    assert stub is not None
    assert stub.forward is not None
    assert stub.forward.servers == ("10.0.0.1:53", "10.0.0.2:5353", "[fd00::1]:54")
    rest = found.block_of(name_of("web.default.svc.cluster.local"))
    assert rest is not None
    assert (rest.kubernetes, rest.autopath) == (True, True)


def test_the_longest_zone_counts() -> None:
    found = configuration("corp { forward . 10.0.0.1 }\na.corp { forward . 10.0.0.2 }")
    servers = [block.forward.servers for name in ("x.a.corp", "x.corp") if (block := found.block_of(name_of(name))) and block.forward]
    assert servers == [("10.0.0.2:53",), ("10.0.0.1:53",)]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("corp {\n forward . 10.0.0.1\n  etcd\n}", 'line 3: "etcd" is not among'),
        ("corp {\n forward . tls://10.0.0.1\n}", "line 2: .* plain DNS alone"),
        ("corp {\n forward . nowhere\n}", 'line 2: "nowhere" is no address'),
        ("corp {\n forward . 10.0.0.1:70000\n}", "line 2: .* no valid port"),
        ("corp {\n forward . 10.0.0.1 {\n policy random\n }\n}", 'line 3: "forward" has no "policy random" here'),
        ("corp {\n forward . 10.0.0.1\n forward . 10.0.0.2\n}", 'line 3: "forward" stands twice'),
        ("corp {\n log\n}", "line 1: the block answers nothing"),
        ("corp:5353 {\n forward . 10.0.0.1\n}", "line 1: .* port 53 alone"),
        ("tls://corp {\n forward . 10.0.0.1\n}", "line 1: .* port 53 alone"),
        ("corp {\n forward . 10.0.0.1\n", "line 1: the block that begins here does not end"),
        ("corp", 'line 1: a block begins with its zones and "{"'),
        ("co_rp..x {\n forward . 10.0.0.1\n}", 'line 1: "co_rp..x" is no name'),
        ("corp { forward . 10.0.0.1 }\ncorp { forward . 10.0.0.2 }", 'line 2: "corp" has a block already'),
        (". {\n forward . 10.0.0.1\n}", 'line 1: the block for "." needs "kubernetes"'),
        (". {\n kubernetes\n hosts {\n 10.0.0.1 a.b\n }\n}", 'line 1: "hosts" needs "fallthrough"'),
        (". {\n kubernetes other.zone\n}", 'line 2: the cluster\'s zone is "cluster.local"'),
        (". {\n kubernetes {\n pods verified\n }\n}", 'line 3: "kubernetes" has no "pods verified" here'),
        (". {\n kubernetes\n autopath /etc/resolv.conf\n}", 'line 3: "autopath" takes "@kubernetes"'),
        ("corp {\n hosts /etc/hosts\n}", 'line 2: .* there is no file "/etc/hosts"'),
        ("corp {\n hosts {\n 10.0.0 a.corp\n }\n}", 'line 3: "10.0.0" is no address'),
        ("corp {\n cache 99999\n forward . 10.0.0.1\n}", "line 2: 99999 is more than 3600 seconds"),
        ("corp {\n cache 30 {\n prefetch 10\n }\n forward . 10.0.0.1\n}", 'line 3: "cache" has no "prefetch 10" here'),
        ("corp {\n rewrite type ANY HINFO\n forward . 10.0.0.1\n}", 'line 2: "rewrite" changes a "name", not a "type"'),
        ("corp {\n rewrite name regex (a b\n forward . 10.0.0.1\n}", "line 2: .* is no regular expression"),
        (r"corp {" + "\n" + r" rewrite name regex (a)\1 b" + "\n forward . 10.0.0.1\n}", "line 2: .* is no regular expression of RE2"),
        ("corp {\n rewrite name regex (a)b {2}.c\n forward . 10.0.0.1\n}", r"line 2: .* names group \{2\}, and the expression has 1"),
        ("corp {\n rewrite name regex " + "a" * 300 + " b\n forward . 10.0.0.1\n}", "line 2: the expression is longer than 256 bytes"),
        ("corp {\n rewrite name a\n forward . 10.0.0.1\n}", 'line 2: "rewrite name" takes one of'),
        ("corp {\n hosts {\n fallthrough a.corp\n }\n}", 'line 3: "hosts" has no "fallthrough a.corp" here: it takes "ADDRESS NAME'),
        ("corp {\n forward . 10.0.0.1 {\n tls\n }\n}", '"forward" has no "tls" here: it takes "max_concurrent NUMBER" and "force_tcp"'),
        ("corp {\n prometheus :9153\n forward . 10.0.0.1\n}", "line 2: .* at /metrics of the kubelet API"),
    ],
)
def test_what_is_not_carried_out_is_refused_with_line_and_word(text: str, why: str) -> None:
    with pytest.raises(CorefileError, match=why):
        configuration(text)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("#" * (300 << 10), "more than 256 KiB"),
        ("\n".join(f"z{number} {{ forward . 10.0.0.1 }}" for number in range(101)), "more than 100 blocks"),
        ("a { hosts {\n" + "\n".join(f"10.0.0.1 h{number}.a" for number in range(2001)) + "\n} }", "more than 2000 names"),
        ("a {\n forward . 10.0.0.1\n" + "rewrite name x y\n" * 101 + "}", "more than 100 rewrites"),
        ("".join(f"z{n} {{\n forward . 10.0.0.1\n" + "rewrite name regex x y\n" * 51 + "}\n" for n in range(2)), "more than 100 regular"),
    ],
)
def test_a_corefile_is_bounded(text: str, why: str) -> None:
    with pytest.raises(CorefileError, match=why):
        configuration(text)


def test_comments_and_quotes_are_read() -> None:
    found = configuration('# all\ncorp { # a block\n  forward . "10.0.0.1" # one\n  hosts {\n 10.0.0.9 a.corp b.corp\n fallthrough\n } }')
    block = found.block_of(("corp",))
    assert block is not None
    assert block.hosts is not None
    assert (block.hosts.by_name[("b", "corp")], block.hosts.by_address["10.0.0.9"]) == (("10.0.0.9",), (("a", "corp"), ("b", "corp")))


@pytest.mark.parametrize(
    ("kind", "old", "new", "name", "expected"),
    [
        ("exact", "a.b", "c.d", "a.b", "c.d"),
        ("exact", "a.b.", "c.d.", "a.b", "c.d"),
        ("exact", "a.b", "c.d", "x.a.b", "x.a.b"),
        ("prefix", "old-", "new-", "old-x.b", "new-x.b"),
        ("suffix", ".old.corp", ".new.corp", "x.old.corp", "x.new.corp"),
        ("suffix", ".old.corp.", ".new.corp.", "x.old.corp", "x.new.corp"),
        ("substring", "west", "east", "a.west.b", "a.east.b"),
        ("regex", r"(.*)-(us-west-1)\.example\.org", "{1}.service.{2}.consul", "ftp-us-west-1.example.org", "ftp.service.us-west-1.consul"),
        ("regex", r"(.*)\.EXAMPLE\.org\.", "{1}.x", "a.example.org", "a.x"),
    ],
)
def test_names_are_rewritten(kind: str, old: str, new: str, name: str, expected: str) -> None:
    assert rewritten(name_of(name), [Rewrite.of(kind, old, new, goes_on=False)]) == name_of(expected)


def test_rules_stop_or_go_on() -> None:
    pairs = (("a", "b", True), ("b", "c", False), ("c", "d", False))
    rules = [Rewrite.of("exact", old, new, goes_on=goes_on) for old, new, goes_on in pairs]
    assert rewritten(("a",), rules) == ("c",)


def test_a_name_that_no_message_can_hold_is_not_made() -> None:
    with pytest.raises(ValueError, match="is no name"):
        rewritten(("a",), [Rewrite.of("exact", "a", "b" * 64, goes_on=False)])


def test_rules_that_lengthen_a_name_again_and_again_end_at_the_longest_name() -> None:
    rules = [Rewrite.of("substring", "a", "aa", goes_on=True)] * 100
    with pytest.raises(ValueError, match="is no name"):
        rewritten(("a",), rules)


@pytest.mark.parametrize("kind", ["exact", "prefix", "suffix", "substring"])
def test_names_in_rules_are_no_longer_than_expressions(kind: str) -> None:
    with pytest.raises(CorefileError, match=r"line 3: .* at most 256 bytes"):
        configuration(f".:53 {{\n kubernetes cluster.local\n rewrite name {kind} a {'b' * 257}\n}}")
