"""From a record in a model file back to the representation that it describes."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import chain
from typing import Any

from oneclass.backbones import DEFAULT_RUNTIME, Backbone, LayerSession, Preprocessing, Runtime
from oneclass.representations.base import ROW_DTYPES, Representation
from oneclass.representations.both import BOTH, WholeAndPatches
from oneclass.representations.deviations import NEAR, MeansAndDeviations
from oneclass.representations.greyscale import Greyscale
from oneclass.representations.layers import PretrainedLayers
from oneclass.representations.patches import EDGE, PatchLayers
from oneclass.representations.tiled import TiledPatches
from oneclass.rows.layers import Layers


def from_record(
    record: dict[str, Any],
    backbone: Backbone | None,
    *,
    threads: int | None = None,
    runtime: Runtime = DEFAULT_RUNTIME,
) -> Representation:
    """The representation that a `to_json` record describes.

    Args:
        record: from a model file.
        backbone: the record's own, None where it needs none.
        threads: images computed side by side; None for one on each core.
        runtime: what computes the network.

    Raises:
        ValueError, KeyError, TypeError: the record makes no sense.
    """
    return _from_record(record, backbone, threads, runtime, None)


def _from_record(
    record: dict[str, Any],
    backbone: Backbone | None,
    threads: int | None,
    runtime: Runtime,
    session: LayerSession | None,
) -> Representation:
    preprocessing = Preprocessing.from_json(record["preprocessing"])
    margin, row_dtype = preprocessing.jpeg_margin, record.get("row_dtype", ROW_DTYPES[0])
    if row_dtype not in ROW_DTYPES:
        raise ValueError(f"row_dtype {row_dtype!r}")
    if backbone is None:
        return Greyscale(preprocessing.size, jpeg_margin=margin, row_dtype=row_dtype)
    if record["kind"] == BOTH:
        two = (record["whole"], {**record, "kind": PatchLayers.kind})
        if record["whole"]["preprocessing"] == record["preprocessing"] and "tiles" not in record:
            named = [Layers.from_json(one["layers"]).names for one in two]
            names = dict.fromkeys(chain.from_iterable(named))
            session = backbone.session(tuple(names), threads=threads, runtime=runtime)
        whole, patches = (_from_record(one, backbone, threads, runtime, session) for one in two)
        assert isinstance(whole, PretrainedLayers), "the record of whole images says so"
        assert isinstance(patches, (PatchLayers, TiledPatches)), "the kind says so"
        return WholeAndPatches(whole, patches)
    kind: Callable[..., PretrainedLayers | PatchLayers] = PretrainedLayers
    if record["kind"] == PatchLayers.kind:
        kind = partial(PatchLayers, edge=_edge(record))
    elif record["kind"] == MeansAndDeviations.kind:
        kind = partial(MeansAndDeviations, cells=_cells(record))
    tile = tuple(int(side) for side in record.get("tiles", preprocessing.size))
    found = kind(
        backbone,
        Layers.from_json(record["layers"]),
        size=(tile[0], tile[1]),
        threads=threads,
        runtime=runtime,
        row_dtype=row_dtype,
        jpeg_margin=margin,
        evened=preprocessing.evened,
        session=session,
    )
    if found.n_worst != record.get("n_worst", 0):
        raise ValueError(f"n_worst {record['n_worst']} for {found.n_columns} columns")
    if "tiles" in record:
        if not isinstance(found, PatchLayers):
            raise ValueError(f"tiles of {record['kind']}")
        return TiledPatches(found, preprocessing.size)
    return found


def _edge(record: dict[str, Any]) -> int:
    """How wide the edge of patches is; a record of before has none.

    Raises:
        ValueError: no such width.
    """
    edge = record.get("edge", 0)
    if edge not in (0, EDGE) or isinstance(edge, bool):
        raise ValueError(f"an edge of {edge!r} positions")
    return int(edge)


def _cells(record: dict[str, Any]) -> int:
    """On a side of the grid of deviations; a record of before has none.

    Raises:
        ValueError: no such number.
    """
    cells = record.get("cells", 1)
    if cells not in NEAR or isinstance(cells, bool):
        raise ValueError(f"deviations in {cells!r} cells a side")
    return int(cells)
