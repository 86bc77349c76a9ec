"""CronJobs: defaults, and what their schedules, time zones and templates of Jobs may say.

Source: pkg/apis/batch/v1/defaults.go, pkg/apis/batch/validation, pkg/registry/batch/cronjob/strategy.go.
"""

import re

from pilothouse.engine.apiserver.kinds import field, metadata, strategy
from pilothouse.engine.apiserver.kinds.jobs.jobs import spec_warnings
from pilothouse.engine.apiserver.kinds.jobs.validation.spec import validate_template_spec
from pilothouse.engine.apiserver.kinds.kind import Kind
from pilothouse.engine.apiserver.kinds.pod_defaults import default_template
from pilothouse.engine.apiserver.kinds.pod_warnings.spec import name_warnings
from pilothouse.engine.apiserver.kinds.printers import workloads as printer
from pilothouse.model import kinds, names, zones
from pilothouse.model.cron.parse import ScheduleError, parse
from pilothouse.model.errors import Cause
from pilothouse.model.json import Object

POLICIES = ("Allow", "Forbid", "Replace")
NAME_MAX = 52
"""Characters: a Job's name is eleven longer, and a label of its pods."""
SUCCESSFUL_KEPT, FAILED_KEPT = 3, 1
_TEMPLATE = "spec.jobTemplate.spec"
_ZONE_IN_LINE = re.compile(r"(?:CRON_)?TZ=\S*\s+")
_NO_ZONE_IN_LINE = "cannot use TZ or CRON_TZ in schedule, use timeZone field instead"


def default(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    spec["concurrencyPolicy"] = spec.get("concurrencyPolicy") or "Allow"
    strategy.fill(spec, "suspend", False)
    strategy.fill(spec, "successfulJobsHistoryLimit", SUCCESSFUL_KEPT)
    strategy.fill(spec, "failedJobsHistoryLimit", FAILED_KEPT)
    # Of the Job in the template only its pods get defaults; the rest is filled in when a Job is made of it.
    template = spec["jobTemplate"] = spec.get("jobTemplate") or {}
    job = template["spec"] = template.get("spec") or {}
    pod = job["template"] = job.get("template") or {}
    default_template(pod)


def _validate(obj: Object) -> list[Cause]:
    causes = metadata.validate(obj, names.dns1123_subdomain) + _spec(obj.get("spec") or {}, None)
    name = obj["metadata"].get("name") or ""
    if len(name) > NAME_MAX:
        causes.append(field.invalid("metadata.name", name, f"must be no more than {NAME_MAX} characters"))
    return causes


def _validate_update(obj: Object, old: Object) -> list[Cause]:
    return metadata.validate_update(obj, old) + _spec(obj.get("spec") or {}, old.get("spec") or {})


def _spec(spec: Object, before: Object | None) -> list[Cause]:
    """before: the stored one; a zone that it has already is not judged, since the machine's list of zones may have changed."""
    schedule, zone = spec.get("schedule") or "", spec.get("timeZone")
    causes = _schedule(schedule, "spec.schedule")
    causes += field.non_negative("spec.startingDeadlineSeconds", spec.get("startingDeadlineSeconds"))
    if zone is not None and (before is None or before.get("timeZone") != zone):
        causes += _zone(zone, "spec.timeZone")
    causes += field.one_of("spec.concurrencyPolicy", spec.get("concurrencyPolicy") or "", POLICIES)
    causes += _job_template((spec.get("jobTemplate") or {}).get("spec") or {})
    for name in field.until_enough(causes, ("successfulJobsHistoryLimit", "failedJobsHistoryLimit")):
        causes += field.non_negative(f"spec.{name}", spec.get(name))
    return causes


def _schedule(text: str, path: str) -> list[Cause]:
    if not text:
        return [field.required(path)]
    causes: list[Cause] = []
    try:
        parse(_ZONE_IN_LINE.sub("", text, count=1) if text.startswith(("TZ=", "CRON_TZ=")) else text)
    except ScheduleError as error:
        causes.append(field.invalid(path, text, str(error)))
    if "TZ" in text:
        causes.append(field.invalid(path, text, _NO_ZONE_IN_LINE))
    return causes


def _zone(name: str, path: str) -> list[Cause]:
    if not name:
        return [field.invalid(path, name, "timeZone must be nil or non-empty string")]
    if name.lower() == "local":
        return [field.invalid(path, name, "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones")]
    try:
        zones.find(name)
    except zones.UnknownZone as error:
        return [field.invalid(path, name, str(error))]
    return []


def _job_template(job: Object) -> list[Cause]:
    causes = validate_template_spec(job, _TEMPLATE)
    if (selector := job.get("selector")) is not None:
        causes.append(field.invalid(f"{_TEMPLATE}.selector", selector, "`selector` will be auto-generated"))
    if job.get("manualSelector"):
        causes.append(field.not_supported(f"{_TEMPLATE}.manualSelector", True, ("nil", "false")))
    return causes


def _spec_warnings(obj: Object) -> list[str]:
    return spec_warnings(((obj.get("spec") or {}).get("jobTemplate") or {}).get("spec") or {}, _TEMPLATE)


def _warnings(obj: Object) -> list[str]:
    return name_warnings(obj) + _spec_warnings(obj)


def _warnings_on_update(obj: Object, old: Object) -> list[str]:
    return _spec_warnings(obj) if strategy.is_new_generation(obj, old) else []


CRONJOB = Kind(
    kinds.CRONJOBS,
    "io.k8s.api.batch.v1.CronJob",
    default=default,
    prepare_create=strategy.create(status={}),
    prepare_update=strategy.update(),
    validate=_validate,
    validate_update=_validate_update,
    validate_status_update=metadata.validate_common_update,
    warnings=_warnings,
    warnings_on_update=_warnings_on_update,
    columns=printer.CRONJOB_COLUMNS,
    cells=printer.cronjob_cells,
)
