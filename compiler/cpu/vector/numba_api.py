"""The parts of Numba that types and instructions are made with; they have no types that a checker could follow."""

from __future__ import annotations

from typing import Any

from numba import extending as _extending
from numba.core import cgutils as _cgutils
from numba.core import codegen as _codegen
from numba.core import config as _config
from numba.core import types as _types
from numba.core.datamodel import models as _models
from numba.core.typing import templates as _templates

cgutils: Any = _cgutils
codegen: Any = _codegen
config: Any = _config
extending: Any = _extending
models: Any = _models
templates: Any = _templates
types: Any = _types
