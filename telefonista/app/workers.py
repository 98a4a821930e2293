"""The worker process for what must not hold up a call: joining and measuring recordings."""

import ctypes
import os
import signal
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

_PR_SET_PDEATHSIG = 1


def start_workers(count: int = 1) -> ProcessPoolExecutor:
    """Workers of their own memory (spawned, not forked: no lock and no socket of the engine's goes with them), which
    end with the engine, also when it is killed."""
    return ProcessPoolExecutor(count, mp_context=get_context("spawn"), initializer=_end_with, initargs=(os.getpid(),))


def _end_with(engine: int) -> None:
    """A worker waits on a pipe that it holds itself, so it would never learn of the engine's death (prctl(2))."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != engine:
        os._exit(1)
