"""Small experiments in a guest, each for one defect of squashfs: what happens is decided by the host, not by a shortage."""

from unkillable.lab.scenarios.runner import NAMES, STOCK, run
from unkillable.lab.scenarios.types import Result, TaskSeen, Variant

__all__ = ["NAMES", "STOCK", "Result", "TaskSeen", "Variant", "run"]
