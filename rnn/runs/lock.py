"""One process a run: the lock of its folder."""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import Self

LOCK = ".lock"


class LockedError(OSError):
    """Another process holds the lock."""


class Lock:
    """The lock of a folder, held until it is released or the process ends, however it ends (flock(2)).

    The file ``.lock`` stays in the folder: who deletes it lets two processes hold a lock each. It names the
    process that holds it, for the message that the other one gives.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / LOCK
        self._handle: int | None = None

    def acquire(self) -> Self:
        """Take the lock. Raises LockedError where another process has it, OSError where there can be none."""
        handle = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.pread(handle, 20, 0).decode("ascii", "replace").strip()
            os.close(handle)
            if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
                raise LockedError(errno.EWOULDBLOCK, f"process {holder}" if holder else "another process") from error
            raise
        self._handle = handle
        try:
            os.ftruncate(handle, 0)
            os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
        except OSError:  # a full disk: the lock holds, only its holder stays without a name
            pass
        return self

    def release(self) -> None:
        """Give the lock back; once is enough."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def __enter__(self) -> Self:
        return self if self._handle is not None else self.acquire()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()
