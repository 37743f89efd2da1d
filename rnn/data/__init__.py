"""Data: reading files, symbols, and batches of them.

text        batches      what an update reads, and the rule that all who give it keep
            vocabulary   characters, words and bytes as symbols; unknown: what becomes of what it lacks
            text         reading a text; mapped: one larger than memory
            streams      one long sequence in rows and windows, state carried
            documents    texts that end: windows, state carried from each to its end only
sequences   buckets      ragged sequences in batches of like length
            conllu       tagged sentences;  sentences: labelled ones
numbers     series       columns of numbers, and their normalisation
made        problems     sequences whose answer lies far back: Reber grammar, adding, temporal order, copying
"""

from __future__ import annotations

from .batches import Array as Array
from .batches import Batch as Batch
from .batches import Batches as Batches
from .batches import DataError as DataError
from .batches import Symbols as Symbols
from .batches import text_given as text_given
from .buckets import Buckets as Buckets
from .buckets import Sequences as Sequences
from .conllu import read_conllu as read_conllu
from .documents import Documents as Documents
from .documents import document_bounds as document_bounds
from .series import Normalisation as Normalisation
from .series import read_series as read_series
from .streams import Again as Again
from .streams import Stream as Stream
from .streams import one_row as one_row
from .streams import pieces_of as pieces_of
from .streams import spread as spread
from .text import Cache as Cache
from .text import Text as Text
from .text import cut_at as cut_at
from .text import python_prose as python_prose
from .text import read_bytes as read_bytes
from .text import read_for as read_for
from .text import read_symbols as read_symbols
from .text import read_text as read_text
from .text import split as split
from .text import text_of as text_of
from .unknown import MAP as MAP
from .unknown import REFUSE as REFUSE
from .unknown import UNKNOWN as UNKNOWN
from .unknown import Reading as Reading
from .unknown import UnknownError as UnknownError
from .vocabulary import UNSEEN as UNSEEN
from .vocabulary import Vocabulary as Vocabulary
