"""Four hosts, each in a network of its own behind a bridge; the link of one is cut for 20 seconds.

Slow, and needs what root may do: it makes network namespaces, and takes them away again.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import oneclass
from conftest import stripes, write_images
from oneclass import Detector
from oneclass.svm import nu_path

pytestmark = [pytest.mark.slow, pytest.mark.linux]
SMALL: dict[str, Any] = {"layer": "block_2", "grid": 2, "size": (32, 32)}
SOURCE = Path(oneclass.__file__).parents[1]
HOSTS, SECONDS = 4, 20
WAIT = """
import sys, distributed
distributed.Client(scheduler_file=sys.argv[1]).wait_for_workers(4)
"""
FIT = """
import sys
from oneclass import Detector
from oneclass.cluster import extraction
extraction.IMAGES_A_TASK = 2
folder, out, cluster = sys.argv[1:]
detector = Detector(layer="block_2", grid=2, size=(32, 32), cluster=cluster)
detector.fit(folder, progress=lambda done, total: print(done, flush=True)).save(out)
"""
SOLVE = """
import sys
import numpy as np
from oneclass.cluster import ClusterRows, connected
from oneclass.cluster.tasks import Tasks
from oneclass.svm import nu_path
file, out, cluster = sys.argv[1:]
total = Tasks.total
def told(*given):
    print("round", flush=True)
    return total(*given)
Tasks.total = told
with connected(cluster) as client:
    parts = [client.submit(np.array, p, pure=False) for p in np.array_split(np.load(file), 36)]
    path = nu_path(ClusterRows(client, parts), [0.05, 0.5])
np.save(out, path.coef)
"""


def run(*words: str) -> None:
    subprocess.run(words, check=True, capture_output=True)


class Network:
    """Hosts `<name>-0` to `<name>-3` at 10.99.7.1 to .4, each plugged into a bridge."""

    def __init__(self) -> None:
        self.bridge = f"oc{os.getpid() % 100000}"
        self.hosts = [f"{self.bridge}-{i}" for i in range(HOSTS)]

    def make(self) -> None:
        run("ip", "link", "add", self.bridge, "type", "bridge")
        run("ip", "link", "set", self.bridge, "up")
        for number, host in enumerate(self.hosts):
            run("ip", "netns", "add", host)
            plug = ("type", "veth", "peer", "name", "eth0", "netns", host)
            run("ip", "link", "add", self.port(number), *plug)
            run("ip", "link", "set", self.port(number), "master", self.bridge, "up")
            run("ip", "-n", host, "addr", "add", f"10.99.7.{number + 1}/24", "dev", "eth0")
            for device in ("eth0", "lo"):
                run("ip", "-n", host, "link", "set", device, "up")

    def remove(self) -> None:
        hosts = [("netns", "del", host) for host in self.hosts]
        for words in [*hosts, ("link", "del", self.bridge)]:
            subprocess.run(["ip", *words], check=False, capture_output=True)

    def port(self, number: int) -> str:
        return f"{self.bridge}v{number}"

    def unplug(self, number: int) -> None:
        """Nothing that a host sends arrives, and nobody tells it so."""
        run("ip", "link", "set", self.port(number), "nomaster")

    def plug(self, number: int) -> None:
        run("ip", "link", "set", self.port(number), "master", self.bridge)

    @contextmanager
    def program(self, number: int, *words: str, **more: Any) -> Iterator[subprocess.Popen[str]]:
        command = ["ip", "netns", "exec", self.hosts[number], sys.executable, *words]
        environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, **more}
        started = subprocess.Popen(command, env=environment, text=True, **quiet)
        try:
            yield started
        finally:
            started.send_signal(signal.SIGKILL)
            started.wait()


@pytest.fixture
def network() -> Iterator[Network]:
    if shutil.which("ip") is None or os.geteuid() != 0:
        pytest.skip("network namespaces need root and ip")
    made = Network()
    try:
        made.make()
    except subprocess.CalledProcessError as error:
        made.remove()
        pytest.skip(f"network namespaces cannot be made here: {error.stderr.decode().strip()}")
    try:
        yield made
    finally:
        made.remove()


@pytest.fixture
def cluster(network: Network, tmp_path: Path) -> Iterator[str]:
    file = tmp_path / "scheduler.json"
    address = ["--host", "10.99.7.1", "--port", "0", "--no-dashboard"]
    with ExitStack() as stack:
        words = ["scheduler", *address, "--scheduler-file", str(file)]
        stack.enter_context(network.program(0, "-m", "dask", *words))
        while not file.is_file():
            time.sleep(0.05)
        for number in range(HOSTS):
            words = ["worker", "--scheduler-file", str(file), "--nthreads", "1", "--no-nanny"]
            host = ["--host", f"10.99.7.{number + 1}", "--no-dashboard"]
            stack.enter_context(network.program(number, "-m", "dask", *words, *host))
        with network.program(0, "-c", WAIT, str(file)) as waiting:
            assert waiting.wait(120) == 0
        yield str(file)


def cut_while(
    network: Network, cluster: str, program: str, given: Path, out: Path, line: int
) -> None:
    """Run a program on host 0, and cut the link of host 3 when it has printed so many lines."""
    words = ["-c", program, str(given), str(out), cluster]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with network.program(0, *words, **pipes) as started:
        assert started.stdout is not None
        for _ in range(line):
            assert started.stdout.readline(), started.communicate()[1]
        network.unplug(HOSTS - 1)
        try:
            time.sleep(SECONDS)
            assert started.poll() is None, "it had to wait for the host that was cut off"
        finally:
            network.plug(HOSTS - 1)
        _, stderr = started.communicate(timeout=240)
        assert started.returncode == 0, stderr


def test_a_fit(network: Network, cluster: str, tmp_path: Path) -> None:
    folder, out = tmp_path / "normal", tmp_path / "there"
    write_images(folder, stripes(400, seed=1))
    cut_while(network, cluster, FIT, folder, out, line=30)
    Detector(**SMALL).fit(folder).save(tmp_path / "here")
    assert out.read_bytes() == (tmp_path / "here").read_bytes()


def test_a_solve(network: Network, cluster: str, tmp_path: Path) -> None:
    rows = np.abs(np.random.default_rng(0).normal(size=(9000, 24))).astype("float32")
    np.save(tmp_path / "rows.npy", rows)
    digests = []
    for line in (4, 7):
        out = tmp_path / f"{line}.npy"
        cut_while(network, cluster, SOLVE, tmp_path / "rows.npy", out, line)
        digests.append(hashlib.sha256(np.load(out).tobytes()).hexdigest())
    assert digests[0] == digests[1]
    here = nu_path(rows, [0.05, 0.5]).coef
    assert np.linalg.norm(np.load(out) - here) <= 4e-3 * np.linalg.norm(here)
