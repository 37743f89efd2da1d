"""Run folders: claimed by one process, whole at any moment, never overwritten, clear about what is wrong with them."""

from __future__ import annotations

import errno
import math
import os
import tomllib
from pathlib import Path
from typing import Any

import pytest
from bptt import rnn
from bptt.rnn.runs import checkpoint, files, folder, logs
from bptt.rnn.runs.files import RunError
from bptt.rnn.runs.lock import LOCK, Lock
from small_runs import SHORT

DEEP = "[" * 5000 + "]" * 5000


def configuration() -> dict[str, Any]:
    return {
        "network": {"name": "tiny", "inputs": ["y"]},
        "sizes": {"x": 3, "h": 2, "W": [3, 4], "a": []},
        "settings": {"rate": 1e-08, "updates": 3, "decay": "cosine", "flag": True},
        "data": {"source": 'a "quoted"\ttext\x7f\x00 𝛿.txt', "characters": 7},
        "checksums": {folder.TASK: files.checksum('{"task": 1}')},
        "versions": folder.versions(),
    }


@pytest.fixture
def place(tmp_path: Path) -> Path:
    made, lock = folder.claim(tmp_path / "run", "x")
    with lock:
        files.write(made / folder.TASK, '{"task": 1}')
        folder.configure(made, configuration())
    return made


# -- writing ------------------------------------------------------------------------------------------


def test_a_configuration_reads_back_as_it_was_written(place: Path) -> None:
    found = folder.read_configuration(place)
    assert {name: found[name] for name in configuration()} == configuration()
    assert found["format"] == folder.FORMAT
    assert set(found["versions"]) == {"bptt", "python", "numpy", "numba", "llvmlite"}


def test_toml_of_every_character_below_256_reads_back() -> None:
    text = "".join(map(chr, range(256))) + "𝛿\ufeff"
    table = {"a key": text, "t": {"list": ["x", 1, 2.5, False], text: 1e300}}
    assert tomllib.loads(folder.toml(table)) == table
    with pytest.raises(RunError, match="a NoneType cannot stand in a configuration"):
        folder.toml({"a": None})


def test_runs_get_the_next_free_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    made = [folder.claim(None, "text")[0] for _ in range(3)]
    assert [str(path) for path in made] == ["runs/text-1", "runs/text-2", "runs/text-3"]


def test_a_run_is_never_overwritten(place: Path, tmp_path: Path) -> None:
    before = {path.name: path.read_bytes() for path in place.iterdir()}
    with pytest.raises(RunError, match=f"holds a run, which would be lost.*bptt resume {place}"):
        folder.claim(place, "x")
    assert {path.name: path.read_bytes() for path in place.iterdir()} == before
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / folder.WEIGHTS).touch()
    with pytest.raises(RunError, match="holds other files"):
        folder.claim(tmp_path / "letters", "x")
    with pytest.raises(RunError, match="got a file"):
        folder.claim(tmp_path / "letters" / folder.WEIGHTS, "x")


def test_an_unfinished_beginning_is_cleared(tmp_path: Path) -> None:
    path, lock = folder.claim(tmp_path / "run", "x")
    files.write(path / folder.EQUATIONS, "h[t] =")
    (path / ".weights.safetensors.1.tmp").touch()
    lock.release()
    again, lock = folder.claim(path, "x")
    assert again == path
    assert [p.name for p in path.iterdir()] == [LOCK]
    lock.release()


def test_of_two_processes_on_one_run_the_second_is_told(place: Path) -> None:
    with folder.locked(place):
        child = os.fork()
        if not child:
            try:
                folder.locked(place)
            except RunError as error:
                os._exit(0 if f"run: process {os.getppid()} is training this run" in str(error) else 1)
            os._exit(2)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_lock_ends_with_its_process(place: Path) -> None:
    child = os.fork()
    if not child:
        folder.locked(place)
        os._exit(0)
    os.waitpid(child, 0)
    with folder.locked(place):
        with pytest.raises(RunError, match=f"process {os.getpid()} is training this run; wait for it"):
            folder.locked(place)
        with pytest.raises(RunError, match="holds a run"):
            folder.claim(place, "x")
    Lock(place).acquire().release()


def test_a_folder_in_which_another_process_has_just_begun_is_not_cleared(tmp_path: Path) -> None:
    path, lock = folder.claim(tmp_path / "run", "x")
    files.write(path / folder.EQUATIONS, "h[t] = 1")
    with pytest.raises(RunError, match="is training this run"):
        folder.claim(path, "x")
    assert (path / folder.EQUATIONS).read_text() == "h[t] = 1"
    lock.release()


def test_an_unwritable_folder_is_said(tmp_path: Path, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match=r"file/run: cannot be written: Not a directory.*--run"):
        folder.claim(tmp_path / "file" / "run", "x")

    def refused(*_: object) -> int:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(os, "open", refused)
    with pytest.raises(RunError, match=r"run: cannot be written or locked: Permission denied; name a folder"):
        folder.locked(place)


