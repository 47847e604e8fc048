"""Where the work is done: in this process, in a few of this machine, or on a cluster that is there.  The same code each time.

Dask does what is hard about it: passing tasks on, noticing that a worker has died, doing its tasks again.
"""

from __future__ import annotations

import logging
import queue
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from unkillable import __version__
from unkillable.errors import UserError
from unkillable.fleet.work import Batch

if TYPE_CHECKING:
    from distributed import Client, Future

Task = Callable[[Batch], bytes]
Done = tuple[Batch, bytes | None]
"""A batch and what its task returned; None: each process that tried it died."""

_CONNECT = 10.0
"""Seconds until a scheduler must have answered."""
_PATIENCE = 60.0
"""Seconds without any worker, after which a cluster counts as gone."""
_LOOK = 5.0
"""Seconds between looks at how many workers there are."""
_LOCAL = {
    "distributed.scheduler.allowed-failures": 1,
    "distributed.worker.memory.target": False,
    "distributed.worker.memory.spill": False,
    "distributed.worker.memory.pause": False,
    "distributed.scheduler.http.routes": [],
    "distributed.worker.http.routes": [],
    "distributed.worker.profile.enabled": False,
    "distributed.admin.system-monitor.gil.enabled": False,
}
"""A worker that takes more than its share of memory is ended and the log that did it named; nothing is written to disk for it."""


class Engine(Protocol):
    def run(self, task: Task, batches: Iterable[Batch]) -> Iterator[Done]:
        """Does the task with each batch, in any order, and no more of them at a time than can be worked on."""


class Here:
    """This process: nothing to start, for few logs."""

    def run(self, task: Task, batches: Iterable[Batch]) -> Iterator[Done]:
        return ((batch, task(batch)) for batch in batches)


def open_engine(address: str | None, workers: int) -> AbstractContextManager[Engine]:
    """The engine: a cluster's by the address of its scheduler, or that many processes of this machine, or for 1 this process.

    Raises UserError where it is not installed or not there.
    """
    if address is None and workers == 1:
        return nullcontext(Here())
    for module in ("distributed", "dask"):
        if find_spec(module) is None:
            raise UserError(
                f"{module} is not installed: pip install 'unkillable[fleet]'"
                + ("" if address else "; or use --workers 1, without it")
            )
    return _there(address) if address else _local(workers)


@contextmanager
def _local(workers: int) -> Iterator[Engine]:
    """Processes of this machine, on loopback.  Nothing of them is left afterwards."""
    import dask
    from distributed import Client, LocalCluster
    from distributed.security import Security

    with ExitStack() as stack:
        place = stack.enter_context(tempfile.TemporaryDirectory(prefix="unkillable-"))
        stack.enter_context(dask.config.set(_LOCAL | {"temporary-directory": place}))
        loop = stack.enter_context(_loop())
        with _not_interrupted():
            cluster = stack.enter_context(
                LocalCluster(
                    n_workers=workers,
                    threads_per_worker=1,
                    host="127.0.0.1",
                    scheduler_kwargs={"dashboard": False, "dashboard_address": "127.0.0.1:0"},
                    local_directory=place,
                    silence_logs=logging.CRITICAL,
                    # Any user of this machine can reach loopback: only who has this run's certificate is let in.
                    security=Security.temporary(),
                    loop=loop,
                    preload=["unkillable.fleet.worker"],
                )
            )
            client = stack.enter_context(Client(cluster, set_as_default=False))
        yield Cluster(client, "this machine")


