"""Counters of calls to webhooks, by upstream's names, and which webhooks fail at present.

Source: apiserver/pkg/admission/metrics/metrics.go.
"""

from bisect import bisect_left

from pilothouse.engine.apiserver.admission.webhooks.hook import Hook, Phase

_BOUNDS = (0.005, 0.025, 0.1, 0.5, 1.0, 2.5, 10.0, 25.0)
_MOST_SERIES = 5_000
_DURATION = "apiserver_admission_webhook_admission_duration_seconds"
_REQUESTS = "apiserver_admission_webhook_request_total"
_REJECTIONS = "apiserver_admission_webhook_rejection_count"
_FAIL_OPEN = "apiserver_admission_webhook_fail_open_count"
_EXCLUSIONS = "apiserver_admission_match_condition_exclusions_total"
_UNANSWERED = "apiserver_admission_match_condition_evaluation_errors_total"
_COUNTERS = (_REQUESTS, _REJECTIONS, _FAIL_OPEN, _EXCLUSIONS, _UNANSWERED)
_FAILING = "pilothouse_admission_webhook_failing"
_MEANINGS = {
    _DURATION: "How long calls to admission webhooks took, by webhook and operation.",
    _REQUESTS: "Calls to admission webhooks, by webhook, operation, code and whether the write was refused.",
    _REJECTIONS: "Writes refused by admission webhooks, or for the sake of one that failed.",
    _FAIL_OPEN: "Writes that went on without an admission webhook that failed.",
    _EXCLUSIONS: "Writes that match conditions kept from an admission webhook.",
    _UNANSWERED: "Match conditions that could not be evaluated.",
    _FAILING: "Admission webhooks whose last call was not answered.",
}
_LARGEST_CODE = 600
Labels = tuple[tuple[str, str], ...]


class WebhookMetrics:
    def __init__(self) -> None:
        self._durations: dict[Labels, list[float]] = {}
        self._counts: dict[str, dict[Labels, int]] = {}
        self._failing: dict[tuple[Phase, str], Labels] = {}

    def called(self, hook: Hook, phase: Phase, operation: str, *, seconds: float, code: int, rejected: bool) -> None:
        labels = (("name", hook.name), ("operation", operation), ("rejected", _text(rejected)), ("type", phase))
        self._count(_REQUESTS, (("code", str(min(code, _LARGEST_CODE))), *labels))
        if labels not in self._durations and len(self._durations) >= _MOST_SERIES:
            return
        series = self._durations.setdefault(labels, [0.0] * (len(_BOUNDS) + 2))
        series[bisect_left(_BOUNDS, seconds)] += 1
        series[-1] += seconds

    def rejected(self, hook: Hook, phase: Phase, operation: str, error_type: str, code: int) -> None:
        """error_type: calling_webhook_error, apiserver_internal_error, or no_error when the webhook itself has refused."""
        what = ("error_type", error_type), ("name", hook.name), ("operation", operation)
        self._count(_REJECTIONS, (*what, ("rejection_code", str(min(code, _LARGEST_CODE))), ("type", phase)))

    def failed_open(self, hook: Hook, phase: Phase) -> None:
        self._count(_FAIL_OPEN, (("name", hook.name), ("type", phase)))

    def excluded(self, hook: Hook, phase: Phase, operation: str) -> None:
        """By a match condition."""
        self._count(_EXCLUSIONS, _of_condition(hook, phase, operation))

    def unanswered(self, hook: Hook, phase: Phase, operation: str) -> None:
        """A match condition could not be evaluated."""
        self._count(_UNANSWERED, _of_condition(hook, phase, operation))

    def failing(self, hook: Hook, phase: Phase) -> None:
        """The last call has not been answered."""
        policy = "Ignore" if hook.ignores_failures else "Fail"
        self._failing[phase, hook.id] = ("configuration", hook.configuration), ("name", hook.name), ("policy", policy), ("type", phase)

    def answering(self, hook: Hook, phase: Phase) -> None:
        self._failing.pop((phase, hook.id), None)

    def forget(self, phase: Phase, ids: set[str]) -> None:
        """Webhooks that are no more."""
        for id in ids:
            self._failing.pop((phase, id), None)

    def _count(self, name: str, labels: Labels) -> None:
        counts = self._counts.setdefault(name, {})
        if labels in counts or len(counts) < _MOST_SERIES:
            counts[labels] = counts.get(labels, 0) + 1

    def lines(self) -> list[str]:
        """In Prometheus' text format."""
        lines = _declared(_DURATION, "histogram")
        for labels, series in sorted(self._durations.items()):
            lines += _histogram(_DURATION, _joined(labels), series)
        for name in _COUNTERS:
            lines += _declared(name, "counter")
            lines += [f"{name}{{{_joined(labels)}}} {count}" for labels, count in sorted(self._counts.get(name, {}).items())]
        lines += _declared(_FAILING, "gauge")
        return lines + [f"{_FAILING}{{{_joined(labels)}}} 1" for _, labels in sorted(self._failing.items())]


def _declared(name: str, kind: str) -> list[str]:
    return [f"# HELP {name} {_MEANINGS[name]}", f"# TYPE {name} {kind}"]


def _of_condition(hook: Hook, phase: Phase, operation: str) -> Labels:
    return ("kind", "webhook"), ("name", hook.name), ("operation", operation), ("type", phase)


def _text(value: bool) -> str:
    return "true" if value else "false"


def _joined(labels: Labels) -> str:
    """Values need no escapes: names of webhooks and configurations are DNS names."""
    return ",".join(f'{key}="{value}"' for key, value in labels)


def _histogram(name: str, labels: str, series: list[float]) -> list[str]:
    total, lines = 0.0, []
    for bound, count in zip((*_BOUNDS, "+Inf"), series[:-1], strict=True):
        total += count
        lines.append(f'{name}_bucket{{{labels},le="{bound}"}} {total:g}')
    return [*lines, f"{name}_sum{{{labels}}} {series[-1]:g}", f"{name}_count{{{labels}}} {total:g}"]
