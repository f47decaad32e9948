"""Which way costs less: all rows at once, by the matrix of their products or without, or passes.

The estimates are in seconds of two cores of 2023; only their ratio is used. What decides is the
number of free rows, those with a weight strictly between the bounds: a band has six rows for each,
and costs the square of that for every nu and every round. A sample tells it.
"""

from __future__ import annotations

_FLOPS = 1.5e11  # float32, a large product
_BAND_FLOPS = 1e11
_THIN_FLOPS = 4e10  # rows times as many columns as there are nu
_ELEMENT = 8e-9  # to make, convert and read one number of the matrix
_SORTED = 3e-8  # to find a threshold, for each row
_PROGRAM = 1.2e-3  # a band's exchanges
_ROUNDS = 4
_GROWS = 1.5  # free rows of all rows, over those of the sample
BAND_PER_FREE = 6
NARROWEST, WIDEST = 64, 2896  # rows of a band; the matrix of the widest takes 64 MB
_SYSTEM_ROW, _SYSTEM_ELEMENT = 45e-9, 0.4e-9  # a linear system's, where all rows are at hand
_FEW_BANDS, _LONGEST_SYSTEM = 4, 1.5e-3  # up to here, bands' many systems cost more


def band_width(n_free: float) -> int:
    """Rows of a band in which so many are free."""
    return max(NARROWEST, int(BAND_PER_FREE * n_free))


def matrix_pays(
    n_rows: int, n_columns: int, n_nus: int, n_free: float, n_different: int | None = None
) -> bool:
    """Whether the matrix takes less time than passes would.

    Args:
        n_rows: of the problem.
        n_columns: of the rows.
        n_nus: values of nu.
        n_free: rows of a sample that were free, for a typical nu; 0 for the fewest possible.
        n_different: rows that are not equal to others, where that is known.
    """
    matrix = (n_different or n_rows) ** 2 * (n_columns / _FLOPS + _ELEMENT)
    width = min(band_width(_GROWS * n_free), n_rows)
    one_round = (
        4 * n_rows * n_columns / _THIN_FLOPS
        + n_rows * _SORTED
        + width**2 * n_columns / _BAND_FLOPS
        + _PROGRAM
    )
    return matrix < n_nus * _ROUNDS * one_round


def all_rows_pay(
    n_rows: int, n_columns: int, n_free: float, share_free: float, share_circled: float
) -> bool:
    """Whether rows that are many more than columns take less time all at once, without their
    matrix, than by passes: where a band cannot hold the free ones, or where the rows are few and
    exchanges run in circles, as they then do for every width of the band anew.

    Args:
        n_rows: of the problem.
        n_columns: of the rows.
        n_free: rows of a sample that were free, for a typical nu.
        share_free: the same, of all rows of the sample.
        share_circled: of the nu, those that exchanges alone did not solve for the sample.
    """
    # More free rows than columns are tied, and of more rows more are.
    tied = share_free * n_rows if n_free > n_columns else n_free
    if band_width(tied) > WIDEST:
        return True
    system = n_rows * (_SYSTEM_ROW + n_columns * _SYSTEM_ELEMENT)
    few = n_rows <= _FEW_BANDS * WIDEST and system <= _LONGEST_SYSTEM
    return few and share_circled > 0.5
