"""The scripts of benchmarks/ import their packages as they stand beside them."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))
