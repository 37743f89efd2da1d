"""The commands that look into a network: what they print and write, for cells, files and runs; how they fail."""

from __future__ import annotations

from pathlib import Path

import pytest
from bptt import graph, rnn
from bptt.rnn.cells import CELLS, cell
from bptt.rnn.cli import inspect, main
from bptt.rnn.cli.cells import network

Captured = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A language model after one update, which runs without compiling."""
    place = tmp_path_factory.mktemp("inspect")
    (place / "verse.txt").write_text("the rain in spain\nstays mainly in the plain\n" * 4)
    settings = {"hidden": 4, "vector": 3, "batch": 2, "window": 5, "updates": 1, "sample": 0}
    rnn.fit(place / "verse.txt", run=place / "run", target="interpret", quiet=True, **settings)
    return place / "run"


def printed(capsys: Captured, *arguments: object) -> str:
    assert main([str(a) for a in arguments]) == 0
    return capsys.readouterr().out


def refused(capsys: Captured, *arguments: object) -> str:
    assert main([str(a) for a in arguments]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert "Traceback" not in said.err
    return said.err


# ---- explain ---------------------------------------------------------------------------------------
def test_explain_says_sizes_words_and_where_each_adjoint_comes_from(capsys: Captured) -> None:
    text = printed(capsys, "explain", "ELMAN")
    for part in (
        "elman: ",
        "reads     x[t] (3), y[t] (a symbol of 5)",
        "carries   h",
        "learns    57 numbers",
        "          W  4×4  starts uniform within ±1/√4",
        "          c  5    starts 0",
        "The sizes are small ones unless --size says others",
        "a[t] = b + W @ h[t-1] + U @ x[t]",
        "δh[t] = V.T @ δo[t] + W.T @ δa[t+1]                # from o[t] and a[t+1], which read h[t]",
        "row           one step of one sequence",
        "loop up over t: cycle a → h through t-1",
    ):
        assert part in text, part
    # every word of the listing that is a term is explained before it is used
    listing = text.split("# The schedule")[1]
    for word in ("stage", "row", "all steps", "loop up", "fused", "kept", "cycle"):
        assert listing.index(f"    {word} ") < listing.index("stage 1")


def test_explain_shows_what_a_network_of_open_functions_is_made_of(capsys: Captured) -> None:
    text = printed(capsys, "explain", "abstract")
    assert "\ns[3] = R(R(R(s[0], x[1]), x[2]), x[3])\n" in text
    assert "\ny[3] = O(R(R(R(s[0], x[1]), x[2]), x[3]))\n" in text
    assert "O and R have no definition" in text
    assert "reads     nothing" in printed(capsys, "explain", "dynamics")


def test_explain_prints_latex(capsys: Captured) -> None:
    text = printed(capsys, "explain", "gru", "--latex")
    net = cell("gru")(**CELLS["gru"].sizes)
    assert text.strip() == graph.latex(graph.grad(net, "L"), comments=True)
    assert r"which read $h^{(t)}$}" in text


def test_explain_gradient_of_a_cell_says_that_weights_and_inputs_are_random(capsys: Captured, tmp_path: Path) -> None:
    figure, drawing = tmp_path / "g.svg", tmp_path / "u.svg"
    options = ["--gradient", "--steps", 12, "--seed", 3, "--plot", figure, "--drawing", drawing]
    text = printed(capsys, "explain", "elman", *options)
    assert "12 steps, 4 sequences; initial weights and random inputs (seed 3)" in text
    assert "vanishes: halves every" in text
    assert "γ = 1 (tanh) times the largest singular value of W" in text
    assert f"figure    {figure}" in text
    assert "<svg" in figure.read_text()
    assert "<svg" in drawing.read_text()
    assert "The schedule" not in text
    assert printed(capsys, "explain", "elman", "--gradient", "--steps", 12, "--seed", 4) != text


def test_explain_gradient_of_a_run_reads_its_data_or_a_text(run: Path, capsys: Captured, tmp_path: Path) -> None:
    text = printed(capsys, "explain", run, "--gradient", "--steps", 5)
    assert f"{run}, update 1, on its validation data" in text
    verse = tmp_path / "verse.txt"
    verse.write_text("in the plain in the rain")
    text = printed(capsys, "explain", run, "--gradient", "--steps", 6, "--data", verse)
    assert f"6 steps, 4 sequences; {run}, update 1, on {verse}" in text


def test_explain_gradient_without_inputs_takes_its_steps_and_of_open_functions_says_what_is_missing(
    tmp_path: Path, capsys: Captured
) -> None:
    for name in ("dynamics", "driven"):
        said = refused(capsys, "explain", name, "--gradient", "--steps", 5)
        assert "f, which is opaque" in said
        assert "define it" in said
    path = tmp_path / "alone.txt"
    path.write_text("s[0] = s_0\ns[t] = tanh(W @ s[t-1] + b)\n")
    assert ": 7 steps, 1 sequence;" in printed(capsys, "explain", path, "--gradient", "--steps", 7, "--size", "s=3")


def test_explain_gradient_of_a_cell_has_units_enough_to_show_what_it_is_about(capsys: Captured) -> None:
    text = printed(capsys, "explain", "irnn", "--gradient", "--steps", 20)
    assert "state h[t], 32 units" in text
    assert "overall   is kept" in text
    assert "state h[t], 6 units" in printed(capsys, "explain", "irnn", "--gradient", "--steps", 4, "--size", "h=6")


def test_sizes_that_nobody_said_fit_those_that_somebody_said_and_each_other() -> None:
    for name, recipe in CELLS.items():
        net, _ = network(name, [], units=32)
        assert all(shape[0] >= 32 for n, shape in net.states.items() if n in net.eqs and len(shape) == 1), name
        ties = {n: (s // 4 + 1) * 4 for n, s in recipe.sizes.items() if isinstance(s, int)}
        for n, size in ties.items():
            assert network(name, [f"{n}={size}"])
    assert network("sru", [], units=32)[0].inputs["x"] == (32,)


def test_explain_of_a_run_says_what_it_has_learnt_not_how_it_starts(run: Path, capsys: Captured) -> None:
    text = printed(capsys, "explain", run)
    assert "after update 1" in text
    assert "learns    " in text
    assert "starts" not in text


# ---- draw ------------------------------------------------------------------------------------------
@pytest.mark.parametrize("form", ["svg", "png", "pdf", "dot"])
def test_draw_writes_the_format_that_is_asked_for(form: str, capsys: Captured, tmp_path: Path) -> None:
    paths = printed(capsys, "draw", "Elman", "--format", form, "--out", tmp_path).split()
    assert [Path(p).name for p in paths] == [f"elman-circuit.{form}", f"elman-unrolled.{form}"]
    starts = {"svg": b"<?xml", "png": b"\x89PNG", "pdf": b"%PDF", "dot": b"digraph"}
    assert all(Path(p).read_bytes().startswith(starts[form]) for p in paths)


def test_draw_every_operation(capsys: Captured, tmp_path: Path) -> None:
    def drawn(*options: object) -> list[str]:
        paths = printed(capsys, "draw", "elman", "--format", "dot", "--out", tmp_path, *options).split()
        return [Path(p).read_text() for p in paths]

    plain, operations = drawn(), drawn("--operations")
    assert all("tanh" in text for text in operations)
    assert all(text != other for text, other in zip(plain, operations, strict=True))
    assert drawn("--grad")[1] != plain[1]


def test_draw_paints_the_norms_of_a_run_and_of_a_cell(run: Path, capsys: Captured, tmp_path: Path) -> None:
    for name in (run, "lstm"):
        plain, painted = (
            Path(printed(capsys, "draw", name, "--format", "dot", "--out", tmp_path, *o).split()[1]).read_text()
            for o in ([], ["--norms"])
        )
        assert plain.count("005A9C") < painted.count("005A9C")


# ---- files of equations ----------------------------------------------------------------------------
CELL = "h[t] = tanh(W @ h[t-1] + U @ x[t] + b)\no[t] = V @ h[t]\nL = mean(cross_entropy(o[t], y[t]), over=t)\n"


def test_sizes_of_a_file_are_small_and_said(capsys: Captured, tmp_path: Path) -> None:
    file, folder = tmp_path / "cell.txt", tmp_path / "new" / "folder"
    file.write_text(CELL)
    assert main(["draw", str(file), "--format", "dot", "--out", str(folder)]) == 0
    said = capsys.readouterr()
    assert [Path(p) for p in said.out.split()] == [folder / "cell-circuit.dot", folder / "cell-unrolled.dot"]
    assert f"bptt: {file}: small sizes are taken, as by --size x=3 --size h=4 --size o=4" in said.err
    assert main(["explain", str(file), "--size", "h=7", "--size", "o=2", "--size", "x=5"]) == 0
    said = capsys.readouterr()
    assert "U  7×5" in said.out
    assert said.err == ""
    assert main(["explain", str(file), "--gradient", "--steps", "3"]) == 0
    said = capsys.readouterr()
    assert "state h[t], 32 units" in said.out
    assert "--size x=3 --size h=32 --size o=32" in said.err


def test_files_that_are_no_network(capsys: Captured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    contents = {
        "prose.txt": (b"The cat sat.\n", "expected equations, such as h[t] = tanh(W @ h[t-1] + x[t]); no line of"),
        "mixed.txt": (b"h[t] = x[t]\nThe cat = sat\n", "line 2: two values side by side are no product"),
        "empty.txt": (b"", "the file is empty; give a text file of equations"),
        "image.png": (b"\x89PNG\r\n\x1a\n\0\0\0", "a PNG picture; give a text file of equations"),
        "cycle.txt": (b"a[t] = b[t]\nb[t] = x[t] * a[t]", "loop without a delay: a -> b -> a\n    line 1: a[t] = b[t]"),
        "clash.txt": (b"h[t] = W @ h[t-1]\ng[t] = h[t] + W @ concat(h[t], h[t])", "line 2: "),
    }
    for name, (content, message) in contents.items():
        Path(name).write_bytes(content)
        for command in (["draw"], ["explain"], ["explain", "--gradient"]):
            said = refused(capsys, *command, name)
            assert said.startswith(f"bptt: {name}: "), said
            assert message in said
    Path("cell.txt").write_text(CELL)
    assert "a size is given as --size NAME=N" in refused(capsys, "draw", "cell.txt", "--size", "q=3")
    assert "--out: expected a folder, or a place for one, at cell.txt" in refused(
        capsys, "draw", "lstm", "--out", "cell.txt"
    )


# ---- activations -----------------------------------------------------------------------------------
def test_activations_of_a_text_or_a_file(run: Path, capsys: Captured, tmp_path: Path) -> None:
    figure = tmp_path / "a.svg"
    text = printed(capsys, "activations", run, "in the rain", "--signals", "f, h", "--out", figure)
    assert f"{run}, update 1: 11 steps" in text
    assert [line.split(":")[0].strip() for line in text.split("\n")[1:3]] == ["f", "h"]
    assert ">␣</text>" in figure.read_text()
    verse = tmp_path / "verse.txt"
    verse.write_text("spain")
    assert "5 steps" in printed(capsys, "activations", run, verse, "--units", "0", "--out", figure)


# ---- errors ----------------------------------------------------------------------------------------
def test_what_can_be_mended(run: Path, capsys: Captured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    for arguments, message in (
        (["explain", "LSTMM"], "neither a cell that bptt cells lists, nor a file of equations, nor a run folder; did"),
        (["explain", "empty"], "empty: expected a run folder, with run.toml, or a file of equations; it is neither"),
        (["draw", run, "--size", "h=3"], "is a run and has its sizes"),
        (["draw", "elman", "--steps", "0"], "--steps: expected a number of at least 1"),
        (["explain", "elman", "--plot", "a.svg"], "--plot goes with --gradient"),
        (["explain", "elman", "--gradient", "--latex"], "--latex and --gradient: one of them"),
        (["explain", "elman", "--gradient", "--plot", "a.jpg"], "a.jpg: expected a file that ends in one of"),
        (["explain", "elman", "--gradient", "--data", "a.txt"], "--data: elman is no run"),
        (["explain", "markov", "--gradient"], "markov has no state"),
        (["activations", run, "rain", "--out", "a.txt"], "a.txt: expected a file that ends in one of"),
        (["activations", run, "rain", "--signals", "ff", "--out", "a.png"], "has no signal ff[t]"),
        (["activations", "nowhere", "rain", "--out", "a.png"], "nowhere: expected a run folder"),
    ):
        assert message in refused(capsys, *arguments), arguments
    assert [p.name for p in tmp_path.iterdir()] == ["empty"]


def test_a_gradient_that_takes_a_while_says_what_is_measured(capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inspect, "LARGE", 6)
    assert main(["explain", "elman", "--gradient", "--size", "h=6", "--steps", "3"]) == 0
    assert "measuring the derivatives of 6 units over 3 steps by each other" in capsys.readouterr().err
    assert main(["explain", "elman", "--gradient", "--size", "h=5", "--steps", "3"]) == 0
    assert capsys.readouterr().err == ""


def test_drawings_of_a_run_have_the_name_of_its_folder(
    run: Path, tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    printed(capsys, "draw", run, "--steps", "2", "--format", "dot", "--out", tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["run-circuit.dot", "run-unrolled.dot"]
    monkeypatch.chdir(run)
    assert printed(capsys, "draw", ".", "--steps", "2", "--format", "dot", "--out", tmp_path).count("run-") == 2


def test_a_slip_in_the_name_of_a_file_or_a_run_gets_the_near_one(
    run: Path, tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("machine.txt").write_text("h[t] = tanh(W @ h[t-1] + x[t])")
    assert "did you mean machine.txt?" in refused(capsys, "draw", "machin")
    monkeypatch.chdir(run.parent)
    assert "did you mean run?" in refused(capsys, "draw", "runn")
