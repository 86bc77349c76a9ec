"""The process that runs before a new state is rolled out (pure)."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.platform.apps import processes, schedule, workloads
from pilothouse.platform.apps.objects import Surroundings
from pilothouse.platform.apps.workloads import Running


@dataclass(frozen=True, slots=True)
class Release:
    """name: of the Job, "" for an app without a release process. job: the Job, unless it has ended well.

    failure: why the state is not rolled out; "" while it runs and when it has ended well. waits: that of an earlier state still runs.
    """

    name: str = ""
    is_done: bool = True
    job: Object | None = None
    failure: str = ""
    waits: bool = False


def next_release(app: Object, running: Running, jobs: Sequence[Object], around: Surroundings) -> Release:
    process = processes.release(app)
    if process is None:
        return Release()
    name = workloads.release_name(app, process, running)
    current = next((job for job in jobs if meta.name(job) == name), None)
    if (app.get("status") or {}).get("release") == name or (current is not None and meta.is_true(current, "Complete")):
        return Release(name, job=current)
    if current is None and any(not schedule.has_ended(job) for job in schedule.runs_of(processes.RELEASE, jobs)):
        # What two of them do at a time, such as migrations of one database, is not known to be safe.
        return Release(name, False, waits=True)
    wanted = workloads.job(app, process, running, around, name=name)
    failed = meta.condition(current or {}, "Failed")
    if failed is not None and failed["status"] == "True":
        return Release(name, False, wanted, _failure(process, failed))
    return Release(name, False, wanted)


def _failure(process: processes.Process, failed: Object) -> str:
    words = " ".join([*process.command, *process.args])
    shown = re.sub(r"^/bin/(ba)?sh -c (exec )?", "", words) or "the image's own command"
    late = f" did not end within {workloads.RELEASE_DEADLINE_S} s" if failed.get("reason") == "DeadlineExceeded" else " failed"
    return f"the release process{late}, so nothing was rolled out: {shown}"
