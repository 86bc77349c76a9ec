"""Is the server alive and ready: named checks behind /healthz, /livez and /readyz."""

from collections.abc import Callable, Mapping

Check = Callable[[], str]
"""Why the check fails, "" when it does not."""


class Health:
    """checks: by name, in the order they are shown; `readiness`: those that count for /readyz only."""

    def __init__(self, checks: Mapping[str, Check], readiness: Mapping[str, Check]) -> None:
        self._checks = {"ping": lambda: "", **checks}
        self._readiness = {**self._checks, **readiness}

    def answer(self, path: str, *, verbose: bool, excluded: list[str]) -> tuple[int, str] | None:
        """(status, text) of /healthz, /livez, /readyz or one check below; None for an unknown check."""
        endpoint, _, name = path.strip("/").partition("/")
        checks = self._readiness if endpoint == "readyz" else self._checks
        if name:
            if name not in checks:
                return None
            why = checks[name]()
            return (500, f"internal server error: {why}\n") if why else (200, "ok")
        failed = {each: why for each, check in checks.items() if each not in excluded and (why := check())}
        lines = [f"[-]{each} failed: reason withheld" if each in failed else f"[+]{each} ok" for each in checks if each not in excluded]
        lines += [f"[+]{each} excluded: ok" for each in checks if each in excluded]
        if failed:
            return 500, "\n".join([*lines, f"{endpoint} check failed"]) + "\n"
        return 200, "\n".join([*lines, f"{endpoint} check passed"]) + "\n" if verbose else "ok"
