"""A cache of pure functions of text that bounds bytes, not only entries: what is long is worked out anew each time."""

import functools
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

LONGEST = 256


def remembered(maxsize: int, *, longest: int = LONGEST) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Like functools.lru_cache for functions whose arguments may come from a client: only calls with short texts are kept.

    longest: characters of a text that is kept.
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        cached: Any = functools.lru_cache(maxsize=maxsize)(function)

        @functools.wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            for text in args:
                if isinstance(text, str) and len(text) > longest:
                    return function(*args, **kwargs)
            found: R = cached(*args, **kwargs)
            return found

        call.cache_info = cached.cache_info  # type: ignore[attr-defined]
        return call

    return decorate
