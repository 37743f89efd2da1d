"""CoNLL-U, labelled sentences and series: what is read, and what is refused with its line and the mend."""

from __future__ import annotations

import codecs
import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bptt.rnn.data import DataError, Normalisation, read_conllu, read_series, read_text
from bptt.rnn.data.conllu import Tagged
from bptt.rnn.data.sentences import Labelled, read_folder, read_lines, read_table
from bptt.rnn.tasks import Task


def written(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


# ---- CoNLL-U -----------------------------------------------------------------------------------------
REST = "\t_\t_\t0\troot\t_\t_"
CONLLU = f"""\
# text = vámonos al mar
1-2\tvámonos\t_\t_{REST}
1\tvamos\tir\tVERB{REST}
2\tnos\tnosotros\tPRON{REST}
2.1\tnada\t_\tPRON{REST}
3\tal\tal\tADP{REST}

# another

1\tmar mayor\t_\tNOUN{REST}"""


def test_words_and_tags_are_read_without_multiword_tokens_and_empty_nodes(tmp_path: Path) -> None:
    expected = [Tagged(("vamos", "nos", "al"), ("VERB", "PRON", "ADP")), Tagged(("mar mayor",), ("NOUN",))]
    assert read_conllu(written(tmp_path, "a.conllu", CONLLU)) == expected
    crlf = "\ufeff" + CONLLU.replace("\n", "\r\n") + "\r\n\r\n"
    assert read_conllu(written(tmp_path, "b.conllu", crlf)) == expected


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (f"2\tnos\tnosotros\tPRON{REST}\t_", r"line 4: expected the 10 columns of CoNLL-U, got 11"),
        ("2\tnos\tnosotros", r"line 4: expected the 10 columns of CoNLL-U, got 3: '2\\tnos"),
        ("2 nos nosotros PRON", r"line 4: expected the 10 columns .* got 1 \(columns are separated by tabs"),
        (f"b\tnos\tnosotros\tPRON{REST}", r"line 4: expected an ID such as 1, 1-2 or 1.1, got 'b'"),
        (f"0\tnos\tnosotros\tPRON{REST}", r"line 4: expected an ID .* got '0'"),
        (f"2\tnos\tnosotros\t_{REST}", r"line 4: expected the word's UPOS, got '_'; fill it in"),
        (f"2\t\tnosotros\tPRON{REST}", r"line 4: expected the word's FORM, got ''"),
    ],
)
def test_a_wrong_line_of_conllu_is_refused(tmp_path: Path, line: str, message: str) -> None:
    lines = CONLLU.split("\n")
    lines[3] = line
    with pytest.raises(DataError, match=rf"a\.conllu, {message}"):
        read_conllu(written(tmp_path, "a.conllu", "\n".join(lines)))


def test_a_word_may_be_an_underscore(tmp_path: Path) -> None:
    assert read_conllu(written(tmp_path, "a.conllu", f"1\t_\t_\tSYM{REST}"))[0].words == ("_",)


def test_a_file_of_comments_has_no_sentences(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="expected sentences in CoNLL-U, got none"):
        read_conllu(written(tmp_path, "a.conllu", "# nothing\n\n"))


def test_the_treebank_is_read(data_folder: Path) -> None:
    found = read_conllu(data_folder / "ud_en_atis" / "en_atis-ud-dev.conllu")
    assert len(found) == 572
    assert found[0].words[:6] == ("i", "would", "like", "the", "cheapest", "flight")
    assert found[0].tags[:6] == ("PRON", "AUX", "VERB", "DET", "ADJ", "NOUN")


# ---- labelled sentences ------------------------------------------------------------------------------
GOOD, BAD = Labelled("a good, long film", "pos"), Labelled('so "bad"', "neg")


@pytest.mark.parametrize(
    ("name", "content", "options"),
    [
        ("a.tsv", 'pos\ta good, long film\nneg\tso "bad"\n', {}),
        ("a.tsv", '\ufefflabel\ttext\r\npos\ta good, long film\r\n\r\nneg\t"so ""bad"""\r\n', {}),
        ("a.tsv", 'sentence\tlabel\na good, long film\tpos\nso "bad"\tneg', {}),
        ("a.csv", 'pos,"a good, long film"\nneg,"so ""bad"""\n', {}),
        ("a.csv", '1,"a good, long film",pos\n2,"so ""bad""",neg\n', {"label": "3", "text": "2"}),
        ("a.csv", 'Text,Id,Label\n"a good, long film",1,pos\n"so ""bad""",2,neg\n', {}),
    ],
)
def test_tables_of_labels_and_texts(tmp_path: Path, name: str, content: str, options: dict[str, str]) -> None:
    assert read_table(written(tmp_path, name, content), **options) == [GOOD, BAD]


