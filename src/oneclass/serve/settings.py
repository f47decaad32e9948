"""What the server may do, and how much of it."""

from __future__ import annotations

import ipaddress
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from oneclass.errors import InputError
from oneclass.system.names import spelt_out

MEGABYTE = 10**6
DAY = 86_400.0
EVERYWHERE = {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "::1"}
"""Hosts that stand for all addresses of a machine, which nobody can open, and one of those."""


@dataclass(frozen=True)
class Limits:
    """How much is taken from clients.

    Attributes:
        image_bytes: of one image.
        body_bytes: of one request; a model file, or several images.
        images: in one request.
        pixels: of one image; decoding takes up to 15 bytes for each.
        queue: images that wait to be scored.
        jobs: that wait to run.
        connections: open at a time.
        requests: that have arrived whole and are under way at a time, for one client.
        header_bytes: of one request's headers.
        header_seconds: for them to arrive.
        body_seconds: for a body to arrive, and as much again for each 1 MB of it.
        idle_seconds: that an open connection may be silent between requests.
        stop_seconds: that requests and images have to finish when the server is told to stop.
        job_seconds: that a job has then; it begins again at the next start.
        disk_bytes: free space below which no new images are taken.
    """

    image_bytes: int = 50 * MEGABYTE
    body_bytes: int = 250 * MEGABYTE
    images: int = 256
    pixels: int = 24 * MEGABYTE
    queue: int = 512
    jobs: int = 32
    connections: int = 512
    requests: int = 48
    header_bytes: int = 16_384
    header_seconds: float = 10.0
    body_seconds: float = 10.0
    idle_seconds: float = 15.0
    stop_seconds: float = 30.0
    job_seconds: float = 3.0
    disk_bytes: int = 100 * MEGABYTE


@dataclass(frozen=True)
class Settings:
    """What a server is started with.

    Attributes:
        data: the folder that holds all that it keeps.
        host: the address to listen at.
        port: 0 for any free one.
        url: where people reach it through a proxy, such as https://line.example/oneclass; None
            without a proxy.
        hosts: further names that requests may be addressed to.
        folders: that requests may name files in, and that may be watched.
        threads: of each detector; None for all cores.
        keep_bytes: of images; the oldest normal ones go first.
        keep_seconds: of predictions; None for ever.
        limits: how much is taken from clients.
    """

    data: Path
    host: str = "127.0.0.1"
    port: int = 8717
    url: str | None = None
    hosts: tuple[str, ...] = ()
    folders: tuple[Path, ...] = ()
    threads: int | None = None
    keep_bytes: float = 10e9
    keep_seconds: float | None = None
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        parts = urlsplit(self.url or "http://localhost")
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query:
            raise InputError(
                f"--url is {self.url!r}: expected the address that people type, such as "
                "https://line.example/oneclass."
            )
        for name in self.hosts:
            if not _is_host(name):
                raise InputError(
                    f"--allow-host is {name!r}: expected the name alone, such as line.example, "
                    "without http://, port or path."
                )
        if not 0 <= self.port < 65_536:
            raise InputError(f"--port is {self.port}: expected 0 to 65535.")
        for name, value in (("threads", self.threads), ("max-pixels", self.limits.pixels)):
            if value is not None and value < 1:
                raise InputError(f"--{name} is {value}: expected a whole number of at least 1.")
        for folder in self.folders:
            if not folder.is_dir():
                raise InputError(f"--folder is {folder}: expected a folder that exists.")
            if spelt_out(str(folder.resolve())) != str(folder.resolve()):
                raise InputError(
                    f"--folder is {folder}: its name has bytes that are no UTF-8, and programs "
                    "could not give it. Give the folder around it, or rename it."
                )

    @property
    def prefix(self) -> str:
        """The path under which a proxy shows the server; empty at its root."""
        return "" if self.url is None else urlsplit(self.url).path.rstrip("/")

    @property
    def secure(self) -> bool:
        """Whether people come by https, so that cookies may be kept from anything else."""
        return self.url is not None and self.url.startswith("https:")

    @property
    def open(self) -> bool:
        """Whether requests need no token: only from this machine, with no proxy before it."""
        return self.url is None and is_loopback(self.host)

    def address(self, port: int) -> str:
        """What people on this machine open, or behind a proxy everybody.

        Args:
            port: that it listens at.
        """
        if self.url is not None:
            return self.url
        here = EVERYWHERE.get(self.host, self.host)
        return f"http://{f'[{here}]' if ':' in here else here}:{port}/"

    def elsewhere(self, port: int) -> str | None:
        """What people on other machines open, in a sentence; None where that is `address`, or none.

        Args:
            port: that it listens at.
        """
        if self.url is not None or self.host not in EVERYWHERE:
            return None
        if self.hosts:
            return f"From elsewhere it is at http://{self.hosts[0]}:{port}/."
        return (
            f"From elsewhere it is at http://ADDRESS:{port}/, with this machine's address, or with "
            "its name if --allow-host tells it."
        )

    @property
    def names(self) -> frozenset[str]:
        """Names that requests may be addressed to; addresses in digits always may."""
        own = {"localhost", self.host, *self.hosts}
        if self.url is not None:
            own.add(str(urlsplit(self.url).hostname))
        return frozenset(name.lower() for name in own)


def _is_host(name: str) -> bool:
    """Whether a text is the name of a host, as a request that is addressed to it has it."""
    with suppress(ValueError):
        return bool(ipaddress.ip_address(name))
    try:
        return urlsplit(f"//{name}").hostname == name.lower()
    except ValueError:  # half an address in brackets
        return False


def is_loopback(host: str) -> bool:
    """Whether an address is this machine's own."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
