"""BGP communities as MetalLB writes them, in the words of BIRD's filters. Pure.

Source: RFC 1997 (65000:100), RFC 8092 (large:65000:1:2); metallb/metallb internal/bgp/community.
"""

from collections.abc import Iterable, Mapping

_LARGE = "large"


def commands(texts: Iterable[str], aliases: Mapping[str, str]) -> list[str]:
    """aliases: from names of Community objects. Raises ValueError with the rest of a sentence about the advertisement."""
    return [_command(aliases.get(text, text)) for text in texts]


def _command(text: str) -> str:
    first, *others = text.split(":")
    try:
        if first == _LARGE and len(others) == 3:
            return f"bgp_large_community.add(({_joined(others, 32)}));"
        if len(others) == 1:
            return f"bgp_community.add(({_joined((first, *others), 16)}));"
    except ValueError as error:
        raise ValueError(f"its community {text[:64]!r} is not understood: {error}") from error
    raise ValueError(f"its community {text[:64]!r} is neither one such as 64512:100 or large:64512:1:2, nor one that a Community names")


def _joined(parts: Iterable[str], bits: int) -> str:
    numbers = []
    for part in parts:
        if not (part.isascii() and part.isdigit() and int(part) < 1 << bits):
            raise ValueError(f"{part!r} is no number below {1 << bits}")
        numbers.append(str(int(part)))
    return ",".join(numbers)
