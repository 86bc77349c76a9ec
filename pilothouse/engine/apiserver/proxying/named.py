"""What a proxied request names: `web`, `web:80`, `web:http`, `https:web:443`, `https:web:`. Pure.

Source: apimachinery/pkg/util/net, SplitSchemeNamePort.
"""

from typing import NamedTuple

_SCHEMES = ("", "http", "https")


class Named(NamedTuple):
    """scheme: "http" unless stated. port: a number or a name, "" where none is stated."""

    scheme: str
    name: str
    port: str


def split(text: str) -> Named | None:
    """None for what names nothing."""
    parts = text.split(":")
    if len(parts) > 3:
        return None
    scheme, name, port = ("", *parts, "")[:3] if len(parts) < 3 else parts
    return Named(scheme or "http", name, port) if name and scheme in _SCHEMES else None
