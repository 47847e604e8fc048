"""Loaded by each worker process of this machine when it starts (a `preload` of Dask)."""

from __future__ import annotations

import logging

import unkillable.fleet.work  # noqa: F401  so that the first task need not wait for it


def dask_setup(_worker: object) -> None:
    """What a worker could say is that it was ended, which is told otherwise."""
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
