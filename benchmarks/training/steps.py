"""The training step of one cell at one shape: gradients compared, everybody timed, the table printed."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from .cells import SHAPES
from .first import first_calls
from .participants import Participant, Task, build, builders, error, reference
from .rounds import Rounds
from .studies import Options, work

TOLERANCE = 2e-5
"""Of gradients in float32 against float64, as ``error`` measures it."""


def measured(task: Task, how: Options, name: str) -> dict[str, Any]:
    """One cell at one shape: gradients compared, then timed, printed as a table."""
    print(f"\n{task.cell}, shape {name}: {task.shape}", flush=True)
    if task.cell == "random":
        print(task.text)
    known, missing = builders(task.cell, task.threads)
    for line in missing:
        print(f"    {line}")
    expected = reference(task)
    taking: dict[str, Participant] = {}
    errors: dict[str, float] = {}
    for participant, builder in known.items():
        try:
            made = build(builder, task)
            errors[participant] = error(made.outcome(made.run()), expected)
        except Exception as e:  # whatever stops one, the others go on
            errors[participant] = float("inf")
            print(f"    {participant} failed, it is not timed: {type(e).__name__}: {e}")
            continue
        if errors[participant] <= TOLERANCE:
            taking[participant] = made
        else:
            print(f"    {participant}: gradients are off by {errors[participant]:.1e}, it is not timed")
    wrong = [n for n in known if n not in taking]
    step: dict[str, Any] = {"cell": task.cell, "equations": task.text, "shape": name, "sizes": asdict(task.shape)}
    step |= {"flops": work(task), "errors": errors, "wrong": wrong, "first": {n: p.first for n, p in taking.items()}}
    if not taking:
        return step
    rounds = how.measure({n: p.run for n, p in taking.items()})
    step |= rounds.json() | {"summary": _table(rounds, taking, errors, work(task))}
    return step


def _table(rounds: Rounds, taking: dict[str, Participant], errors: dict[str, float], flops: int) -> dict[str, Any]:
    """Prints the medians and gives them back."""
    print(f"    limit {rounds.limit().text('.0f')} GFLOP/s; {rounds.words()}")
    print(f"    {'':13} {'ms':>26} {'of the limit':>21} {'times ours':>24} {'first call s':>13} {'error':>8}")
    summary: dict[str, Any] = {"limit": asdict(rounds.limit())}
    for name, participant in taking.items():
        seconds, fraction = rounds.seconds(name), rounds.fraction(name, flops)
        ratio = rounds.ratio(name, "bptt") if "bptt" in taking else None
        summary[name] = {"seconds": asdict(seconds), "fraction": asdict(fraction)}
        summary[name] |= {"ratio": asdict(ratio)} if ratio else {}
        ms = seconds.times(1e3)
        said = ratio.text(".2f") if ratio and name != "bptt" else ""
        print(
            f"    {name:13} {ms.text():>26} {fraction.text('.2f'):>21} {said:>24} {participant.first:13.2f} "
            f"{errors[name]:8.0e}"
        )
    peers = [n for n in taking if n != "bptt"]
    if peers and "bptt" in taking:
        best = min(peers, key=lambda n: rounds.seconds(n).median)
        summary["best peer"] = best
        print(f"    against the best peer, {best}: {rounds.ratio(best, 'bptt').text('.2f')} times faster", flush=True)
    return summary


def first(how: Options, cells: list[str], shape: str, times: int) -> dict[str, Any]:
    """First calls of this project in processes of their own."""
    print(f"\nfirst training step in a new process, shape {shape}, seconds after its imports")
    print(f"    {'':13} {'empty cache':>12} {'then another size':>18} {'from the cache':>15}")
    found = {}
    for cell in cells:
        found[cell] = s = first_calls(cell, how.seed, SHAPES[shape], how.threads, times)
        print(f"    {cell:13} {s['cold']:12.2f} {s['another size']:18.2f} {s['warm']:15.2f}", flush=True)
    return found
