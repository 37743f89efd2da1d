"""What the machine has: how wide its vectors are, how many registers hold them, whether it multiplies and adds at once.

``BPTT_CPU`` chooses a narrower machine than the one that runs, by its name, so that one machine tests every width.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np
from llvmlite import binding

from .numba_api import codegen, config


@dataclass(frozen=True)
class Host:
    """Vectors of a processor.

    name       avx512, avx2, neon or plain
    bytes      the size of one vector
    registers  how many vectors are held at once
    fused      whether multiply-add is one instruction (else LLVM would call a library for it)
    """

    name: str
    bytes: int
    registers: int
    fused: bool

    def lanes(self, dtype: object) -> int:
        """How many numbers of a type one vector holds, such as 16 of "float32" in 64 bytes."""
        return self.bytes // np.dtype(str(dtype)).itemsize


AVX512 = Host("avx512", 64, 32, True)
AVX2 = Host("avx2", 32, 16, True)
NEON = Host("neon", 16, 32, True)
PLAIN = Host("plain", 16, 16, False)
HOSTS = {host.name: host for host in (AVX512, AVX2, NEON, PLAIN)}
#: what LLVM must have for each: of AVX-512 also the parts that have masks for every type and shorter vectors
FEATURES = {
    "avx512": {"avx512f", "avx512vl", "avx512bw", "avx512dq"},
    "avx2": {"avx2", "fma"},
}


def able(triple: str, features: str) -> tuple[Host, ...]:
    """The hosts that a processor can be, the widest first.

    triple    LLVM's name of the target, such as "x86_64-unknown-linux-gnu"
    features  LLVM's list of features, such as "+avx2,+fma,-avx512f"
    """
    arch = triple.split("-")[0]
    has = {f[1:] for f in features.split(",") if f.startswith("+")}
    if arch in ("aarch64", "arm64"):
        return NEON, PLAIN
    return (*(HOSTS[name] for name, needed in FEATURES.items() if needed <= has), PLAIN)


def choose(hosts: tuple[Host, ...], name: str = "") -> Host:
    """The widest of hosts, or the one that is named. Raises ValueError for a name that is not among them."""
    if not name:
        return hosts[0]
    for host in hosts:
        if host.name == name:
            return host
    known = f"is a {name} that this machine does not have" if name in HOSTS else f"is {name!r}"
    expected = ", ".join(h.name for h in hosts)
    raise ValueError(f"BPTT_CPU {known}: expected one of {expected}, or nothing for {hosts[0].name}")


def target() -> tuple[str, str, str]:
    """LLVM's triple, processor and list of features that Numba compiles for."""
    features = codegen.get_host_cpu_features() if config.CPU_FEATURES is None else config.CPU_FEATURES
    return binding.get_process_triple(), config.CPU_NAME or binding.get_host_cpu_name(), features


def detect() -> Host:
    """The host that kernels are compiled for: what Numba tells LLVM, narrowed by ``BPTT_CPU``."""
    triple, _, features = target()
    return choose(able(triple, features), os.environ.get("BPTT_CPU", ""))


HOST = detect()
