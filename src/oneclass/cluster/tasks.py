"""Tasks on the workers: one for each chunk, and a tree that adds up what they bring.

How the tree is built depends on the number of chunks alone, so sums come out the same to the bit
whoever computes them. Everything is a task, also what is sent to all: of a worker that is lost,
its tasks run again elsewhere.
"""

from __future__ import annotations

import operator
import time
from collections.abc import Callable, Sequence
from functools import reduce
from itertools import count
from typing import Any

from distributed import Client, Future
from distributed.protocol import serialize
from distributed.utils import nbytes

from oneclass.cluster.calls import calling, result_of
from oneclass.cluster.traffic import Traffic

FAN = 8
"""How many parts are added up by one task."""
_numbers = count()


class Tasks:
    """Tasks of one client, and what they sent.

    Attributes:
        traffic: pass by pass.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self.traffic: list[Traffic] = []

    def begin(self, what: str) -> None:
        """What follows belongs to a new pass."""
        self.traffic.append(Traffic(what))

    def each(
        self, function: Callable[..., Any], columns: Sequence[Sequence[Any]], told: Sequence[Any]
    ) -> list[Future]:
        """One task for each chunk: a future of what `function` makes of it.

        Args:
            function: of an item of each column, and of what is told to all.
            columns: each has an item for each chunk: a value, or a future that stays where it is.
            told: the same for all chunks; it is sent once.
        """
        name = f"{function.__name__}-{next(_numbers)}"
        started = time.perf_counter()
        common = []
        for i, value in enumerate(told):
            self.traffic[-1].out += _size(value)
            common.append(self._submit(same, value, key=f"told-{name}-{i}"))
        futures = [
            self._submit(function, *items, *common, key=f"{name}-{i}")
            for i, items in enumerate(zip(*columns, strict=True))
        ]
        self.traffic[-1].seconds += time.perf_counter() - started
        return futures

    def total(self, futures: Sequence[Future]) -> Any:
        """What the futures hold, added up in their order.

        Raises:
            ClusterError: the cluster is gone.
        """
        started, name, level = time.perf_counter(), f"total-{next(_numbers)}", list(futures)
        depth = 0
        while len(level) > 1:
            groups = [level[i : i + FAN] for i in range(0, len(level), FAN)]
            level = [
                self._submit(_add, group, key=f"{name}-{depth}-{i}")
                for i, group in enumerate(groups)
            ]
            depth += 1
        result = result_of(self._client, level[0])
        this = self.traffic[-1]
        this.back += _size(result)
        this.rounds += 1
        this.seconds += time.perf_counter() - started
        return result

    def _submit(self, function: Callable[..., Any], *arguments: Any, key: str) -> Future:
        with calling(self._client):
            return self._client.submit(function, *arguments, key=f"oneclass-{key}", pure=False)


def same(value: Any) -> Any:
    """The value: as a task, what is sent to all is made again where a worker was lost."""
    return value


def _size(value: Any) -> int:
    """Bytes that a value has on its way, without a copy of them."""
    return sum(map(nbytes, serialize(value)[1]))


def _add(parts: Sequence[Any]) -> Any:
    return reduce(operator.add, parts)
