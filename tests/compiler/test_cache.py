"""Kernels on disk: found again, never trusted blindly, filled by several processes at once."""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from bptt.compiler import cache
from bptt.compiler.cache import (
    CacheError,
    cache_folder,
    compilations,
    fingerprint,
    load_kernels,
    private_folder,
    watched,
)
from bptt.compiler.cpu.native import Object, argument_types, load_objects

SOURCE = """
from numpy import float32 as number
from bptt.compiler.cpu.jit import entry
from bptt.compiler.cpu.vector.memory import view


@entry
def double(n, x_address):
    x = view(x_address, n, number)
    for i in range(n):
        x[i] = x[i] + x[i]
"""
SIGNATURES = {"double": "void(int64, int64)"}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BPTT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def entry(folder: Path) -> Path:
    return folder / fingerprint(SOURCE, SIGNATURES)


def test_a_second_load_compiles_nothing(folder: Path) -> None:
    import numpy as np

    before = compilations()
    first, second = load_kernels(SOURCE, SIGNATURES), load_kernels(SOURCE, SIGNATURES)
    assert (first.compiled, second.compiled) == (1, 0)
    assert compilations() == before + 1
    x = np.array([1.0, 2.0], np.float32)
    second.kernels["double"].ctypes(2, x.ctypes.data)
    assert x.tolist() == [2.0, 4.0]
    assert oct(folder.stat().st_mode & 0o777) == "0o700"
    assert [p.name for p in folder.iterdir()] == [entry(folder).name]


def test_a_watcher_is_told_when_compiling_begins_and_ends(folder: Path) -> None:
    told: list[int | None] = []
    with watched(told.append):
        load_kernels(SOURCE, SIGNATURES)
        load_kernels(SOURCE, SIGNATURES)  # from the cache: nothing begins
    assert told == [None, 1]
    (entry(folder) / f"k_{entry(folder).name}.py").unlink()
    load_kernels(SOURCE, SIGNATURES)
    assert told == [None, 1]


def test_another_process_compiles_nothing(folder: Path) -> None:
    load_kernels(SOURCE, SIGNATURES)
    code = (
        "import sys; from bptt.compiler.cache import load_kernels, compilations\n"
        f"load_kernels({SOURCE!r}, {SIGNATURES!r}); print(compilations(), 'bptt.compiler.cpu.jit' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["0", "False"], run.stderr


def test_machine_code_needs_nothing_of_numba(folder: Path) -> None:
    load_kernels(SOURCE, SIGNATURES)
    ((_, *needs),) = json.loads((entry(folder) / "symbols.json").read_text(encoding="utf-8")).values()
    assert needs == []


def test_a_function_that_the_process_lacks_is_named_before_anything_runs(folder: Path) -> None:
    load_kernels(SOURCE, SIGNATURES)
    code = (entry(folder) / "double.o").read_bytes()
    with pytest.raises(OSError, match=r"C functions that this process lacks: no_such_function$"):
        load_objects({"double": Object(code, "double", ("cos", "no_such_function"))}, SIGNATURES)


def test_entries_have_words_and_numbers_and_no_result() -> None:
    assert argument_types("void(int64, float32, float64)") == [ctypes.c_int64, ctypes.c_float, ctypes.c_double]
    assert argument_types("void()") == []
    for signature in ("int64(int64)", "void(float32[::1])"):
        with pytest.raises(ValueError, match="no signature of an entry: expected void"):
            argument_types(signature)


@pytest.mark.parametrize(
    "damage", ["source", "machine code", "symbols", "a new file", "no list", "a list of nonsense"]
)
def test_a_damaged_entry_is_built_again(folder: Path, damage: str) -> None:
    load_kernels(SOURCE, SIGNATURES)
    place = entry(folder)
    if damage == "source":
        next(place.glob("k_*.py")).write_text("raise SystemExit('run what is not listed')", encoding="utf-8")
    elif damage == "a new file":
        (place / "extra.o").write_bytes(b"x")
    elif damage == "no list":
        (place / "files.json").unlink()
    elif damage == "a list of nonsense":
        (place / "files.json").write_text("[1", encoding="utf-8")
    else:
        file = place / ("double.o" if damage == "machine code" else "symbols.json")
        data = bytearray(file.read_bytes())
        data[len(data) // 2] ^= 1
        file.write_bytes(bytes(data))
    assert load_kernels(SOURCE, SIGNATURES).compiled == 1
    assert load_kernels(SOURCE, SIGNATURES).compiled == 0


def test_everything_a_kernel_depends_on_is_in_its_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    first = fingerprint(SOURCE, SIGNATURES)
    assert fingerprint(SOURCE + "\n", SIGNATURES) != first
    assert fingerprint(SOURCE, {"double": "void(int64, float64[::1])"}) != first
    monkeypatch.setattr(cache, "HELPERS", ("cpu/functions.py",))
    assert fingerprint(SOURCE, SIGNATURES) != first


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="this system has no owners of files")
def test_a_folder_that_others_can_write_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.mkdir()
    folder.chmod(0o777)
    with pytest.raises(
        CacheError, match=r"others can write it \(mode 777\); chmod 700 it, or choose another"
    ):
        load_kernels(SOURCE, SIGNATURES)
    folder.chmod(0o700)
    monkeypatch.setattr(os, "geteuid", lambda: folder.stat().st_uid + 1)
    with pytest.raises(CacheError, match="belongs to user"):
        private_folder(folder)


def test_a_file_in_its_place_is_an_error_and_no_place_a_warning(folder: Path, tmp_path: Path) -> None:
    folder.write_text("", encoding="utf-8")
    with pytest.raises(CacheError, match="is no folder"):
        load_kernels(SOURCE, SIGNATURES)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BPTT_CACHE", "/proc/none/of/this")
        with pytest.warns(UserWarning, match="compiled anew in each process"):
            assert load_kernels(SOURCE, SIGNATURES).compiled == 1


def test_a_full_disk_is_a_warning_and_leaves_nothing_behind(folder: Path) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bptt.compiler.cache._list_files", full)
        with pytest.warns(UserWarning, match="No space left on device"), pytest.raises(OSError, match="No space"):
            load_kernels(SOURCE, SIGNATURES)  # the temporary folder is full as well
    assert list(folder.iterdir()) == []
    assert load_kernels(SOURCE, SIGNATURES).compiled == 1


def test_several_processes_fill_it_at_once(folder: Path) -> None:
    code = (
        "import numpy as np; from bptt.compiler.cache import load_kernels\n"
        f"x, kernels = np.ones(3, np.float32), load_kernels({SOURCE!r}, {SIGNATURES!r}).kernels\n"
        "kernels['double'].ctypes(3, x.ctypes.data); print(x.sum())"
    )
    runs = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) for _ in range(3)
    ]
    assert [run.communicate()[0].strip() for run in runs] == ["6.0"] * 3
    assert [p.name for p in folder.iterdir()] == [entry(folder).name]
    assert json.loads((entry(folder) / "files.json").read_text(encoding="utf-8"))
    assert load_kernels(SOURCE, SIGNATURES).compiled == 0


def test_where_the_cache_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("BPTT_CACHE", "~/kernels")
    assert cache_folder() == Path.home() / "kernels"
    monkeypatch.delenv("BPTT_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "bptt"
