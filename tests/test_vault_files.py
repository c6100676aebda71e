"""Files of definitions: what they say, and one line that names the place for each mistake."""

import contextlib
import os
import pickle
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mockdata.errors import PlanError
from mockdata.vaults import lists
from mockdata.vaults.catalogue import DEFAULT, Known
from mockdata.vaults.file import definitions, read_vaults
from mockdata.vaults.pieces import Choice, Weighted
from mockdata.vaults.resolve import Resolver
from mockdata.vaults.vault import Table, Vault

CLINIC = Path(__file__).parents[1] / "examples" / "clinic.toml"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder to read from, where the current folder is another one."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    return tmp_path


def written(folder, text, name="vaults.toml"):
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def refusal(folder, text):
    """Return the one line that refuses a file, without the file's name before it."""
    path = written(folder, text)
    with pytest.raises(PlanError) as caught:
        read_vaults(path)
    line = str(caught.value)
    assert line.isprintable()
    assert line.startswith(f"{path}: ")
    assert line.count(str(path)) == 1
    return line.removeprefix(f"{path}: ")


# What a file says.


def test_the_definitions_of_the_contract(folder):
    path = written(
        folder,
        r"""
        [vaults.card]
        value = '4[0-9]{14}{luhn}'
        token = '{same:6,4}'

        [vaults.member]
        value = 'M-{number:100000-999999}-{date:2015-01-01..2025-12-31,%Y%m%d}'
        token = '{uuid}'
        data_column = "member_id"

        [vaults.email]
        value = '{name.first_name:lower}.{name.last_name:lower}.[a-z0-9]{6}@{domain}'
        lists.domain = ["example.com", "example.org"]
        distinct = 1_000_000

        [tables.patients]
        patient_id = { pattern = "{index:1}", type = "int64" }
        full_name = "{name.value}"
        full_name_token = "{name.token}"
        born = { pattern = "{born.date}", type = "date" }
        ssn = "{ssn.value}"

        [vaults.born]
        value = "{date:1940-01-01..2010-12-31}-{suffix}"
        """,
    )
    found = read_vaults(path)
    assert [*found] == ["card", "member", "email", "born", "patients"]
    assert found["card"] == Vault("card", value="4[0-9]{14}{luhn}", token="{same:6,4}")
    assert (found["member"].data_column, found["member"].token_column) == (
        "member_id",
        "member_id_token",
    )
    assert found["email"].distinct == 1_000_000
    assert [(column.name, column.type) for column in found["patients"].columns] == [
        ("patient_id", "int64"),
        ("full_name", "string"),
        ("full_name_token", "string"),
        ("born", "date"),
        ("ssn", "string"),
    ]
    assert read_vaults(str(path)) == found
    assert pickle.loads(pickle.dumps(found)) == found


def test_the_example_of_a_clinic_uses_every_kind_of_piece():
    found = read_vaults(CLINIC)
    text = CLINIC.read_text(encoding="utf-8")
    for piece in ("[0-9]", r"\d", "(HMO|", "]{6}", r"\[", "'^", "$'", "{number:", "{date:", "{first_name", "{last_name",
                  "{domain}", "{timestamp}", "{suffix}", "{uuid}", "{index", "{luhn}", "{luhn:", ".value}", ".token}",
                  ".first_name:", ".ward}", "{same}", "{same:", "lists.", "distinct", "repeats", "[tables."):  # fmt: skip
        assert piece in text, piece
    assert isinstance(found["visit"].value_pattern.pieces[-1], Weighted)
    assert found["visit"].value_pattern.pieces[-1].texts[1] == "Surgery, general"
    assert isinstance(found["diagnosis"].value_pattern.pieces[0], Choice)


