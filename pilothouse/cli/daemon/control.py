"""The control plane's process: store, API server, controllers, scheduler, and the platform's controllers and registry."""

import asyncio
import importlib
import sys
from contextlib import AsyncExitStack

import structlog

from pilothouse.cli.daemon import wiring
from pilothouse.cli.daemon.process import Process, main
from pilothouse.cli.daemon.roles import CONTROL
from pilothouse.decisions.log import DecisionLog
from pilothouse.engine.apiserver.audit.policy_file import PolicyError
from pilothouse.engine.apiserver.identity import service_account
from pilothouse.engine.boot.control import ControlPlane
from pilothouse.engine.identities import Identities
from pilothouse.engine.scheduler.config.file import ConfigError
from pilothouse.engine.store.errors import StoreCorrupt, StoreTooNew
from pilothouse.engine.store.keyring import KeyringError
from pilothouse.engine.store.sealing import SealUnusable

log = structlog.get_logger("daemon")


async def work(process: Process) -> None:
    home, settings, steps = process.home, process.settings, process.steps
    async with AsyncExitStack() as stack:
        decisions = stack.enter_context(DecisionLog(home.decisions))
        plane = ControlPlane(wiring.control_config(home, settings), decisions, process.supervisor, steps.done)
        await stack.enter_async_context(plane.open())
        if settings.platform:
            # Imported here: a cluster without the platform does not pay for it. In a thread: the API is answering already.
            await asyncio.to_thread(importlib.import_module, "pilothouse.cli.daemon.platform")
            from pilothouse.cli.daemon.platform import Platform
            from pilothouse.platform.rights import SYSTEM

            platform = Platform(
                lambda part: plane.client(service_account(SYSTEM, part)),
                decisions,
                wiring.platform_options(home, settings),
                process.supervisor,
            )
            process.supervisor.start("platform", platform.run)
            _open_registry(process)
            await process.supervisor.ready("platform")
            steps.done("platform")
        steps.enter("ready")
        log.info("ready", api=f"https://{settings.api_host}:{settings.api_port}")
        await asyncio.Event().wait()


def _open_registry(process: Process) -> None:
    """To nodes that are not on this machine, or in a network namespace of it."""
    from pilothouse.platform.registry.relay import RegistryForNodes

    identities, settings = Identities(process.home.pki), process.settings
    if addresses := wiring.addresses_for_nodes(settings):
        opened = RegistryForNodes(addresses, settings.registry_port, identities.server, identities.ca)
        process.supervisor.start("registry for nodes", opened.run)


if __name__ == "__main__":
    fatal = (PolicyError, ConfigError, StoreCorrupt, StoreTooNew, SealUnusable, KeyringError)
    sys.exit(main(CONTROL, work, fatal=fatal, logs=lambda home: (home.daemon_log, home.log / "registry.log")))
