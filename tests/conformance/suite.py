"""The suite's own program, run on some of its specs at a time.

Several specs run side by side, serial ones alone. A run has a bound in seconds: when it is reached the workers are told
to end, and what they had not finished counts as not run. The output of all runs is kept, for the log of a spec that failed.
"""

import asyncio
import contextlib
import os
import re
import shutil
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from tests.conformance.specs import Result, read_junit, read_log

ENDING_S = 20.0
"""How long workers that were told to end may take to remove their namespaces."""


@dataclass(frozen=True, slots=True)
class Suite:
    """bin: with e2e.test, ginkgo and kubectl. work: a folder for reports and logs. nodes: of the instance."""

    bin: Path
    work: Path
    kubeconfig: Path
    nodes: int

    async def specs(self) -> list[str]:
        """All that the program has, by a run that carries none out."""
        listing = self.work / "specs"
        if not (found := sorted(listing.glob("junit_*.xml"))) or found[0].stat().st_mtime < (self.bin / "e2e.test").stat().st_mtime:
            arguments = ["--ginkgo.dryRun", "--report-dir", str(listing), "--kubeconfig", str(self.kubeconfig), "--provider", "local"]
            process = await asyncio.create_subprocess_exec(self.bin / "e2e.test", *arguments, stdout=asyncio.subprocess.DEVNULL)
            await asyncio.wait_for(process.wait(), 120)
        return _names(listing)

    async def run(self, specs: Sequence[str], workers: int, bound_s: float) -> list[Result]:
        """What came out of those that ended within the bound; shorter than `specs` when it was reached."""
        reports = self.work / f"run-{os.getpid()}"
        shutil.rmtree(reports, ignore_errors=True)
        reports.mkdir(parents=True)
        log = reports / "log.txt"
        with log.open("wb") as output:
            process = await asyncio.create_subprocess_exec(
                *self._command(specs, workers, reports), stdout=output, stderr=output, start_new_session=True
            )
            ended = await _ended(process, bound_s)
        text = log.read_text(errors="replace")
        with (self.work / "log.txt").open("a") as all_logs:
            all_logs.write(text)
        if not ended:
            await self._tidy()
        # Workers that were told to end write no report: what they had finished by then stands in the log alone.
        reported = {each.spec: each for each in read_junit(reports, set(specs))} if ended else {}
        shutil.rmtree(reports)
        return list(({each.spec: each for each in read_log(text, set(specs))} | reported).values())

    async def _tidy(self) -> None:
        """What specs that were ended have left and what would get in the way of others: they remove their own namespaces and webhooks."""
        for what in (("namespaces", "--selector=e2e-run"), ("validatingwebhookconfigurations,mutatingwebhookconfigurations", "--all")):
            delete = ("delete", *what, "--wait=false", "--kubeconfig", str(self.kubeconfig))
            process = await asyncio.create_subprocess_exec(self.bin / "kubectl", *delete, stdout=asyncio.subprocess.DEVNULL)
            await process.wait()

    def _command(self, specs: Sequence[str], workers: int, reports: Path) -> list[str]:
        focus = f"({'|'.join(re.escape(spec) for spec in specs)})$"
        return [
            *(str(self.bin / "ginkgo"), f"--nodes={workers}", "--noColor", "--focus", focus, str(self.bin / "e2e.test"), "--"),
            *("--kubeconfig", str(self.kubeconfig), "--provider", "local", "--report-dir", str(reports)),
            *("--kubectl-path", str(self.bin / "kubectl"), "--disable-log-dump", "--allowed-not-ready-nodes", "0"),
            *("--container-runtime", "remote", "--e2e-output-dir", str(self.work)),
            # Of several workers the first alone finds this out; specs that need two nodes would skip themselves in the others.
            *("--num-nodes", str(self.nodes)),
        ]


async def _ended(process: asyncio.subprocess.Process, bound_s: float) -> bool:
    """Whether it ended by itself. In any case it and its workers have ended afterwards."""
    try:
        await asyncio.wait_for(process.wait(), bound_s)
        return True
    except TimeoutError:
        os.killpg(process.pid, signal.SIGINT)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), ENDING_S)
        return False
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


def _names(folder: Path) -> list[str]:
    names = {case.get("name", "") for path in folder.glob("junit_*.xml") for case in ElementTree.parse(path).iter("testcase")}
    return sorted(names - {"BeforeSuite", "AfterSuite", ""})
