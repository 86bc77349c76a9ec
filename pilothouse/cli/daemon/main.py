"""The process behind `ph up`: starts the engine, the network and the platform, and keeps them until it is told to stop.

Exit codes: 0 stopped as asked; 78 (EX_CONFIG) trying again is no use, the state file says why; anything else is a crash,
after which the supervisor starts it again.
"""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import structlog
import uvloop

from pilothouse.aio.tasks import Scope, scope
from pilothouse.barrier.endpoints import EndpointBarrier
from pilothouse.cli.daemon import wiring
from pilothouse.cli.daemon.logs import configure
from pilothouse.cli.daemon.state import Steps, note_pid
from pilothouse.cli.settings.home import Home, Settings, SettingsError
from pilothouse.client.informers import Informers
from pilothouse.decisions.log import DecisionLog
from pilothouse.engine.boot import Engine
from pilothouse.network.dns import ClusterDNS
from pilothouse.network.pod import PodNetwork
from pilothouse.network.service import ServiceProxy

log = structlog.get_logger("daemon")
EX_CONFIG = 78


class Daemon:
    def __init__(self, home: Home, settings: Settings, steps: Steps) -> None:
        self.home = home
        self.settings = settings
        self.steps = steps
        self.barrier = EndpointBarrier()

    async def run(self) -> None:
        """Until SIGTERM or SIGINT."""
        async with AsyncExitStack() as stack:
            tasks = await stack.enter_async_context(scope())
            for number in (signal.SIGTERM, signal.SIGINT):
                asyncio.get_running_loop().add_signal_handler(number, tasks.cancel)
            decisions = stack.enter_context(DecisionLog(self.home.decisions))
            engine = await stack.enter_async_context(self._engine(tasks, decisions))
            await self._start_network(tasks, engine)
            self.steps.done("network")
            if self.settings.platform:
                await self._start_platform(tasks, engine, decisions)
                self.steps.done("platform")
            self.steps.enter("ready")
            log.info("ready", api=f"https://{self.settings.api_host}:{self.settings.api_port}")
            await asyncio.Event().wait()

    @asynccontextmanager
    async def _engine(self, tasks: Scope, decisions: DecisionLog) -> AsyncIterator[Engine]:
        network = PodNetwork(wiring.pod_network_config(self.home, self.settings))
        engine = Engine(wiring.engine_config(self.home, self.settings), decisions, self.barrier, self.steps.done)
        async with engine.open(lambda: tasks.start(network.run, name="pod network")):
            yield engine

    async def _start_network(self, tasks: Scope, engine: Engine) -> None:
        client = engine.client("system:kube-proxy", "system:masters")
        informers = Informers(client)
        proxy = ServiceProxy(informers, self.barrier, wiring.service_proxy_config(self.home, self.settings))
        dns = ClusterDNS(client, informers, wiring.dns_config(self.settings))
        await tasks.start(informers.run, name="network informers")
        await tasks.start(proxy.run, name="service proxy")
        await tasks.start(dns.run, name="cluster DNS")

    async def _start_platform(self, tasks: Scope, engine: Engine, decisions: DecisionLog) -> None:
        # Imported here: a cluster without the platform does not pay for it.
        from pilothouse.cli.daemon.platform import Platform

        options = wiring.platform_options(self.home, self.settings)
        platform = Platform(engine.admin(), decisions, options, self.barrier)
        await tasks.start(platform.run, name="platform", deadline_s=60)


def main() -> int:
    home = Home.chosen(sys.argv[1])
    configure()
    steps = Steps(home)
    note_pid(home.daemon_pid, steps.state.pid)
    try:
        settings = Settings.load(home)
        if settings is None:
            raise SettingsError(f"there is no instance at {home.path}")
        uvloop.run(Daemon(home, settings, steps).run())
    except Exception as error:
        return _failed(steps, error)
    steps.enter("stopped")
    Path(home.daemon_pid).unlink(missing_ok=True)
    return 0


def _failed(steps: Steps, failure: Exception) -> int:
    """Write down why, for the user; a failure that repeats itself ends the supervisor, too."""
    error = first_error(failure)
    starting = steps.state.phase == "starting"
    log.error("failed", exc_info=error)
    steps.enter("failed", str(error) or type(error).__name__)
    return EX_CONFIG if starting else 1


def first_error(error: BaseException) -> BaseException:
    """The first plain exception in a nest of groups."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


if __name__ == "__main__":
    sys.exit(main())
