"""A store's faults as a Job tells them."""

import contextlib
from collections.abc import Iterator

from pilothouse.platform.databases.inside.outcome import Failure
from pilothouse.platform.databases.inside.store.sealed import BrokenSeal, UnknownKey
from pilothouse.platform.databases.inside.store.seam import Missing, StoreError


@contextlib.contextmanager
def told() -> Iterator[None]:
    """StoreError, Missing and BrokenSeal become Failures; what lies broken in the store is final."""
    try:
        yield
    except StoreError as error:
        raise Failure(error.reason, error.message, final=error.reason in ("StoreFull", "StoreRefused")) from error
    except Missing as error:
        raise Failure("Missing", f"{error} is not in the store", final=True) from error
    except UnknownKey as error:
        raise Failure("KeyUnknown", str(error), final=True) from error
    except BrokenSeal as error:
        raise Failure("Corrupted", str(error), final=True) from error
