"""The dozen through Numba: values, no compilation for other lengths, none in a second process.

The long run (``-m slow``) takes 200 random circuits and every cell through Numba, in float32 and float64.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import pytest
from bptt.compiler.cpu.rows import ROW_OPS
from bptt.compiler.loop import Apply, Expr, Map, RowOp, Sum, walk
from bptt.compiler.loop import Program as LoopProgram
from bptt.compiler.program import Program
from bptt.graph.ops.table import TABLE
from hypothesis import Phase, given, settings
from properties.dozen import DOZEN, Entry, trouble
from properties.random_circuits import Example, examples
from systems import WITH_LOSS

HERE = Path(__file__).parent
#: compiled in a process of its own, beside this one
ELSEWHERE = list(DOZEN)[1::2]
CODE = """
import sys
sys.path.insert(0, sys.argv[1])
from properties.dozen import DOZEN
for name in sys.argv[2:]:
    program = DOZEN[name].program()
    DOZEN[name].run(program, 2, 1)
    print(program.compilations)
"""


@dataclass
class Compiled:
    """The dozen, compiled; what the other process compiled of its half."""

    programs: dict[str, Program]
    elsewhere: dict[str, int]


@pytest.fixture(scope="session")
def dozen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Compiled]:
    """All programs compiled once, in an empty cache: half of them here, half in another process."""
    folder = tmp_path_factory.mktemp("dozen")
    folder.chmod(0o700)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BPTT_CACHE", str(folder))
        command = [sys.executable, "-c", CODE, str(HERE.parent), *ELSEWHERE]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as other:
            programs = {name: entry.program() for name, entry in DOZEN.items()}
            for name in DOZEN:
                if name not in ELSEWHERE:
                    DOZEN[name].run(programs[name], 2, 1)
            printed, errors = other.communicate()
        assert other.returncode == 0, errors
        yield Compiled(programs, dict(zip(ELSEWHERE, map(int, printed.split()), strict=True)))


@pytest.mark.parametrize("name", DOZEN)
def test_compiled_is_evaluated(dozen: Compiled, name: str) -> None:
    """Full and ragged, of several sizes, from step 1 and from another; storage is poisoned first, padding too."""
    entry, program = DOZEN[name], dozen.programs[name]
    entry.run(program, 6, 3)
    entry.run(program, 7, 4, ragged=True)
    entry.run(program, 1, 1)
    entry.run(program, 4, 2, start=5)


def test_other_lengths_and_batches_compile_nothing(dozen: Compiled) -> None:
    for name, entry in DOZEN.items():
        program = dozen.programs[name]
        entry.run(program, 2, 1)
        before, source = program.compilations, program.source
        for T, B in ((3, 2), (17, 5)):
            params, inputs = entry.data(T, B)
            program(params, **inputs)
        assert program.compilations == before, name
        assert program.source is source or program.source == source


def test_what_another_process_compiled_is_not_compiled_here(dozen: Compiled) -> None:
    for name, program in dozen.programs.items():
        DOZEN[name].run(program, 2, 1)
        if name in ELSEWHERE:
            assert dozen.elsewhere[name] > 0, name
            assert program.compilations == 0, name
        else:
            assert program.compilations > 0, name


def test_the_dozen_has_everything(dozen: Compiled) -> None:
    """Every kind of stage, statement, sum, row operation and expression; repeat and transpose cost nothing."""
    found: set[str] = set()
    for program in dozen.programs.values():
        found |= kinds(program.loops)
    row_ops = {f"row {op}" for op in ROW_OPS} - {"row repeat", "row transpose"}
    pointwise = {f"apply {n}" for n, e in TABLE.items() if e.kind == "pointwise"}
    statements = {"Map", "Product", "RowOp", "Over", "Fill", "Sum"}
    sums = {f"sum {op}" for op in ("contract", "reduce", "scatter", "at", "amax")}
    expressions = {e.__name__ for e in Expr.__args__}  # type: ignore[attr-defined]
    stages = {"Chunks t up", "Chunks t down", "Rows t free", "Rows None free", "Rows s up", "Rows s down"}
    keeps = {"all", "ring", "chunk", "every"}
    assert row_ops | pointwise | statements | sums | expressions | stages | keeps <= found


def kinds(loops: LoopProgram) -> set[str]:
    """The names of everything that a loop program is made of."""
    found = {f"{type(s).__name__} {s.axis} {s.order}" for s in loops.stages}
    found |= {v.keep.kind for v in loops.values.values()}
    for rows in loops.rows():
        found.add(f"Rows {rows.axis} {rows.order}")
        for statement in walk(rows.body, rows.sums):
            found.add(type(statement).__name__)
            if isinstance(statement, RowOp | Sum):
                found.add(f"{'row' if isinstance(statement, RowOp) else 'sum'} {statement.op}")
            elif isinstance(statement, Map):
                for _, e in statement.lets:
                    found |= of_expression(e)
    return found


def of_expression(root: Expr) -> set[str]:
    found, stack = set(), [root]
    while stack:
        e = stack.pop()
        found.add(type(e).__name__)
        if isinstance(e, Apply):
            found.add(f"apply {e.op}")
            stack.extend(e.args)
    return found


# ---- the long run ----------------------------------------------------------------------------------
def random_entries(count: int) -> list[Entry]:
    """The same random circuits each time: of twice as many the shortest.

    A kernel goes wrong by a statement, not by their number, and the long ones are run by the interpreter.
    """
    found: dict[str, Entry] = {}

    @settings(max_examples=2 * count, derandomize=True, database=None, deadline=None, phases=[Phase.generate])
    @given(examples())
    def collect(example: Example) -> None:
        found.setdefault(example.text, Entry(example.text, example.sizes))

    collect()
    return sorted(found.values(), key=lambda entry: len(entry.text))[:count]


@pytest.mark.slow
def test_random_circuits_and_every_cell(tmp_path: Path) -> None:
    """200 random circuits and all cells, in float32 and float64, by as many processes as there are cores."""
    tmp_path.chmod(0o700)
    entries = [*(Entry(name) for name in WITH_LOSS), *random_entries(200)]
    assert len(entries) == len(WITH_LOSS) + 200
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BPTT_CACHE", str(tmp_path))
        patch.setenv("BPTT_CHECK", "1")
        # a process keeps the machine code of all that it compiled: after some programs a fresh one takes over
        # (with max_tasks_per_child, concurrent.futures hangs in Python 3.11)
        with get_context("spawn").Pool(maxtasksperchild=16) as pool:
            found = pool.map(trouble, entries, chunksize=1)
    assert not [text for text in found if text]
