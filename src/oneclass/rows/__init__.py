"""Feature rows: read block by block, kept on the way to a fit, and stored for the next one.

from oneclass.rows import RowBlocks, as_rows
"""

from oneclass.rows.blocks import (
    ArrayRows,
    ChosenRows,
    FileRows,
    RechunkedRows,
    RowBlocks,
    RowSource,
    as_source,
)
from oneclass.rows.given import MappedRows, as_rows, check_dense
from oneclass.rows.loop import map_blocks
from oneclass.rows.sliced import SlicedRows

__all__ = [
    "ArrayRows",
    "ChosenRows",
    "FileRows",
    "MappedRows",
    "RechunkedRows",
    "RowBlocks",
    "RowSource",
    "SlicedRows",
    "as_rows",
    "as_source",
    "check_dense",
    "map_blocks",
]
