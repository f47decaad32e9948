"""One thread for each matrix product, while many threads each make their own."""

from __future__ import annotations

import threading
from collections.abc import Generator
from contextlib import contextmanager
from functools import cache
from typing import Any


@contextmanager
def one_blas_thread() -> Generator[None, None, None]:
    """Keep numpy's products to the thread that makes them.

    Where every worker multiplies for itself, a product's own threads wait for one another on cores
    that are taken, and burn them: scoring took three times the processor's time. The limit holds
    for the whole process. OpenBLAS takes it from the main thread alone, so elsewhere it is left as
    it is: who works in other threads asks for it around them.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    with _libraries().limit(limits=1, user_api="blas"):
        yield


@cache
def _libraries() -> Any:
    """What is loaded and has threads of its own; to look it up takes a millisecond or two."""
    import numpy  # noqa: F401 -- brings its library along
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
