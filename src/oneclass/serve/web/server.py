"""From settings to a server that listens, and ends well."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable
from types import FrameType

import uvicorn

from oneclass.serve.web.app import make_app
from oneclass.serve.web.connections import limited
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
        """Let the listeners go, then the rest."""
        self._say(
            f"ending: what it is at has up to {self._service.limits.stop_seconds:g} s to finish; a "
            "job that does not begins again at the next start."
        )
        self._service.events.end()
        await super().shutdown(sockets)


def make_server(service: Service, say: Callable[[str], None]) -> Server:
    """A server that is ready to `run`.

    Args:
        service: behind it.
        say: tells whoever has started it that it begins to end.
    """
    settings, limits = service.settings, service.limits
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
