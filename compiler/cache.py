"""Compiled kernels on disk, by the hash of everything that they depend on.

    <cache>/<hash>/k_<hash>.py      the printed source: kernels as module globals
    <cache>/<hash>/<kernel>.o       machine code, which is loaded without Numba and without the source
    <cache>/<hash>/symbols.json     for each kernel its name in the object file, and the C functions that it calls
    <cache>/<hash>/files.json       sha256 of each of these files

The hash is over source, signatures, helper sources, versions and CPU, so an entry never goes stale. What is
in there is code: the folder belongs to this user alone, or is refused, and an entry whose files are not those
listed is built again. An entry is built in a folder of its own and moved to its place whole, so several
processes may fill the cache at once.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import platform
import shutil
import stat
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .cpu.native import Native, Object

LISTED, SYMBOLS = "files.json", "symbols.json"
#: what kernels call, beside what is printed
HELPERS = (
    "cpu/barrier.py",
    "cpu/choose.py",
    "cpu/driver.py",
    "cpu/functions.py",
    "cpu/jit.py",
    "cpu/native.py",
    "cpu/parallel.py",
    "cpu/stepping.py",
    "../graph/random.py",
    *(
        f"cpu/vector/{name}.py"
        for name in ("elementary", "emit", "functions", "host", "memory", "random", "rows", "types")
    ),
    *(f"cpu/products/{name}.py" for name in ("emit", "library", "limit", "outer", "pack", "product", "tiles")),
)
Watcher = Callable[["int | None"], object]
"""Told None when kernels begin to be compiled, and when that has ended, how many they were."""

_compiled = 0
_watching: list[Watcher] = []


class CacheError(OSError):
    """The folder for compiled kernels cannot be trusted."""


@dataclass(frozen=True)
class Loaded:
    """Compiled kernels by name, and how many of them had to be compiled."""

    kernels: dict[str, Native]
    compiled: int


def compilations() -> int:
    """How many kernels this process has compiled; those taken from the cache do not count."""
    return _compiled


@contextmanager
def watched(watcher: Watcher) -> Iterator[None]:
    """Within it ``watcher`` is told of every compilation of this process as it begins and ends."""
    _watching.append(watcher)
    try:
        yield
    finally:
        _watching.remove(watcher)


def _tell(count: int | None) -> None:
    for watcher in _watching:
        watcher(count)


def cache_folder() -> Path:
    """Where kernels are kept: ``BPTT_CACHE``, or ``bptt`` in the user's cache folder."""
    named = os.environ.get("BPTT_CACHE", "")
    if named:
        return Path(named).expanduser().absolute()
    base = os.environ.get("XDG_CACHE_HOME", "")
    if os.path.isabs(base):
        return Path(base) / "bptt"
    try:
        return Path.home() / ".cache" / "bptt"
    except RuntimeError:
        raise CacheError(
            "no home folder to keep compiled kernels in: name a folder with BPTT_CACHE"
        ) from None


def load_kernels(source: str, signatures: Mapping[str, str]) -> Loaded:
    """The kernels of a printed module, from the cache or compiled now.

    source      a module; kernels are its functions that ``jit.entry`` decorates
    signatures  kernel name -> Numba signature without a result, such as "void(int64, float32)"

    Raises CacheError when the cache folder belongs to, or can be written by, another user. Where no folder
    can be made, or it has no room, kernels are compiled into a temporary one, with a warning.
    """
    key = fingerprint(source, signatures)
    try:
        return _from_folder(private_folder(cache_folder()), key, source, signatures)
    except CacheError:
        raise
    except OSError as error:  # no such folder, not ours to write, no space left
        warnings.warn(
            f"kernels cannot be kept and are compiled anew in each process: {error}\n"
            f"  mend: make room in {cache_folder()}, or name another folder with BPTT_CACHE",
            stacklevel=2,
        )
        with tempfile.TemporaryDirectory(prefix="bptt-") as temporary:
            return _build(Path(temporary), key, source, signatures)


def _from_folder(folder: Path, key: str, source: str, signatures: Mapping[str, str]) -> Loaded:
    """The entry of a private folder, built there if it is not there, whole."""
    entry = folder / key
    if entry.exists():
        if is_whole(entry, source, key):
            return _load(entry, signatures)
        _remove(entry)
    building = Path(tempfile.mkdtemp(prefix=f"{key[:16]}.building.", dir=folder))
    try:
        loaded = _build(building, key, source, signatures)
        try:
            os.rename(building, entry)
        except OSError:
            if not entry.exists():  # else another process was faster: its entry is as good
                raise
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return loaded


