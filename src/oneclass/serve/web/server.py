"""From settings to a server that listens, and ends well."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable
from types import FrameType

import uvicorn

from oneclass.serve.records.jobs import RUNNING
from oneclass.serve.web.app import make_app
from oneclass.serve.web.connections import limited
from oneclass.serve.web.words import titled
from oneclass.serve.work.service import Service


class Server(uvicorn.Server):
    """Ends without a traceback, and lets those go who only listen."""

    def __init__(
        self, config: uvicorn.Config, service: Service, say: Callable[[str], None]
    ) -> None:
        super().__init__(config)
        self._service, self._say = service, say

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """SIGTERM and Ctrl-C finish what runs; a second one does not."""
        if self.should_exit:
            self.force_exit = True
        self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Say what is waited for, let the listeners go, then the rest."""
        self._service.runner.take_no_more()
        self._say(ending(self._service))
        self._service.events.end()
        await super().shutdown(sockets)


def ending(service: Service) -> str:
    """A sentence for who told the server to end: what it waits for."""
    running = [job for job in service.jobs.unfinished() if job["state"] == RUNNING]
    if not running:
        return "ending, once what has been sent is answered ..."
    return (
        f"ending, once what has been sent is answered; {titled(running[0])} has "
        f"{service.limits.job_seconds:g} seconds to finish, and else begins anew when "
        "the server is started again ..."
    )


def make_server(service: Service, say: Callable[[str], None] = lambda _: None) -> Server:
    """A server that is ready to `run`.

    Args:
        service: that it shows.
        say: called with a sentence when it has been told to end, or is in trouble.
    """
    settings, limits, service.say = service.settings, service.limits, say
    config = uvicorn.Config(
        make_app(service),
        host=settings.host,
        port=settings.port,
        http=limited(limits),
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=int(limits.idle_seconds),
        timeout_graceful_shutdown=int(limits.stop_seconds),
        backlog=2 * limits.connections + 128,
    )
    for name in ("uvicorn.error", "python_multipart"):  # what clients do wrong they are told
        logging.getLogger(name).setLevel(logging.ERROR)
    return Server(config, service, say)
