"""Links in HTML, rewritten as it passes: whatever is no link stays byte for byte as it came.

What is held back is the beginning of a tag, at most `LONGEST_TAG`; a longer one passes as it is. The text's encoding is one in which ASCII
stands for itself. Source: apimachinery/pkg/util/proxy/transport.go, whose table of tags this is.
"""

import re
from collections.abc import Mapping
from html import escape, unescape

from pilothouse.engine.apiserver.proxying.links import Rewrite

LONGEST_TAG = 16 * 1024
_LINKS: Mapping[str, frozenset[str]] = {
    tag: frozenset(attributes.split())
    for tag, attributes in {
        "a": "href",
        "applet": "codebase",
        "area": "href",
        "audio": "src",
        "base": "href",
        "blockquote": "cite",
        "body": "background",
        "button": "formaction",
        "command": "icon",
        "del": "cite",
        "embed": "src",
        "form": "action",
        "frame": "longdesc src",
        "head": "profile",
        "html": "manifest",
        "iframe": "longdesc src",
        "img": "longdesc src usemap",
        "input": "formaction src usemap",
        "ins": "cite",
        "link": "href",
        "object": "classid codebase data usemap",
        "q": "cite",
        "script": "src",
        "source": "src",
        "video": "poster src",
    }.items()
}
_TEXT_ONLY = {
    name: re.compile(b"</" + name.encode(), re.IGNORECASE)
    for name in ("iframe", "noembed", "noframes", "noscript", "plaintext", "script", "style", "textarea", "title", "xmp")
}
"""What is in these is no markup, up to their end."""
_COMMENT, _COMMENT_END = b"<!--", re.compile(b"-->")
_LONGEST_END = len(b"</plaintext")
_MARKUP = re.compile(rb"<(?:[A-Za-z]|!--|!?-?\Z)")
"""Where a tag or a comment begins, or may do so with what comes next."""
_TAG = re.compile(rb"<([A-Za-z][^\s/>]*)")
_QUOTE_OR_END = re.compile(rb"=\s*([\"'])|>")
_EQUALS_LAST = re.compile(rb"=\s*\Z")
_ATTRIBUTE = re.compile(rb"([^\s\"'<>/=]+)(?:(\s*=\s*)(\"[^\"]*\"|'[^']*'|[^\s\"'>]+))?")


class LinkRewriter:
    """Work in proportion to what it is fed, whatever that is."""

    def __init__(self, rewrite: Rewrite) -> None:
        self._rewrite = rewrite
        self._held = b""
        self._at = 0
        """Up to where what is held has been passed on."""
        self._until: re.Pattern[bytes] | None = None
        """What ends the text that holds no tags now, None where there may be some."""
        self._seen = 0
        self._quote = b""
        """How far beyond `_at` a tag that begins there has been read, and in which quotes that is."""

    def feed(self, piece: bytes) -> bytes:
        self._held += piece
        found: list[bytes] = []
        while self._step(found):
            pass
        self._held, self._at = self._held[self._at :], 0
        return b"".join(found)

    def end(self) -> bytes:
        """What is left."""
        left, self._held = self._held, b""
        return left

    def _step(self, found: list[bytes]) -> bool:
        """Pass on what can be; whether there may be more."""
        if self._until is not None:
            return self._skip(found, self._until)
        mark = _MARKUP.search(self._held, self._at)
        if mark is None or mark.start() != self._at:
            self._pass_on(found, len(self._held) if mark is None else mark.start())
            return mark is not None
        return self._markup(found)

    def _skip(self, found: list[bytes], until: "re.Pattern[bytes]") -> bool:
        end = until.search(self._held, self._at)
        if end is None:
            self._pass_on(found, max(self._at, len(self._held) - _LONGEST_END + 1))
            return False
        # The end of a comment goes with it; the end of an element is a tag of its own.
        self._pass_on(found, end.end() if until is _COMMENT_END else end.start())
        self._until = None
        return True

    def _markup(self, found: list[bytes]) -> bool:
        held, at = self._held, self._at
        if held.startswith(_COMMENT, at):
            self._pass_on(found, at + len(_COMMENT))
            self._until = _COMMENT_END
            return True
        tag = _TAG.match(held, at)
        if tag is None:
            return False
        end = self._end_of_tag(tag.end(1))
        if end < 0:
            if len(held) - at > LONGEST_TAG:
                self._pass_on(found, len(held))
            return False
        name = tag[1].lower().decode("latin-1")
        found.append(self._with_links(held[at:end], tag.end(1) - at, name))
        self._go_to(end)
        self._until = _TEXT_ONLY.get(name)
        return True

    def _end_of_tag(self, start: int) -> int:
        """Behind its `>`, -1 while that has not come. What has been read is not read again."""
        held, seen = self._held, max(self._at + self._seen, start)
        while True:
            if self._quote:
                close = held.find(self._quote, seen)
                if close < 0:
                    self._seen = len(held) - self._at
                    return -1
                seen, self._quote = close + 1, b""
            mark = _QUOTE_OR_END.search(held, seen)
            if mark is None:
                # A quote may follow an equals sign that has come last.
                last = _EQUALS_LAST.search(held, seen)
                self._seen = (last.start() if last else len(held)) - self._at
                return -1
            seen, self._quote = mark.end(), mark[1] or b""
            if not self._quote:
                return seen

    def _with_links(self, tag: bytes, start: int, name: str) -> bytes:
        links = _LINKS.get(name)
        if links is None:
            return tag

        def changed(attribute: "re.Match[bytes]") -> bytes:
            key, equals, value = attribute.groups()
            if value is None or key.lower().decode("latin-1") not in links:
                return attribute[0]
            link = unescape(value.strip(value[:1] if value[:1] in b"\"'" else b"").decode("utf-8", "surrogateescape"))
            through = self._rewrite(link)
            if through == link:
                return attribute[0]
            return key + equals + b'"' + escape(through).encode("utf-8", "surrogateescape") + b'"'

        return tag[:start] + _ATTRIBUTE.sub(changed, tag[start:])

    def _pass_on(self, found: list[bytes], end: int) -> None:
        if end > self._at:
            found.append(self._held[self._at : end])
            self._go_to(end)

    def _go_to(self, end: int) -> None:
        self._at, self._seen, self._quote = end, 0, b""