def fingerprint(source: str, signatures: Mapping[str, str]) -> str:
    """The hash of all that decides what a kernel's machine code is."""
    import llvmlite
    import numba
    import numpy

    from .cpu.vector import host

    here = Path(__file__).parent
    digest = hashlib.sha256()
    versions = (numba.__version__, llvmlite.__version__, numpy.__version__, platform.python_version())
    for part in (2, versions, host.target(), host.HOST, sorted(signatures.items())):
        digest.update(repr(part).encode() + b"\0")
    for helper in HELPERS:
        digest.update((here / helper).read_bytes() + b"\0")
    digest.update(source.encode())
    return digest.hexdigest()[:40]


def private_folder(path: Path) -> Path:
    """The folder, made if it is not there, when it is this user's alone to write.

    Raises CacheError, naming the folder and the mend, otherwise.
    """
    mend = "choose another with BPTT_CACHE"
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except FileExistsError:
        raise CacheError(f"{path} is to hold compiled kernels and is no folder; {mend}") from None
    found = path.stat()
    if hasattr(os, "geteuid"):
        if found.st_uid != os.geteuid():
            raise CacheError(
                f"{path} holds code and belongs to user {found.st_uid}, not to {os.geteuid()}; {mend}"
            )
        if found.st_mode & 0o022:
            mode = stat.S_IMODE(found.st_mode)
            raise CacheError(
                f"{path} holds code and others can write it (mode {mode:o}); chmod 700 it, or {mend}"
            )
    return path


def is_whole(entry: Path, source: str, key: str) -> bool:
    """Whether an entry has exactly the files it lists, unchanged, and the source that is asked for."""
    try:
        listed = json.loads((entry / LISTED).read_text(encoding="utf-8"))
        found = _hashes(entry)
        return bool(listed == found) and (entry / f"k_{key}.py").read_text(encoding="utf-8") == source
    except (OSError, ValueError):
        return False


def _hashes(entry: Path) -> dict[str, str]:
    files = sorted(p for p in entry.rglob("*") if not p.is_dir() and p.name != LISTED)
    return {str(p.relative_to(entry)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def _list_files(entry: Path) -> None:
    temporary = entry / f"{LISTED}.{os.getpid()}"
    text = json.dumps(_hashes(entry), indent=1)
    temporary.write_text(text, encoding="utf-8")
    os.replace(temporary, entry / LISTED)


def _remove(entry: Path) -> None:
    """Take a damaged entry away; several processes may find it at once."""
    aside = Path(tempfile.mkdtemp(prefix="damaged.", dir=entry.parent))
    with suppress(FileNotFoundError):
        os.rename(entry, aside / "entry")
    shutil.rmtree(aside, ignore_errors=True)


def _build(folder: Path, key: str, source: str, signatures: Mapping[str, str]) -> Loaded:
    """Import the module, have every kernel compiled, and write what the entry has."""
    global _compiled
    from .cpu.native import load_objects

    path = folder / f"k_{key}.py"
    path.write_text(source, encoding="utf-8")
    _tell(None)
    objects: dict[str, Object] = {}
    try:
        module = _imported(path)
        for name, signature in signatures.items():
            objects[name] = getattr(module, name).compile(signature)
    finally:
        _compiled += len(objects)
        _tell(len(objects))
    if all(o.kept for o in objects.values()):
        for name, o in objects.items():
            (folder / f"{name}.o").write_bytes(o.code)
        symbols = {name: (o.symbol, *o.needs) for name, o in objects.items()}
        (folder / SYMBOLS).write_text(json.dumps(symbols, indent=1), encoding="utf-8")
        _list_files(folder)
    return Loaded(load_objects(objects, signatures), len(objects))


def _load(folder: Path, signatures: Mapping[str, str]) -> Loaded:
    """The machine code of an entry that is whole."""
    from .cpu.native import Object, load_objects

    symbols: dict[str, list[str]] = json.loads((folder / SYMBOLS).read_text(encoding="utf-8"))
    objects = {n: Object((folder / f"{n}.o").read_bytes(), s, tuple(needs)) for n, (s, *needs) in symbols.items()}
    return Loaded(load_objects(objects, signatures), 0)


def _imported(path: Path) -> ModuleType:
    name = path.stem
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise CacheError(f"{path} cannot be imported")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # Numba looks the module of a kernel up by its name
    spec.loader.exec_module(module)
    return module
