"""Data: reading files, symbols, and batches of them."""

from __future__ import annotations

from .batches import Array as Array
from .batches import Batch as Batch
from .batches import Batches as Batches
from .batches import DataError as DataError
from .batches import Symbols as Symbols
from .text import UNSEEN as UNSEEN
from .text import Stream as Stream
from .text import Vocabulary as Vocabulary
from .text import Window as Window
from .text import one_row as one_row
from .text import python_prose as python_prose
from .text import read_text as read_text
from .text import split as split
