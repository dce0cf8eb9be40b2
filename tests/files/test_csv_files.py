"""Tables as spreadsheets and people save them: each usual form is read alike, and what is no table is refused in words."""

import os

import pytest

from gan_sntg.errors import InputError
from gan_sntg.files import csv_files
from gan_sntg.files.csv_files import read_table

FILE, CLASS = ("file", "path"), ("class", "label")
ROWS = [["a.png", "cat"], ["b, c.png", ""], ["sub/d.png", "caf\u00e9"]]


@pytest.fixture
def read(tmp_path):
    """Reads a table of these bytes, or text in UTF-8."""

    def table(content: bytes | str):
        (tmp_path / "labels.csv").write_bytes(content if isinstance(content, bytes) else content.encode())
        return read_table(tmp_path / "labels.csv", FILE, CLASS)

    return table


FORMS = {
    "commas": 'file,class\na.png,cat\n"b, c.png",\nsub/d.png,caf\u00e9\n',
    "of Windows": 'file,class\r\na.png,cat\r\n"b, c.png",\r\nsub/d.png,caf\u00e9\r\n',
    "of an old Mac": 'file,class\ra.png,cat\r"b, c.png",\rsub/d.png,caf\u00e9\r',
    "of a European Excel": "\ufefffile;class\r\na.png;cat\r\nb, c.png;\r\nsub/d.png;caf\u00e9\r\n",
    "tabs": "file\tclass\na.png\tcat\nb, c.png\t\nsub/d.png\tcaf\u00e9",
    "all quoted": '"file";"class"\n"a.png";"cat"\n"b, c.png";""\n"sub/d.png";"caf\u00e9"\n',
    "with empty lines": '\nfile,class\n\na.png,cat\n"b, c.png",\n,\n  \nsub/d.png,caf\u00e9\n\n',
}


@pytest.mark.parametrize("form", FORMS)
def test_a_table_is_read_alike_in_every_usual_form(read, form):
    table = read(FORMS[form])
    assert table.columns == ["file", "class"] and [row for _, row in table.rows] == ROWS


def test_the_delimiter_is_the_one_that_gives_the_wanted_columns(read):
    assert read("file,class,a;b;c;d\na.png,cat,;;;\n").columns == ["file", "class", "a;b;c;d"]


def test_each_row_bears_the_line_it_begins_in(read):
    assert [line for line, _ in read('file,class\n\na.png,cat\n"b\nc.png",dog\nd.png,cat\n').rows] == [3, 4, 6]


def test_columns_are_found_by_any_of_their_names_in_any_case(read):
    table = read("id,Label, PATH \n1,cat,a.png\n")
    assert (table.column(FILE), table.column(CLASS), table.find(("group",))) == (2, 1, None)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "is empty; its first line must be the names of its columns"),
        ("\n ,\n", "is empty"),
        ("a.png,cat\nb.png,dog\n", "no column file or path: its first line names 'a.png', 'cat'; its first line must be the names"),
        ("file,kind\na.png,cat\n", "no column class or label: its first line names 'file', 'kind'"),
        ("file,path,class\na,a,cat\n", "has the columns file and path; keep or rename all but one"),
        ("file,class\na.png,cat\nb.png\nc, d.png,cat\n", r"2 rows have not the 2 fields of the first line \(line 3: 1; line 4: 3\)"),
        ('file,class\n"a.png,cat\n', "line 2: no CSV .unexpected end of data"),
        ('file,class\n"a"b.png,cat\n', "line 2: no CSV .*double a quote in it"),
        ("file,class\na.png,caf\u00e9\n".encode("cp1252"), "line 2: not UTF-8, .*save it as CSV UTF-8"),
        ("file,class\na.png,cat\n".encode("utf-16"), r"no CSV table in UTF-8 \(it holds zero bytes, as UTF-16 .*save it as CSV UTF-8"),
        (b"file,class\na.png,\0\n", "it holds zero bytes"),
        (b"PK\x03\x04\x14\0\x06", "it holds zero bytes, as UTF-16 and files of spreadsheets do"),
        ("file,class\n" + "," * 1001, "line 2: no CSV .1,002 fields, more than 1,000"),
        ("file,class\n" + "a" * 200_000 + ",cat\n", "line 2: no CSV .field larger than field limit"),
    ],
)
def test_what_is_no_such_table_is_refused_with_the_reason(read, content, reason):
    with pytest.raises(InputError, match=f"labels.csv.*{reason}"):
        read(content)


def test_a_giant_table_is_refused_by_its_size_and_what_is_no_file_is_not_waited_for(read, tmp_path, monkeypatch):
    monkeypatch.setattr(csv_files, "MOST_BYTES", 40)
    assert len(read("file,class\n" + "a.png,cat\n" * 2).rows) == 2
    with pytest.raises(InputError, match="has more than 40 bytes"):
        read("file,class\n" + "a.png,cat\n" * 3)
    os.mkfifo(tmp_path / "pipe.csv")
    for name in "pipe.csv", "none.csv", ".":
        with pytest.raises(InputError, match="is not a regular file; give a CSV table"):
            read_table(tmp_path / name, FILE)
