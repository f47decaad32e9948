"""The same work on many machines, by Dask: images to rows, and the solver's passes.

    from oneclass.cluster import connected, rows_of

Whoever imports this room's modules needs the extra `cluster`; nothing else does. But for `crew`:
without a cluster it gives threads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from oneclass.system.lazy import load_on_use

if TYPE_CHECKING:
    from oneclass.cluster.clients import connected
    from oneclass.cluster.given import rows_of
    from oneclass.cluster.rows import ClusterRows

_HOMES = {"ClusterRows": "rows", "connected": "clients", "rows_of": "given"}

__all__ = ["ClusterRows", "connected", "rows_of"]


__getattr__, __dir__ = load_on_use(__name__, _HOMES, __all__)