def test_semicolons_separate_where_the_first_line_has_no_comma(tmp_path: Path) -> None:
    path = written(tmp_path, "a.csv", 'id;text;mood\n1;"a good, long film";pos\n2;"so ""bad""";neg\n')
    assert read_table(path, label="mood") == [GOOD, BAD]


def test_a_quoted_cell_may_hold_line_ends(tmp_path: Path) -> None:
    path = written(tmp_path, "a.csv", 'pos,"two\r\nlines"\nneg,one\nneg\n')
    with pytest.raises(DataError, match=r"a\.csv, line 4: expected 2 columns as in line 1, got 1: \['neg'\]"):
        read_table(path)
    assert read_table(written(tmp_path, "a.csv", 'pos,"two\r\nlines"\nneg,one\n'))[0].text == "two\nlines"


def test_nul_is_a_character_like_others(tmp_path: Path) -> None:
    for name, separator in (("a.tsv", "\t"), ("a.csv", ",")):
        found = read_table(written(tmp_path, name, f"pos{separator}a\x00b\nneg{separator}c\n"))
        assert found[0] == Labelled("a\x00b", "pos")


@pytest.mark.parametrize(
    ("name", "content", "options", "message"),
    [
        ("a.tsv", "pos\tgood\nbad film\n", {}, r"line 2: expected 2 columns as in line 1, got 1: \['bad film'\]; mend"),
        ("a.tsv", "pos\tgood\n\tbad film\n", {}, r"line 2: expected a label, got an empty one; fill it in"),
        ("a.tsv", "pos\tgood\n\nneg\t \n", {}, r"line 3: expected a text, got an empty one"),
        ("a.csv", 'pos,good\nneg,"bad" film\n', {}, r"line 2: expected a row of CSV, got: .*double the quotes"),
        ("a.csv", 'pos,good\nneg,"bad\n', {}, r"line 2: expected a row of CSV, got: unexpected end of data"),
        ("a.csv", "good\nbad\n", {}, r"line 1: expected at least two columns, a label and a text"),
        ("a.csv", "a,b,c\n1,2,3\n", {}, r"expected to be told which column holds the labels.* 3 columns without names"),
        ("a.csv", "a,b,label\n1,2,3\n", {}, r"which the texts of a, b, label; name both, e.g. --label 1 --text 2"),
        ("a.csv", "pos,good\n", {"label": "mood"}, r"expected the column of the labels: \(the file has no header\)"),
        ("a.csv", "id,text\n1,good\n", {"label": "3"}, r"one of id, text, or a number from 1 to 2; got '3'"),
        ("a.csv", "", {}, "a.csv: expected a table of labels and texts, the file is empty"),
        ("a.csv", ",\n,\n", {}, "a.csv: expected a table of labels and texts, got empty cells alone"),
        ("a.tsv", "pos\tgut\nneg\tm\xfcde\n".encode("latin-1"), {}, r"line 2: expected UTF-8, got byte 0xfc.*iconv"),
    ],
)
def test_wrong_tables_are_refused(
    tmp_path: Path, name: str, content: str | bytes, options: dict[str, str], message: str
) -> None:
    with pytest.raises(DataError, match=message) as error:
        read_table(written(tmp_path, name, content), **options)
    assert name in str(error.value)


def test_lines_of_a_label_and_a_text(tmp_path: Path) -> None:
    path = written(tmp_path, "a.train", "1 a good film\n\n0\tso bad\n")
    assert read_lines(path) == [Labelled("a good film", "1"), Labelled("so bad", "0")]
    with pytest.raises(DataError, match=r"a\.train, line 2: expected a label, a space and a text, got '0'"):
        read_lines(written(tmp_path, "a.train", "1 good\n0\n"))


def test_a_folder_of_one_file_a_label(tmp_path: Path) -> None:
    written(tmp_path, "Czech.txt", "Novák\n\nDvořák\n")
    with pytest.raises(DataError, match=r"a file LABEL\.txt for each of at least two labels, got 1"):
        read_folder(tmp_path)
    written(tmp_path, "Dutch.txt", "Bakker")
    written(tmp_path, "LICENSE", "free")
    found = [Labelled("Novák", "Czech"), Labelled("Dvořák", "Czech"), Labelled("Bakker", "Dutch")]
    assert read_folder(tmp_path) == found
    written(tmp_path, "Thai.txt", "")
    with pytest.raises(DataError, match=r"Thai\.txt: expected texts, one a line, the file is empty"):
        read_folder(tmp_path)