def test_what_a_killed_process_had_begun_to_write_is_tidied(place: Path) -> None:
    (place / ".run.toml.17.tmp").write_text("for")
    folder.tidy(place)
    assert {p.name for p in place.iterdir()} == {LOCK, folder.CONFIGURATION, folder.TASK}


# -- reading ------------------------------------------------------------------------------------------


def test_no_folder_and_a_folder_of_no_run_are_said(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="nowhere: expected a run folder, there is none"):
        folder.read_configuration(tmp_path / "nowhere")
    with pytest.raises(RunError, match=r"run.toml: expected a file of the run, got: No such file"):
        folder.read_configuration(tmp_path)


@pytest.mark.parametrize(
    ("step", "message"),
    [
        (1, r"written by a newer bptt \(.*, format 3\); this one, .*, reads format 2; upgrade it"),
        (-1, r"written by an older bptt \(.*, format 1\); this one, .*, reads format 2; train anew"),
    ],
)
def test_a_run_of_another_version_is_said(place: Path, step: int, message: str) -> None:
    path = place / folder.CONFIGURATION
    path.write_text(path.read_text().replace(f"format = {folder.FORMAT}", f"format = {folder.FORMAT + step}"))
    with pytest.raises(RunError, match=message):
        folder.read_configuration(place)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("format = 2", 'format = "2"'),
        ("format = 2", "form = 2"),
        ("format = 2", "format = ="),
        ("[sizes]", "[size]"),
        ("x = 3", "x = 0"),
        ("x = 3", 'x = "__import__(0)"'),
        ("x = 3", "x = true"),
        ("W = [3, 4]", "W = [3, -4]"),
    ],
)
def test_a_damaged_configuration_is_said(place: Path, old: str, new: str) -> None:
    path = place / folder.CONFIGURATION
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(RunError, match=r"run.toml: damaged: expected .*, got"):
        folder.read_configuration(place)


def test_an_altered_file_is_noticed(place: Path) -> None:
    found = folder.read_configuration(place)
    assert folder.read_json(place, folder.TASK, found) == {"task": 1}
    path = place / folder.TASK
    path.write_text('{"task": 2}')
    with pytest.raises(RunError, match=r"task.json: damaged: expected the checksum"):
        folder.read_json(place, folder.TASK, found)
    for content in ("[1]", "{"):
        path.write_text(content)
        found["checksums"][folder.TASK] = files.checksum(content)
        with pytest.raises(RunError, match=r"task.json: damaged: expected (a JSON object|JSON), got"):
            folder.read_json(place, folder.TASK, found)
    for content in (b"\xff", DEEP.encode()):
        path.write_bytes(content)
        found["checksums"][folder.TASK] = files.checksum(content)
        with pytest.raises(RunError, match=r"task.json: damaged: expected (UTF-8|JSON), got"):
            folder.read_json(place, folder.TASK, found)
    path.unlink()
    with pytest.raises(RunError, match=r"task.json: expected a file of the run"):
        folder.read_json(place, folder.TASK, found)


@pytest.mark.parametrize("nested", [f"a = {DEEP}", ".".join("a" * 5000) + " = 1", f"[{'.'.join('a' * 5000)}]"])
def test_a_configuration_nested_beyond_the_stack_is_said(place: Path, nested: str) -> None:
    """Lists end the parser's recursion; dotted keys give tables that nothing else could walk through."""
    path = place / folder.CONFIGURATION
    path.write_text(path.read_text() + f"\n[more]\n{nested}\n")
    with pytest.raises(RunError, match=r"run.toml: damaged: expected TOML, got tables or lists nested deeper than"):
        folder.read_configuration(place)


# -- what a run leaves --------------------------------------------------------------------------------

FILES = {
    ".lock",
    "run.toml",
    "equations.txt",
    "task.json",
    "weights.safetensors",
    "previous.safetensors",
    "best.safetensors",
    "metrics.jsonl",
    "speed.jsonl",
    "circuit.svg",
    "unrolled.svg",
    "loss.svg",
    "sample.txt",
}


def test_a_run_leaves_a_folder_that_can_be_loaded(text: Path, tmp_path: Path) -> None:
    run = rnn.fit(text, run=tmp_path / "run", quiet=True, **SHORT)
    assert {path.name for path in run.folder.iterdir()} == FILES
    metrics = logs.read_metrics(run.folder)
    assert [m["update"] for m in metrics] == [1, 2, 3, 4, 6, 6]
    for record in metrics:
        nats = record.get("loss", record.get("validation_nats"))
        assert record.get("bits", record.get("validation_bits")) == pytest.approx(nats / math.log(2))
    again = rnn.load(run.folder)
    assert again.update == 6
    assert list(again.weights) == list(run.weights)
    assert all((again.weights[name] == run.weights[name]).all() for name in run.weights)
    assert again.task.save() == run.task.save()
    sample = (run.folder / "sample.txt").read_text()
    assert again.generate(20, seed=0) + "\n" == sample
    assert checkpoint.load_weights(run.folder).optimiser["updates"] == 6
    assert "# the candidate" in (run.folder / "equations.txt").read_text()