def test_a_definition_takes_the_place_of_a_ready_made_one(folder):
    path = written(
        folder, "[vaults.ssn]\nvalue = '{number:001-899}'\n[vaults.pin]\nvalue = '[0-9]{4}'"
    )
    found = definitions(path)
    assert found.counted == ("ssn", "pin")
    assert found.known["ssn"].value == "{number:001-899}"
    assert [*found.known][:4] == [*DEFAULT]
    assert [*found.known][-1] == "pin"
    assert len(found.known) == 12
    assert "npi" in found.known
    assert "nip" not in found.known
    with pytest.raises(KeyError):
        found.known["nip"]


def test_a_run_may_be_given_definitions_of_python():
    pin, people = Vault("pin", "[0-9]{4}"), Table("people", {"pin": "{pin.value}"})
    found = definitions(iter([pin, people]))
    assert found.counted == ("pin", "people")
    assert found.known["people"] is people
    assert definitions({"pin": pin}).counted == ("pin",)
    assert definitions().counted == DEFAULT


@pytest.mark.parametrize(
    "given",
    [
        5,
        [5],
        [10**5000],
        [Vault],
        Vault("a", "x"),
        ["pin"],
        [Vault("a", "x"), Table("a", {"b": "x"})],
    ],
)
def test_what_is_no_set_of_definitions(given):
    with pytest.raises(PlanError, match=r"^vaults: "):
        definitions(given)


@pytest.mark.parametrize("path", [None, 5, object(), "a\0b"])
def test_what_is_no_path(path):
    with pytest.raises(PlanError, match=r"not the path of a file$"):
        read_vaults(path)


def test_a_file_that_is_not_there_is_an_error_of_the_system(folder):
    with pytest.raises(FileNotFoundError) as caught:
        read_vaults(folder / "none.toml")
    assert caught.value.filename == str(folder / "none.toml")