# ---- series ------------------------------------------------------------------------------------------
def test_columns_of_a_table_of_numbers(tmp_path: Path) -> None:
    path = written(tmp_path, "a.csv", "\ufeffday,low,high\r\n2024-01-01,-1.5,2e1\r\n2024-01-02, 0 ,3\r\n")
    found = read_series(path, "high,low")
    assert found.columns == ("high", "low")
    np.testing.assert_array_equal(found.values, [[20, -1.5], [3, 0]])
    assert read_series(path, "2").columns == ("low",)
    plain = read_series(written(tmp_path, "b.csv", "1;2\n3;4\n"))
    assert plain.columns == ("1", "2")
    np.testing.assert_array_equal(plain.values, [[1, 2], [3, 4]])
    dated = read_series(written(tmp_path, "c.csv", "2024-01-01,5\n2024-01-02,6\n"), "2")
    np.testing.assert_array_equal(dated.values, [[5], [6]])


@pytest.mark.parametrize(
    ("content", "columns", "message"),
    [
        ("a,b\n1,2\n3,x\n", "", r"line 3, column b: expected a finite number, got 'x'; .*--columns a"),
        ("a,b\n1,2\n3,\n", "", r"line 3, column b: expected a finite number, got ''"),
        ("1,2\n3,nan\n", "", r"line 2, column 2: expected a finite number, got 'nan'"),
        ("1,2\n3,inf\n", "", r"line 2, column 2: expected a finite number, got 'inf'"),
        ("1,2\n3,1_000\n", "", r"line 2, column 2: .* got '1_000'"),
        ("a,b\n1,2\n3\n", "", r"line 3: expected 2 columns as in line 1, got 1"),
        ("a,b\n1,2\n", "c", r"expected a column: one of a, b, or a number from 1 to 2; got 'c'"),
        ("a,b\n1,2\n", "a,1", "expected each column once"),
    ],
)
def test_cells_that_are_no_numbers_are_refused(tmp_path: Path, content: str, columns: str, message: str) -> None:
    with pytest.raises(DataError, match=rf"a\.csv.*{message}"):
        read_series(written(tmp_path, "a.csv", content), columns)


def test_an_array_of_numbers(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.arange(6, dtype=np.int16).reshape(3, 2))
    found = read_series(tmp_path / "a.npy", "2")
    assert found.columns == ("2",)
    np.testing.assert_array_equal(found.values, [[1], [3], [5]])
    np.save(tmp_path / "b.npy", np.arange(3.0))
    assert read_series(tmp_path / "b.npy").values.shape == (3, 1)


