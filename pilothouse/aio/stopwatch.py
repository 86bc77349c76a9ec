"""How long a coroutine holds the event loop: the sum of its steps, without what it waits for in between."""

import types
from collections.abc import Callable, Coroutine, Generator
from functools import partial
from typing import Any, TypeVar

T = TypeVar("T")


@types.coroutine
def timed(work: Coroutine[Any, Any, T], note: Callable[[float], None], clock: Callable[[], float]) -> Generator[Any, Any, T]:
    """The result of work; note gets the seconds of each of its steps as soon as the step is over."""
    step: Callable[[], Any] = partial(work.send, None)
    while True:
        began = clock()
        try:
            awaited = step()
        except StopIteration as ended:
            result: T = ended.value
            return result
        finally:
            note(clock() - began)
        try:
            yield awaited
        except BaseException as error:
            step = partial(work.throw, error)
        else:
            step = partial(work.send, None)