# Mistakes.


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[vaults.card]\nvalue = 'x{lunh}'", "vault card: value, character 2: no field {lunh}; did you mean {luhn}?"),
        ("[vaults.card]\nvalue = 'x'\ntoken = '[z-a]'", "vault card: token, character 2: z-a is the wrong way round; did you mean a-z?"),
        ("[vaults.card]\nvalue = '{nam.value}'", "vault card: value, character 1: no vault 'nam'; did you mean {name.value}?"),
        ("[vaults.card]\nvalue = '{crad.value}'\n[vaults.crd]\nvalue = 'x'", "vault card: value, character 1: no vault 'crad'; did you mean {crd.value}?"),
        ("[vaults.a]\nvalue = '{b.value}'\n[vaults.b]\nvalue = '{a.value}'", "vault b: value, character 1: references form a circle: a.value -> b.value -> a.value"),
        ("[vaults.a]\nvalue = '{number:1-99}{number:1-99}'", "vault a: value, character 1: its length varies"),
        ("[vaults.a]\nvalue = '[0-9]'\ndistinct = 11", "vault a: value: distinct = 11, but only 10 texts are sure to differ"),
        ("[vaults.a]\nvalue = '[0-9]'\ntoken = '{same:1,0}'", "vault a: token, character 1: {same} draws nothing"),
        ("[vaults.a]\nvalu = '[0-9]'", "vault a: no setting 'valu'; did you mean value?"),
        ("[vaults.a]\ntoken = '[0-9]'", "vault a: has no value"),
        ("[vaults.a]\nvalue = '[a-Z]'", "vault a: value, character 2: a-Z is the wrong way round; did you mean A-Za-z?"),
        ("[vaults.a]\nvalue = '{number:001-665,667-899}'\ntoken = '{same:1,1}'", "keeps the first 1 character, which would cut a piece in two"),
        ("[vaults.a]\nvalue = 5", "vault a: value: a pattern must be a string, not 5"),
        ("[vaults.a]\nvalue = ['x']", "vault a: value: a pattern must be a string, not ['x']"),
        ("[vaults.a]\nvalue = 'x'\nrepeats = 'yes'", "vault a: repeats: 'yes' is neither"),
        ("[vaults.a]\nvalue = 'x'\ndistinct = 1.5", "vault a: distinct: 1.5"),
        ("[vaults.a]\nvalue = 'x'\ndata_column = 1", "vault a: data_column: 1 is not a text"),
        ("[vaults.a]\nvalue = 'x'\ndata_column = ''", "vault a: data_column: is empty"),
        ("[vaults.a]\nvalue = 'x'\ndistinct = 0x" + "f" * 5_000, "vault a: distinct: int object is not"),
        ("[vaults.a]\nvalue = 'x'\nlists = ['a']", "vault a: lists needs names"),
        ("[vaults.a]\nvalue = '{c}'\nlists.c = []", "vault a: lists.c: has 0 texts"),
        ("[vaults.a]\nvalue = '{c}'\nlists.c = ['x', 'x']", "vault a: lists.c: text 2: 'x' is there twice"),
        ("[vaults.a]\nvalue = '{c}'\nlists.c = [1]", "vault a: lists.c: text 1 is not a text"),
        ("[vaults.a]\nvalue = '{ct}'\nlists.city = ['x']", "vault a: value, character 1: no field {ct}; did you mean {city}?"),
        ("[vaults.A]\nvalue = 'x'", "vault: 'A' is not a name"),
        ("[vaults.'a b']\nvalue = 'x'", "vault: 'a b' is not a name"),
        ("[vaults.'a\\nb']\nvalue = 'x'", "vault: "),
        ("[vault.a]\nvalue = 'x'", "settings: no setting 'vault'; did you mean vaults?"),
        ("vaults = 5", "vaults: write [vaults.NAME]"),
        ("[vaults]\na = 'x'", "vault a: write [vaults.a]"),
        ('[vaults]\n"a\\nb" = 5', "vault: 'a\\nb' is not a name"),
        ('[tables]\n"a\\nb" = 5', "table: 'a\\nb' is not a name"),
        ('[vaults]\n"a\\nb" = 5\n[tables]\n"a\\nb" = 5', "'a\\nb' is not a name"),
        ("[[vaults.a]]\nvalue = 'x'", "vault a: write [vaults.a]"),
        ("[tables]\na = 'x'", "table a: write [tables.a]"),
        ("", "defines no vault"),
        ("# nothing", "defines no vault"),
        ("[vaults.a]\nvalue = 'x'\n[vaults.a]\nvalue = 'y'", "not TOML: "),
        ("[vaults.a]\nvalue = 'x", "not TOML: "),
        ("[vaults.a]\nvalue = x", "line 2"),
        ("[vaults.a]\nvalue = 'x'\nvalue = 'y'\n# end\n", "line 3"),
        ("[vaults.a]\nvalue = 'x'\n[tables.a]\nb = 'x'", "table a: a vault has the same name"),
        ("[tables.t]\na = '{nam.value}'", "table t: column a, character 1: no vault 'nam'; did you mean {name.value}?"),
        ("[tables.t]\na = {pattern = 'x', typ = 'date'}", "table t: column a: no setting 'typ'; did you mean type?"),
        ("[tables.t]\na = {pattern = '{name.value}', type = 'int64'}", "table t: column a: int64 takes only digits"),
        ("[tables.t]\na = '[aa]'", "table t: column a, character 3: 'a' is in this class twice"),
        ("[tables.t]\na = 5", "table t: column a: a pattern must be a string, not 5"),
        ("[tables.t]", "table t: 0 columns"),
        ("[tables.t]\na = '{u.value}'\n[tables.u]\nb = 'x'", "table t: column a, character 1: u is a table; refer to the vaults"),
        ("[tables.ssn]\na = '{ssn.value}'", "table ssn: column a, character 1: ssn is a table here and replaces the vault; give"),
        ("[tables.t]\na = {pattern = '2024-02-30', type = 'date'}", "table t: column a: date takes one day"),
        ("[vaults.a]\nvalue = '\\ud800'", "vault a: value, character 1: "),
        ('[vaults.a]\nvalue = "\\u0007"', "vault a: value, character 1: a pattern cannot have the character '\\x07'"),
        (b"[vaults.a]\n# ok\nvalue = '\xff'", "line 3 is not UTF-8"),
        (b"\xef\xbb\xbf[vaults.a]\n\xff", "line 2 is not UTF-8"),
        ("a = " + "[" * 100_000, ""),
        ("a." * 5_000 + "b = 1", ""),
        ("a = " + "1" * 5_000, "not TOML: "),
        ("a = 2020-13-45", "not TOML: "),
        ("#" * (2**22 + 1), "has more than 4194304 bytes"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_line_that_says_where(folder, text, says):
    assert says in refusal(folder, text)


def test_a_file_with_a_strange_name_is_named_in_one_line(folder):
    path = written(folder, "x", "a\nb.toml")
    with pytest.raises(PlanError) as caught:
        read_vaults(path)
    assert str(caught.value).isprintable()


# Lists in files.


def with_list(folder, content, name="list.txt"):
    (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    path = written(folder, f"[vaults.a]\nvalue = '{{city}}[0-9]'\nlists.city = '{name}'")
    (piece, _) = read_vaults(path)["a"].value_pattern.pieces
    return piece


def test_a_file_may_begin_with_the_mark_that_windows_editors_write(folder):
    path = written(folder, "\ufeff[vaults.a]\r\nvalue = 'x'\r\n")
    assert read_vaults(path) == {"a": Vault("a", "x")}


def test_a_list_is_a_text_a_line_beside_the_file_that_names_it(folder):
    assert with_list(folder, 'Rome\nParis, TX\n"Bari"\n') == Choice(
        ("Rome", "Paris, TX", '"Bari"'), "city"
    )
    assert with_list(folder, "\ufeffRome\r\nKöln") == Choice(("Rome", "Köln"), "city")


def test_a_list_of_csv_has_weights(folder):
    expected = Weighted("list", "", ("Rome", 'Paris, "TX"'), (3, 40), "city")
    assert with_list(folder, 'text,weight\nRome,3\n"Paris, ""TX""",40\n', "list.csv") == expected
    assert (
        with_list(folder, 'weight,text\r\n3,Rome\r\n40,"Paris, ""TX"""\r\n', "list.CSV") == expected
    )
    assert with_list(folder, 'text,weight\nRome,3\n"Paris, ""TX""",40', "list.txt") == expected


@pytest.mark.parametrize(
    ("content", "name", "says"),
    [
        ("", "l.txt", "0 texts"),
        ("a\n\nb\n", "l.txt", "line 2 is empty"),
        ("a\nb\na\n", "l.txt", "line 3: 'a' is there twice"),
        ("a\nb\tc\n", "l.txt", "line 2 has the character '\\t'"),
        (b"a\nb\xff\n", "l.txt", "line 2 is not UTF-8"),
        ("a\n" + "x" * 1001, "l.txt", "line 2 has more than 1000 bytes"),
        ("a\nb\n", "l.csv", "text,weight"),
        ("", "l.csv", "text,weight"),
        ("text,weight\n", "l.csv", "0 texts"),
        ("text,weight\na\n", "l.csv", "line 2 must have two fields"),
        ("text,weight\na,1,2\n", "l.csv", "line 2 must have two fields"),
        ("text,weight\na,1\nb,0\n", "l.csv", "line 3: weight 0 is not"),
        ("text,weight\na,1.5\n", "l.csv", "line 2: weight '1.5' is not"),
        ("text,weight\na,-1\n", "l.csv", "line 2: weight '-1' is not"),
        ("text,weight\na,\u0663\n", "l.csv", "is not a whole number from 1"),
        ("text,weight\na,1\na,2\n", "l.csv", "line 3: 'a' is there twice"),
        ('text,weight\n"a\nb",1\n', "l.csv", "line 2 must have two fields"),
        ("text,weight\n,1\n", "l.csv", "line 2 is empty"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_list_names_its_file_and_line(folder, content, name, says):
    with pytest.raises(PlanError) as caught:
        with_list(folder, content, name)
    line = str(caught.value)
    assert line.isprintable()
    assert line.startswith(f"{folder / 'vaults.toml'}: vault a: lists.city: {folder / name}: ")
    assert says in line


@pytest.mark.parametrize("name", ["missing.txt", ".", "", "a\\u0000b"])
def test_a_list_that_is_no_file(folder, name):
    line = refusal(folder, f'[vaults.a]\nvalue = "{{c}}"\nlists.c = "{name}"')
    assert line.startswith("vault a: lists.c: ")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_not_waited_for(folder):
    os.mkfifo(folder / "pipe")
    line = refusal(folder, '[vaults.a]\nvalue = "{c}"\nlists.c = "pipe"')
    assert "not a regular file" in line


def test_a_list_is_bounded(folder, monkeypatch):
    monkeypatch.setattr(lists, "BYTES", 10)
    with pytest.raises(PlanError, match="more than 10 bytes"):
        with_list(folder, "a\n" * 6)
    monkeypatch.setattr(lists, "TEXTS", 3)
    with pytest.raises(PlanError, match="4 texts; a list has from 1 to 3"):
        with_list(folder, "a\nb\nc\nd")


def test_a_list_may_have_a_million_texts(folder):
    piece = with_list(folder, "".join(f"text {k}\n" for k in range(1_000_000)))
    assert piece.size == 1_000_000
    vault = read_vaults(folder / "vaults.toml")["a"]
    assert Resolver(Known({"a": vault})).resolve(vault).capacity == 10_000_000


def test_only_the_named_files_are_opened(folder):
    opened = []
    (folder / "list.txt").write_text("a\nb")
    (folder / "other.txt").write_text("a\nb")
    path = written(folder, "[vaults.a]\nvalue = '{c}'\nlists.c = 'list.txt'")
    read_vaults(path)  # what is imported for it is imported now
    watching = threading.get_ident()

    def watch(event, arguments):
        if watching == threading.get_ident() and event in ("open", "exec", "compile", "import"):
            opened.append((event, os.path.basename(str(arguments[0]))))

    sys.addaudithook(watch)
    read_vaults(path)
    watching = None
    assert opened == [("open", "vaults.toml"), ("open", "list.txt")]


# Anything at all.


KEYS = st.sampled_from(
    [
        "value",
        "token",
        "data_column",
        "token_column",
        "distinct",
        "repeats",
        "lists",
        "lists.a",
        "pattern",
        "valeu",
        "''",
    ]
)
VALUES = st.one_of(
    st.sampled_from(
        [
            "'x'",
            "'{a}[0-9]'",
            "'{v.value}'",
            "'{same}'",
            "['a', 'b']",
            "{ pattern = 'x', type = 'int64' }",
            "true",
            "5",
            "'['",
            "1.5",
            "{}",
            "[[]]",
            "2020-01-01",
            "'none.txt'",
            "nan",
            '"\\u0001"',
        ]
    ),
    st.integers().map(str),
    st.text(max_size=6).map(repr),
)
HEADINGS = st.sampled_from(
    [
        "[vaults.v]",
        "[vaults.name]",
        "[tables.t]",
        "[vaults]",
        "[tables.v]",
        "[vaults.v.lists]",
        "[[vaults.v]]",
        "[x]",
        "",
    ]
)
LINES = st.one_of(HEADINGS, st.builds("{} = {}".format, KEYS, VALUES), st.text(max_size=10))


@given(st.lists(LINES, max_size=8).map("\n".join) | st.binary(max_size=40))
@settings(
    max_examples=1500, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_file_is_read_or_refused_in_one_line(folder, content):
    path = folder / "vaults.toml"
    path.write_bytes(
        content if isinstance(content, bytes) else content.encode(errors="surrogatepass")
    )
    with contextlib.suppress(PlanError):
        read_vaults(path)
        return
    assert refusal(folder, path.read_bytes())
