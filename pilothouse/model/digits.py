"""Whole numbers in texts that somebody else has written.

WHY not isdigit() and int(): the first takes superscripts and the digits of other scripts, the second raises for more than 4,300 digits.
"""

_MOST = 20
"""Digits; no field of any object holds more."""


def natural(text: str) -> int | None:
    """The number that ASCII digits stand for; None for any other text, and for more digits than numbers have here."""
    return int(text) if len(text) <= _MOST and text.isascii() and text.isdigit() else None
