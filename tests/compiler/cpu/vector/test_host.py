"""What the machine has, and how a narrower one is chosen."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from bptt.compiler import cache
from bptt.compiler.cpu.vector import host
from bptt.compiler.cpu.vector.host import AVX2, AVX512, NEON, PLAIN, able, choose
from bptt.compiler.cpu.vector.numba_api import codegen
from llvmlite import binding

X86 = "x86_64-unknown-linux-gnu"
FULL = "+avx2,+fma,+avx512f,+avx512vl,+avx512bw,+avx512dq"
HERE = able(binding.get_process_triple(), codegen.get_host_cpu_features())


@pytest.mark.parametrize(
    ("triple", "features", "hosts"),
    [
        (X86, FULL, (AVX512, AVX2, PLAIN)),
        (X86, FULL.replace("+avx512vl", "-avx512vl"), (AVX2, PLAIN)),  # as on Knights Landing
        (X86, "+avx2,-fma", (PLAIN,)),
        (X86, "", (PLAIN,)),
        ("aarch64-unknown-linux-gnu", "+neon", (NEON, PLAIN)),
        ("arm64-apple-darwin", "", (NEON, PLAIN)),
        ("riscv64-unknown-linux-gnu", "+v", (PLAIN,)),
    ],
)
def test_hosts_by_features(triple: str, features: str, hosts: tuple[host.Host, ...]) -> None:
    assert able(triple, features) == hosts
    assert choose(hosts) == hosts[0]
    assert all(choose(hosts, h.name) == h for h in hosts)


def test_lanes() -> None:
    assert [h.lanes("float32") for h in (AVX512, AVX2, NEON, PLAIN)] == [16, 8, 4, 4]
    assert [h.lanes("float64") for h in (AVX512, AVX2, NEON, PLAIN)] == [8, 4, 2, 2]


def test_a_machine_that_is_not_there_is_named() -> None:
    with pytest.raises(ValueError, match=r"BPTT_CPU is 'sse9': expected one of avx2, plain, or nothing for avx2"):
        choose((AVX2, PLAIN), "sse9")
    with pytest.raises(ValueError, match=r"BPTT_CPU is a avx512 that this machine does not have: expected one of avx2"):
        choose((AVX2, PLAIN), "avx512")


def test_the_variable_chooses_and_kernels_are_kept_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    code = "from bptt.compiler.cpu.vector.host import HOST; print(HOST.name)"
    there = {**os.environ, "BPTT_CPU": "plain"}
    found = subprocess.run([sys.executable, "-c", code], env=there, capture_output=True, text=True, check=True)
    assert found.stdout.split() == ["plain"]
    before = cache.fingerprint("", {})
    other = PLAIN if host.HOST != PLAIN else AVX512
    monkeypatch.setattr(host, "HOST", other)
    assert cache.fingerprint("", {}) != before


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", [h.name for h in able(binding.get_process_triple(), codegen.get_host_cpu_features())[1:]]
)
def test_vectors_of_every_width(name: str) -> None:
    """The other tests of this folder, on each narrower host that this machine can be."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(Path(__file__).parent)]
    found = subprocess.run(command, env={**os.environ, "BPTT_CPU": name}, capture_output=True, text=True)
    assert found.returncode == 0, found.stdout[-3000:]
