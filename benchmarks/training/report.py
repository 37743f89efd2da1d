"""What is kept of a run: the machine, the versions, the load and all rounds, as JSON."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from bptt.compiler.cpu.vector.host import HOST

RESULTS = Path(__file__).parents[1] / "results"


def machine(threads: int) -> dict[str, Any]:
    """Processor, cores, vectors, versions, the commit, date and load."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": threads,
        "vectors": HOST.name,
        "system": platform.platform(),
        "python": platform.python_version(),
        "versions": {n: _version(n) for n in ("numpy", "numba", "llvmlite", "torch", "jax", "jaxlib")},
        "commit": _commit(),
        "load": os.getloadavg(),
    }


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    names = [line.partition(":")[2].strip() for line in info.read_text().splitlines() if line.startswith("model name")]
    return names[0] if names else platform.processor()


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _commit() -> str | None:
    """The commit, with "+" where the tree is not as committed; None outside of a repository."""
    folder = Path(__file__).parents[2]
    say = ["git", "-C", str(folder)]
    try:
        head = subprocess.run([*say, "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True).stdout
        changed = subprocess.run([*say, "status", "--porcelain", "-uno"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return head.strip() + "+" * bool(changed.stdout)


def write(found: dict[str, Any], path: Path | None) -> Path:
    """The results as a file, named by its date where no name is given."""
    at = path or RESULTS / f"training-{found['machine']['date'][:16].replace(':', '')}.json"
    at.parent.mkdir(parents=True, exist_ok=True)
    at.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return at
