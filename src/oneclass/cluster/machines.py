"""Whether all machines of a cluster have the same oneclass: or rows would depend on who made them.

The digest is of the package's files: its programs and the network that comes with it. A machine
that differs is refused by its name, when the cluster is first used and again with every task, for
workers come and go.
"""

from __future__ import annotations

import hashlib
import platform
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import oneclass
from oneclass.cluster.calls import calling
from oneclass.errors import ClusterError
from oneclass.system.host.machine import versions

if TYPE_CHECKING:
    from distributed import Client

COUNTED = (".py", ".onnx")
WORKER_SECONDS = 60
"""How long the first worker may take to come."""
SHOWN = 12
"""Letters of a digest in messages."""


@dataclass(frozen=True)
class Installed:
    """What computes on a machine.

    Attributes:
        oneclass: its version.
        digest: SHA-256 of its files, in hex.
        versions: of the packages that compute.
    """

    oneclass: str
    digest: str
    versions: tuple[tuple[str, str], ...]

    def difference(self, other: Installed) -> str:
        """How another one differs, in words; empty where it does not."""
        if self.oneclass != other.oneclass:
            return f"it has oneclass {other.oneclass}, this machine has {self.oneclass}"
        if self.digest != other.digest:
            return (
                f"its files of oneclass {other.oneclass} have the digest {other.digest[:SHOWN]}, "
                f"those of this machine {self.digest[:SHOWN]}"
            )
        here, there = dict(self.versions), dict(other.versions)
        return ", ".join(
            f"it has {name} {there.get(name)}, this machine has {version}"
            for name, version in here.items()
            if there.get(name) != version
        )


@cache
def installed() -> Installed:
    """What computes here."""
    root, digest = Path(oneclass.__file__).parent, hashlib.sha256()
    for file in sorted(root.rglob("*")):
        if file.suffix in COUNTED:
            digest.update(f"{file.relative_to(root).as_posix()}\n".encode())
            digest.update(hashlib.sha256(file.read_bytes()).digest())
    return Installed(oneclass.__version__, digest.hexdigest(), tuple(versions().items()))


def check_here(expected: Installed) -> None:
    """Of a task: refuse to work on a machine that differs from the one that asks.

    Raises:
        ClusterError: it does.
    """
    if difference := expected.difference(installed()):
        raise _refused(platform.node(), difference)


def check_machines(client: Client) -> None:
    """Look at all workers that there are.

    Raises:
        ClusterError: there are none, one has no oneclass, or another one; or the cluster is gone.
    """
    with calling(client):
        try:
            client.wait_for_workers(1, timeout=WORKER_SECONDS)
        except TimeoutError as error:
            raise ClusterError(
                f"cluster: its scheduler has no worker, and none came in {WORKER_SECONDS} seconds. "
                f"Start some ('dask worker {client.scheduler.address}') and repeat the command."
            ) from error
        looked = client.run(_probe())
    here = installed()
    for address, (name, found) in looked.items():
        machine = f"{name} ({address})"
        if found is None:
            raise ClusterError(
                f"cluster: the worker on {machine} has no oneclass. Install there what is here: "
                f"oneclass {here.oneclass} with its extra cluster."
            )
        if difference := here.difference(Installed(*found)):
            raise _refused(machine, difference)


def _refused(machine: str, difference: str) -> ClusterError:
    return ClusterError(
        f"cluster: the worker on {machine} is refused: {difference}. Rows would depend on who "
        "makes them: install the same on all machines."
    )


def _probe() -> Any:
    """A function that also runs where oneclass is not: it travels whole, not by its name."""

    def look() -> tuple[str, tuple[Any, ...] | None]:
        import platform

        try:
            from oneclass.cluster.machines import installed
        except ImportError:
            return platform.node(), None
        found = installed()
        return platform.node(), (found.oneclass, found.digest, found.versions)

    return look