@contextmanager
def _not_interrupted() -> Iterator[None]:
    """An interruption waits for the end of this: a cluster that has half started cannot be ended in order."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    seen: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: seen.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if seen:
        signal.raise_signal(signal.SIGINT)


@contextmanager
def _loop() -> Iterator[Any]:
    """The thread that starts the workers.  A terminal's Ctrl-C goes to every process; neither it nor they hear it, so that this
    process ends them in order."""
    from multiprocessing import resource_tracker

    from distributed.utils import LoopRunner

    resource_tracker.ensure_running()  # on starting it, it would let the thread hear
    runner = LoopRunner()
    heard = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # what a thread starts inherits it
    try:
        runner.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, heard)
    try:
        yield runner.loop
    finally:
        runner.stop()


@contextmanager
def _there(address: str) -> Iterator[Engine]:
    """A cluster that somebody else runs, such as `dask scheduler` and `dask worker`."""
    from distributed import Client
    from distributed.comm.addressing import resolve_address

    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    try:
        resolve_address(address)  # a client that was given a wrong one cannot be ended in order
        client = Client(address, timeout=_CONNECT, set_as_default=False)
    except (OSError, ValueError) as error:  # TimeoutError is an OSError
        raise UserError(
            f"--engine {address}: no Dask scheduler answers there ({' '.join(str(error).split())[:160]})"
        ) from None
    with client:
        try:
            client.wait_for_workers(1, timeout=_CONNECT)
        except TimeoutError:
            raise UserError(
                f"--engine {address}: the scheduler has no workers: start some with `dask worker {address}`"
            ) from None
        _check_versions(client, address)
        yield Cluster(client, address)


def _check_versions(client: Client, address: str) -> None:
    try:
        versions = client.run(version)
    except Exception as error:  # noqa: BLE001  whatever a worker without this package answers
        versions = {"a worker": type(error).__name__}
    wrong = {where: found for where, found in versions.items() if found != __version__}
    for where, found in wrong.items():
        raise UserError(
            f"--engine {address}: {where} does not have unkillable {__version__} ({found}): install it on all workers"
        )


def version() -> str:
    """This program's, on a worker."""
    return __version__


class Cluster:
    """Workers behind a scheduler of Dask."""

    def __init__(self, client: Client, name: str) -> None:
        self._client = client
        self._name = name
        self._threads = 1
        self._looked = self._worked = time.monotonic()
        self._count()

    def run(self, task: Task, batches: Iterable[Batch]) -> Iterator[Done]:
        """As Engine says.  A batch whose workers died is done again in pieces, each alone in the end: what is innocent and
        only shared a process with what is not must not be blamed."""
        suspects: list[Batch] = []
        for batch, result in self._run(task, batches, lambda: 2 * self._threads + 2):
            if result is None:
                suspects += (msgspec.structs.replace(batch, given=(one,)) for one in batch.given)
            else:
                yield batch, result
        yield from self._run(task, suspects, lambda: 1)

    def _run(self, task: Task, batches: Iterable[Batch], window: Callable[[], int]) -> Iterator[Done]:
        todo = iter(batches)
        running: dict[Future[bytes], Batch] = {}
        ended: queue.SimpleQueue[Future[bytes]] = queue.SimpleQueue()
        try:
            while True:
                while len(running) < window() and (batch := next(todo, None)) is not None:
                    future = self._client.submit(task, batch, pure=False)
                    running[future] = batch
                    future.add_done_callback(ended.put)
                if not running:
                    return
                future = self._next(ended)
                result = self._result(future)
                yield running.pop(future), result
        finally:
            if running:
                self._forget(list(running))

    def _next(self, ended: queue.SimpleQueue[Future[bytes]]) -> Future[bytes]:
        while True:
            try:
                future = ended.get(timeout=_LOOK)
            except queue.Empty:
                self._count()
                continue
            self._worked = time.monotonic()
            if self._worked - self._looked > _LOOK:
                self._count()
            return future

    def _count(self) -> None:
        """Looks how many workers there are, as they come and go."""
        try:
            self._threads = sum(self._client.nthreads().values())
        except Exception as error:  # noqa: BLE001  OSError, CommClosedError, and what a dying connection raises
            raise self._gone(f"the scheduler does not answer ({type(error).__name__})") from None
        self._looked = time.monotonic()
        if self._threads:
            self._worked = self._looked
        elif self._looked - self._worked > _PATIENCE:
            raise self._gone("no worker is left")

    def _result(self, future: Future[bytes]) -> bytes | None:
        from distributed import KilledWorker

        try:
            result: bytes = future.result()
        except KilledWorker:
            return None
        except Exception as error:  # noqa: BLE001  the task itself raises nothing: this is the cluster's
            raise self._gone(f"{type(error).__name__}: {' '.join(str(error).split())[:160]}") from None
        return result

    def _gone(self, why: str) -> UserError:
        return UserError(
            f"{self._name}: {why}; what was read until now is kept in a --store: run the command again"
        )

    def _forget(self, futures: list[Any]) -> None:
        try:
            self._client.cancel(futures, force=True)
        except Exception:  # noqa: BLE001  the cluster is gone, and its tasks with it
            return
