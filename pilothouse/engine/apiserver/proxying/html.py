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
_TEXT_ONLY = frozenset(["iframe", "noembed", "noframes", "noscript", "plaintext", "script", "style", "textarea", "title", "xmp"])
"""What is in these is no markup."""
_COMMENT, _COMMENT_END = b"<!--", b"-->"
_TAG = re.compile(rb"<([A-Za-z][^\s/>]*)")
_QUOTE_OR_END = re.compile(rb"=\s*([\"'])|>")
_ATTRIBUTE = re.compile(rb"([^\s\"'<>/=]+)(?:(\s*=\s*)(\"[^\"]*\"|'[^']*'|[^\s\"'>]+))?")


class LinkRewriter:
    def __init__(self, rewrite: Rewrite) -> None:
        self._rewrite = rewrite
        self._held = b""
        self._until = b""
        """What ends the text that holds no tags now, in lower case; b"" where there may be some."""
        self._seen = 0
        self._quote = b""
        """How far a tag at the beginning of what is held has been read, and in which quotes that is."""

    def feed(self, piece: bytes) -> bytes:
        self._held += piece
        found: list[bytes] = []
        while self._step(found):
            pass
        return b"".join(found)

    def end(self) -> bytes:
        """What is left."""
        left, self._held = self._held, b""
        return left

    def _step(self, found: list[bytes]) -> bool:
        """Pass on what can be; whether there may be more."""
        if self._until:
            return self._skip(found)
        start = self._held.find(b"<")
        if start != 0:
            self._pass_on(found, len(self._held) if start < 0 else start)
            return start > 0
        return self._markup(found)

    def _skip(self, found: list[bytes]) -> bool:
        end = self._held.lower().find(self._until)
        if end < 0:
            self._pass_on(found, max(0, len(self._held) - len(self._until) + 1))
            return False
        # The end of a comment goes with it; the end of an element is a tag of its own.
        self._pass_on(found, end + (len(self._until) if self._until == _COMMENT_END else 0))
        self._until = b""
        return True

    def _markup(self, found: list[bytes]) -> bool:
        held = self._held
        if held.startswith(_COMMENT):
            self._pass_on(found, len(_COMMENT))
            self._until = _COMMENT_END
            return True
        tag = _TAG.match(held)
        if tag is None:
            if len(held) < len(_COMMENT) and _COMMENT.startswith(held):
                return False
            self._pass_on(found, 1)
            return True
        end = self._end_of_tag(tag.end(1))
        if end < 0:
            if len(held) <= LONGEST_TAG:
                return False
            self._pass_on(found, len(held))
            return False
        name = tag[1].lower().decode("latin-1")
        found.append(self._with_links(held[:end], tag.end(1), name))
        self._held, self._seen, self._quote = held[end:], 0, b""
        if name in _TEXT_ONLY:
            self._until = b"</" + name.encode("latin-1")
        return True

    def _end_of_tag(self, start: int) -> int:
        """Behind its `>`, -1 while that has not come. What has been read is not read again."""
        held, self._seen = self._held, max(self._seen, start)
        while True:
            if self._quote:
                close = held.find(self._quote, self._seen)
                if close < 0:
                    self._seen = len(held)
                    return -1
                self._seen, self._quote = close + 1, b""
            mark = _QUOTE_OR_END.search(held, self._seen)
            if mark is None:
                # A quote may follow an equals sign that has come last.
                stripped = held.rstrip()
                self._seen = max(self._seen, len(stripped) - 1 if stripped.endswith(b"=") else len(held))
                return -1
            self._seen, self._quote = mark.end(), mark[1] or b""
            if not self._quote:
                return mark.end()

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

    def _pass_on(self, found: list[bytes], length: int) -> None:
        if length:
            found.append(self._held[:length])
            self._held, self._seen, self._quote = self._held[length:], 0, b""
