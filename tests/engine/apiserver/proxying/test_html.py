"""Links in HTML, cut into pieces anywhere."""

import time

import pytest

from pilothouse.engine.apiserver.proxying.html import LONGEST_TAG, LinkRewriter
from pilothouse.engine.apiserver.proxying.links import Links

LINKS = Links("/p/proxy", "10.0.0.1:80", "api:6443")


def rewritten(text: bytes, size: int) -> bytes:
    rewriter = LinkRewriter(LINKS.through)
    return b"".join(rewriter.feed(text[start : start + size]) for start in range(0, len(text), size)) + rewriter.end()


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b'<a href="/x">t</a>', b'<a href="/p/proxy/x">t</a>'),
        (b"<A class=c HREF='/x?a=1&amp;b=2'>", b'<A class=c HREF="/p/proxy/x?a=1&amp;b=2">'),
        (b"<img src=/x alt=y><p>", b'<img src="/p/proxy/x" alt=y><p>'),
        (b'<a href = "http://10.0.0.1:80/x">', b'<a href = "/p/proxy/x">'),
        (b'<a href="x"><a href="#y"><a href="https://elsewhere/x"><a href="//elsewhere/x">', None),
        (b'<a href="/p/proxy/x"><p href="/x"><a title="href=/x > y" data-href="/x">', None),
        (b"<!-- <a href='/x'> --><a href='/y'>", b"<!-- <a href='/x'> --><a href=\"/p/proxy/y\">"),
        (b"<script>var a = '<a href=\"/x\">';</script><a href=/y>", b'<script>var a = \'<a href="/x">\';</script><a href="/p/proxy/y">'),
        (b'<script src="/x"></script>', b'<script src="/p/proxy/x"></script>'),
        (b"<!DOCTYPE html>1 < 2 <", None),
        (b'<a href="/\xc3\xbc\xff">', b'<a href="/p/proxy/\xc3\xbc\xff">'),
        (b"<a href=", None),
        (b"", None),
    ],
)
def test_links_lead_through_and_all_else_stays(text: bytes, expected: bytes | None, size: int) -> None:
    assert rewritten(text, size) == (text if expected is None else expected)


def test_a_tag_without_an_end_is_not_kept() -> None:
    rewriter = LinkRewriter(LINKS.through)
    text = b"<a " + b"x" * LONGEST_TAG
    assert rewriter.feed(text[:100]) == b""
    assert rewriter.feed(text[100:]) == text


@pytest.mark.parametrize(
    "tag", [b"<a>", b"<a href=/x>", b"<!---->", b"<script></script>", b"<", b'<a b="', b"<a b= ", b"=", b"<a " + b"b" * 1000]
)
def test_what_is_rewritten_takes_time_as_it_is_long(tag: bytes) -> None:
    """In processor time: eight times as much takes some eight times as long, and not sixty-four times."""

    def took_s(size: int) -> float:
        text, rewriter = tag * (size // len(tag)), LinkRewriter(LINKS.through)
        start = time.process_time()
        written = len(rewriter.feed(text)) + len(rewriter.end())
        assert written >= len(text)
        return time.process_time() - start

    few = min(took_s(50_000) for _ in range(3))
    assert min(took_s(400_000) for _ in range(2)) < 20 * max(few, 0.005)


@pytest.mark.parametrize("link", ["http://[", "mailto:a@b", "?x", "", "/p/proxy"])
def test_what_is_no_link_of_the_backend_stays(link: str) -> None:
    assert LINKS.through(link) == link


def test_the_clients_own_host_is_kept() -> None:
    assert LINKS.through("https://api:6443/x/") == "https://api:6443/p/proxy/x/"
    assert LINKS.through("/p/proxyx") == "/p/proxy/p/proxyx"
