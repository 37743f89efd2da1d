"""Files of a run, which hold the old content or the new at any moment, and the errors that name them."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class RunError(ValueError):
    """A run folder that cannot be written, is missing, damaged, in use, or of another version."""


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Within it what the system cannot do is a RunError that names the file."""
    try:
        yield
    except OSError as error:
        raise RunError(
            f"{path}: cannot be written: {error.strerror or error};"
            " what was there before is untouched. Make room, or name another place (--run, --out)"
        ) from error


def write(path: Path, content: bytes | str) -> None:
    """Replace the file as a whole: it holds the old content or the new, whatever happens in between.

    Raises RunError where that fails (disk full, no permission); the old content is then untouched.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with writing(path):
        try:
            with open(temporary, "wb") as file:
                file.write(content.encode() if isinstance(content, str) else content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
            flush(path.parent)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Within it what the system cannot do is a RunError that names the file."""
    try:
        yield
    except OSError as error:
        raise RunError(f"{path}: cannot be read: {error.strerror or error}") from error


def flush(path: Path) -> None:
    """Make what is in a file, or a rename in a folder, survive a power failure."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def keep_previous(path: Path, previous: Path) -> None:
    """Make ``previous`` the content of ``path``, which stays; either way both are whole at any moment."""
    if not path.exists():
        return
    temporary = path.with_name(f".{previous.name}.{os.getpid()}.tmp")
    with writing(previous):
        try:
            temporary.unlink(missing_ok=True)
            try:
                os.link(path, temporary)
            except OSError:  # a file system without hard links
                shutil.copyfile(path, temporary)
                flush(temporary)
            os.replace(temporary, previous)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


def checksum(content: bytes | str) -> str:
    """SHA-256 of a file's content, in hexadecimal."""
    return hashlib.sha256(content.encode() if isinstance(content, str) else content).hexdigest()


def read(path: Path, mend: str = "restore it from a copy, or train anew") -> bytes:
    """The content of a file of a run. Raises RunError where there is none."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise RunError(
            f"{path}: expected a file of the run, got: {error.strerror or error}; {mend}"
        ) from error


def damaged(path: Path, expected: str, got: object) -> RunError:
    """The error of a file that is there and holds something else."""
    return RunError(f"{path}: damaged: expected {expected}, got {got}; restore it from a copy, or train anew")