class Bomb:
    """An object that does something when it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (pytest.fail, ("an object of a data file was executed",))


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.array([Bomb()], dtype=object), "Object arrays cannot be loaded.*arrays of Python objects are never loaded"),
        (np.zeros((2, 2, 2)), r"expected whole or real numbers \[N\] or \[N, n\], got float64 \[2, 2, 2\]"),
        (np.zeros((2, 2), complex), "got complex128"),
        (np.zeros((0, 2)), r"got float64 \[0, 2\]"),
        (np.array([[1, 2], [3, np.nan]]), "row 2, column 2: expected a finite number, got nan"),
    ],
)
def test_arrays_that_are_no_series_are_refused(tmp_path: Path, array: Any, message: str) -> None:
    np.save(tmp_path / "a.npy", array, allow_pickle=True)
    with pytest.raises(DataError, match=rf"a\.npy.*{message}"):
        read_series(tmp_path / "a.npy")


@pytest.mark.parametrize("content", [b"", b"no array", b"\x93NUMPY\x01\x00v\x00{'descr'", b"PK\x03\x04"])
def test_a_file_that_is_no_array_is_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(DataError, match=r"a\.npy: expected an NPY file of numbers"):
        read_series(written(tmp_path, "a.npy", content))
    with pytest.raises(DataError, match=r"nowhere\.npy: expected an NPY file, got: No such file"):
        read_series(tmp_path / "nowhere.npy")


def test_normalisation_is_undone_and_kept_exactly() -> None:
    values = np.random.default_rng(0).normal(3, 7, (50, 2))
    values = np.column_stack([values, np.full(50, 1e9)])
    norm = Normalisation.of(values)
    read = norm.apply(values)
    np.testing.assert_allclose(read[:, :2].mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(read[:, :2].std(axis=0), 1)
    assert not read[:, 2].any()
    assert norm.scale[2] == 1
    np.testing.assert_allclose(norm.undo(read), values)
    again = Normalisation.restore(json.loads(json.dumps(norm.save())))
    assert (again.mean == norm.mean).all()
    assert (again.scale == norm.scale).all()
    assert norm.pick([1]).mean.tolist() == [norm.mean[1]]


def test_normalisation_neither_overflows_nor_loses_what_is_small() -> None:
    shape = np.arange(300.0)[:, None] % 7
    usual = Normalisation.of(shape)
    for size in (1e-300, 1e-200, 1e200, 1e299):
        norm = Normalisation.of(shape * size)
        np.testing.assert_allclose(np.concatenate([norm.mean, norm.scale]) / size, [*usual.mean, *usual.scale])
        np.testing.assert_allclose(norm.apply(shape * size), usual.apply(shape))
        np.testing.assert_allclose(norm.undo(norm.apply(shape * size)), shape * size, atol=1e-9 * size)


def test_numbers_too_large_to_compute_with_are_refused_by_their_place(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a\.csv, line 3, column up: expected a number between -1e\+300 and 1e\+300"):
        read_series(written(tmp_path, "a.csv", "up,down\n1,2\n-1.7e308,3\n"))
    np.save(tmp_path / "a.npy", np.array([[1.0, 2.0], [3.0, 2e300]]))
    with pytest.raises(DataError, match=r"a\.npy, row 2, column 2: .*, got 2e\+300; if it stands for a missing value"):
        read_series(tmp_path / "a.npy")
    with pytest.raises(DataError, match=r"row 2 of the numbers: .* \(mean 1, scale 1\), got 1e\+30"):
        Normalisation.of(np.ones((3, 1))).apply(np.array([[1.0], [1e30]]))


def test_a_series_without_a_row_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a\.csv: expected rows of numbers, got the names of columns alone: up, down"):
        read_series(written(tmp_path, "a.csv", "up,down\n"))


@pytest.mark.parametrize(
    "kept", [None, {}, {"mean": [1.0]}, {"mean": [1.0], "scale": [0.0]}, {"mean": [1.0], "scale": [1.0, 2.0]},
             {"mean": ["x"], "scale": [1.0]}],
)  # fmt: skip
def test_what_is_no_normalisation_is_not_restored(kept: Any) -> None:
    with pytest.raises(DataError, match="a mean and a scale"):
        Normalisation.restore(kept)


def test_a_cell_that_is_no_number_names_all_columns_that_are(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("date,up,down\n2020-01-01,1,2\n")
    with pytest.raises(DataError, match=r"line 2, column date: .*'2020-01-01'; .*e\.g\. --columns up,down"):
        read_series(path)


def test_an_npy_file_whose_header_is_cut_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "cut.npy"
    path.write_bytes(b"\x93NUMPY\x01\x00\x10\x00{'descr': '<f8', ")
    with pytest.raises(DataError, match="expected an NPY file of numbers"):
        read_series(path)


# ---- what is no text ---------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\x89PNG\r\n\x1a\n\0\0", "expected a text in UTF-8, got a PNG picture; give its text, or .*: --unit byte"),
        (b"PK\x03\x04\xff", "got a ZIP archive"),
        (b"\x93NUMPY\x01\0", "got an NPY array"),
        (b"some \0 bytes \xff", "got bytes that are no text"),
        (codecs.BOM_UTF16_LE + "a text".encode("utf-16-le"), "got UTF-16; convert it first, e.g. iconv -f UTF-16"),
        ("Grüße".encode("latin-1"), "line 1: expected UTF-8, got byte 0xfc at offset 2"),
    ],
)
def test_what_is_no_text_is_said_by_its_kind(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(content)
    with pytest.raises(DataError, match=rf"a\.txt.*{message}"):
        read_text(path)


def test_a_cell_longer_than_csv_reads_is_said_with_its_line(tmp_path: Path) -> None:
    """The limit is of the process, and stays what it was; a table in TSV has none."""
    limit = csv.field_size_limit()
    path = tmp_path / "a.csv"
    path.write_text("label,text\na,b\nb," + "x" * (limit + 1) + "\n")
    with pytest.raises(DataError, match=rf"a\.csv, line 3: expected a row of CSV, .* more than {limit:,} characters"):
        read_table(path)
    path.write_text("b," + "x" * (limit + 1) + "\na,b\n")
    with pytest.raises(DataError, match=r"a\.csv, line 1: expected a row of CSV, got: a cell of more than"):
        Task.of(path)
    path = path.with_suffix(".tsv")
    path.write_text("label\ttext\nb\t" + "x" * (limit + 1) + "\n")
    assert len(read_table(path)[0].text) == limit + 1
    assert csv.field_size_limit() == limit
