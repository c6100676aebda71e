"""The language: what a pattern stands for, what is refused and where, and that accepted texts differ."""

import itertools
import math
import pickle

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from mockdata.errors import PlanError
from mockdata.vaults.pattern import Pattern
from mockdata.vaults.pieces import (
    CheckDigit,
    Choice,
    Date,
    Index,
    Literal,
    Number,
    Reference,
    Same,
    Suffix,
    Timestamp,
    Uuid,
    Weighted,
)
from mockdata.vaults.resolve import Resolver, check_count
from mockdata.vaults.texts import PatternError
from mockdata.vaults.vault import Table, Vault

from .drawn import day, drawn, every_text
from .expressions import expression_of

PEOPLE = Vault("name", "{first_name} {last_name} {timestamp}_{suffix}")


def pieces(text, kind="value", **lists):
    vault = Vault(
        "v", "x" if kind == "token" else text, text if kind == "token" else None, lists=lists
    )
    return (vault.token_pattern if kind == "token" else vault.value_pattern).pieces


def resolved(value, token=None, *others, **settings):
    vault = Vault("v", value, token, **settings)
    return Resolver({v.name: v for v in (PEOPLE, *others, vault)}).resolve(vault)


def refusal(call, *arguments, **settings):
    """Call, and return the one line that refuses it."""
    with pytest.raises(PlanError) as caught:
        call(*arguments, **settings)
    assert str(caught.value).isprintable()
    return str(caught.value)


# What each piece stands for.


def texts_of(text):
    (piece,) = pieces(text)
    return every_text(piece)


def test_a_class_is_one_of_its_characters():
    assert texts_of("[A-C0-2_]") == [*"ABC012_"]
    assert texts_of(r"\d") == [*"0123456789"]
    assert texts_of(r"[\dA-F]") == [*"0123456789ABCDEF"]
    assert texts_of(r"[-.+*?|(){}$^]") == [*"-.+*?|(){}$^"]
    assert texts_of(r"[\]\\\[a-]") == ["]", "\\", "[", "a", "-"]


def test_a_group_is_one_of_its_texts():
    assert texts_of("(JAN|FEB|MAR)") == ["JAN", "FEB", "MAR"]
    assert pieces(r"x(a\|b|é, ü|)") == (Literal("x"), Choice(("a|b", "é, ü", "")))


def test_a_repeat_is_the_piece_so_many_times():
    assert pieces("[ab]{3}") == (Choice(("a", "b")),) * 3
    assert (
        pieces(r"\d{2}(x|yz){2}") == (Choice(tuple("0123456789")),) * 2 + (Choice(("x", "yz")),) * 2
    )
    assert pieces("[A]{4}(b){2}c") == (Literal("AAAAbbc"),)


def test_what_is_escaped_is_itself():
    special = r"\[]{}()|.?*+^$"
    assert pieces("".join("\\" + c for c in special)) == (Literal(special),)


def test_anchors_stand_for_nothing():
    assert pieces("^a$") == pieces("a") == (Literal("a"),)


def test_a_dot_behind_a_field_is_itself():
    assert pieces("{first_name}.{last_name}") == pieces(r"{first_name}\.{last_name}")


def test_literal_text_is_any_text():
    text = "Größe: 「数」 😀\u200d\u2028, \"quoted\" 'it' #~-_/@=<>"
    assert pieces(text) == (Literal(text),)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1-899", Number(((1, 899),))),
        ("001-899", Number(((1, 899),), 3)),
        ("001-665,667-899", Number(((1, 665), (667, 899)), 3)),
        ("0-9", Number(((0, 9),))),
        ("00-99", Number(((0, 99),), 2)),
        ("098-1002", Number(((98, 1002),), 3)),
        ("1-9,11-19", Number(((1, 9), (11, 19)))),
        (f"0-{2**63 - 1}", Number(((0, 2**63 - 1),))),
    ],
)
def test_numbers(text, expected):
    assert pieces(f"{{number:{text}}}") == (expected,)


def test_dates():
    first, last = day("1940-01-01"), day("2010-12-31")
    assert pieces("{date:1940-01-01..2010-12-31}") == (Date(first, last),)
    assert pieces("{date:1940-01-01..2010-12-31,%m/%d/%Y}") == (Date(first, last, "%m/%d/%Y"),)
    assert pieces("{date:1940-01-01..2010-12-31,%d %b, %y}") == (Date(first, last, "%d %b, %y"),)


def test_a_format_that_writes_days_alike_has_texts_by_weight():
    (months,) = pieces("{date:2024-01-15..2024-03-02,%m/%y}")
    assert months == Weighted("list", "", ("01/24", "02/24", "03/24"), (17, 29, 2), "date")
    assert resolved("{date:2024-01-01..2026-12-31,%m/%y}-[0-9]{4}").capacity == 10_000
    (century,) = pieces("{date:1900-01-01..2000-01-01,%y%m%d}")
    assert isinstance(century, Weighted)
    assert isinstance(pieces("{date:1900-01-01..1999-12-31,%y%m%d}")[0], Date)


@given(
    st.dates(day("1850-01-01"), day("2150-01-01")),
    st.integers(0, 40_000),
    st.lists(st.sampled_from(["%Y", "%y", "%m", "%d", "%b", "%j"]), min_size=1, max_size=4),
)
@settings(max_examples=60, deadline=None)
def test_no_two_days_of_a_date_are_written_alike(first, days, directives):
    last = min(first.toordinal() + days, day("2190-01-01").toordinal())
    last = first.fromordinal(last)
    (piece,) = pieces(f"{{date:{first}..{last},{'-'.join(directives)}}}")
    if isinstance(piece, Date):
        assert len(set(every_text(piece))) == piece.size
    elif isinstance(piece, Weighted):
        assert len(set(piece.texts)) == len(piece.texts)
        assert sum(piece.weights) == (last - first).days + 1


def test_other_fields():
    assert pieces("{first_name:lower}{last_name:title}{first_name}") == (
        Weighted("first_name", "lower", field="first_name"),
        Weighted("last_name", "title", field="last_name"),
        Weighted("first_name", "", field="first_name"),
    )
    assert pieces("{timestamp}{suffix}{uuid}") == (Timestamp(), Suffix(), Uuid())
    assert pieces("{index}{index:7}{index:7,10}") == (Index(), Index(7), Index(7, 10))
    assert pieces("1{luhn}{luhn:80840}") == (Literal("1"), CheckDigit(), CheckDigit("80840"))
    assert pieces("{a.value}{a.token}{name.first_name:lower}") == (
        Reference("a", "value"),
        Reference("a", "token"),
        Reference("name", "first_name", "lower"),
    )
    assert pieces("{same}", "token") == (Same(),)
    assert pieces("t-{same:6,4}", "token") == (Literal("t-"), Same(6, 4))


def test_lists():
    assert pieces("{domain}", domain=["a.com", "b.org"]) == (Choice(("a.com", "b.org"), "domain"),)
    weighted = pieces("{city}", city={"Rome": 3, "Bari": 1})
    assert weighted == (Weighted("list", "", ("Rome", "Bari"), (3, 1), "city"),)


def test_places_say_where_each_piece_begins():
    pattern = Pattern.parse("ab[0-9]{2}-{uuid}")
    assert [pattern.text[place - 1] for place in pattern.places] == ["a", "[", "[", "-", "{"]


# What is refused, and where.


@pytest.mark.parametrize(
    ("pattern", "place", "says"),
    [
        (".", 1, r"\."),
        ("a.b", 2, r"\."),
        ("[0-9]{4}.", 9, r"\."),
        ("a*", 2, r"\*"),
        ("[a-z]+", 6, r"\+"),
        ("a?", 2, r"\?"),
        ("[0-9]{2,3}", 6, "one whole number"),
        ("[0-9]{2,}", 6, "one whole number"),
        ("[0-9]{0}", 6, "from 1"),
        ("[0-9]{1001}", 6, "1000"),
        ("[0-9]{" + "9" * 30 + "}", 6, "1000"),
        ("[0-9]{2}{2}", 9, "multiply"),
        ("a{4}", 2, "none before it"),
        ("{suffix}{4}", 9, "none before it"),
        ("[é]", 2, "ASCII"),
        ("[a-é]", 4, "ASCII"),
        ("[z-a]", 2, "a-z"),
        ("[aa]", 3, "twice"),
        ("[a-zb]", 5, "twice"),
        ("[^a]", 2, "not what it excludes"),
        ("[]", 1, "no characters"),
        ("[a", 1, "never closed"),
        ("[[a]", 2, r"\["),
        ("x]", 2, r"\]"),
        ("(a|a)", 4, "twice"),
        ("(a|b", 1, "never closed"),
        ("(a(b))", 3, r"\("),
        ("(a[b])", 3, r"\["),
        ("()", 1, "no texts"),
        ("a)", 2, r"\)"),
        ("a|b", 2, "(A|B)"),
        ("}", 1, r"\}"),
        ("{suffix", 1, "never closed"),
        ("{su{x}}", 1, "never closed"),
        ("a^", 2, r"\^"),
        ("$a", 1, r"\$"),
        (r"\w", 1, "[A-Za-z0-9_]"),
        (r"\-", 1, "write - alone"),
        (r"[a\-z]", 3, "write it last"),
        (r"\/", 1, "may come before"),
        (r"[a-\d]", 4, "a single character belongs here"),
        (r"(\d|x)", 2, "a single character belongs here"),
        ("a\\", 2, "at the end"),
        ("", 0, "empty"),
        ("^$", 0, "empty"),
        ("(a|)", 0, "may be empty"),
        ("a\nb", 2, "\\n"),
        ("a\x85", 2, "\\x85"),
        ("a\ud800", 2, "\\ud800"),
        ("{}", 1, "no field"),
        ("{ uuid }", 1, "{uuid}"),
        ("{Uuid}", 1, "{uuid}"),
        ("{lunh}", 1, "{luhn}"),
        ("x{frist_name}", 2, "{first_name}"),
        ("{first_name:uper}", 1, "{first_name:lower}"),
        ("{uuid:4}", 1, "{uuid}"),
        ("{number}", 1, "{number:1-899}"),
        ("{number:}", 9, "1-899"),
        ("{number:5}", 9, "1-899"),
        ("{number:9-1}", 9, "1-9"),
        ("{number:1-5,3-9}", 13, "after"),
        ("{number:1-5,-9}", 13, "1-899"),
        ("{number:1-010}", 9, "padded"),
        ("{number:1-9,010-099}", 9, "padded"),
        (f"{{number:0-{2**63}}}", 11, f"{2**63} is more than {2**63 - 1}"),
        ("{number:1-" + "9" * 30 + "}", 11, f"is more than {2**63 - 1}"),
        ("{date}", 1, "{date:"),
        ("{date:1940-01-01}", 7, ".."),
        ("{date:2010-12-31..1940-01-01}", 7, "1940-01-01..2010-12-31"),
        ("{date:2010-02-30..2011-01-01}", 7, "does not exist"),
        ("{date:2010-01-01..2011-01-01,%M}", 30, "%m"),
        ("{date:2010-01-01..2011-01-01,%Y%}", 32, "%Y"),
        ("{date:2010-01-01..2011-01-01,}", 30, "%Y"),
        ("{date:0001-01-01..9999-12-31,%d}", 30, "centuries"),
        ("{index:-1}", 8, "whole number"),
        ("{index:7,x}", 10, "whole number"),
        ("{index:0010}", 8, "padded with zeros; write 10"),
        ("{index:" + "9" * 30 + "}", 8, f"is more than {2**63 - 1}"),
        ("{index:1,0}", 8, "step of 0"),
        ("{index:1,2,3}", 12, "there is one number too many"),
        (f"{{index:{2**62},{2**23}}}", 8, str(2**63 - 1)),
        ("{luhn}", 1, "no digits"),
        ("abc{luhn}", 4, "no digits"),
        ("1{luhn:x}", 8, "digits"),
        ("{same}", 1, "tokens"),
        ("{nam.value}", 1, "{name.value}"),
        ("{name.frist_name}", 1, "{name.first_name}"),
        ("{name.number}", 1, "no 'number'"),
        ("{name.value:lower}", 1, "colon"),
        ("{v.value}", 1, "v.value -> v.value"),
        ("a" * 1001, 1, "1000"),
        ("[0-9]{999}ab", 11, "1000"),
        ("[ab]{1000}[ab]", 11, "1000"),
        ("é" * 501, 1, "1000"),
        ("{number:1-99}{number:1-99}", 1, "read the same"),
        ("-[0-9]{number:1-99}{number:1-9}{number:1-99}", 7, "read the same"),
        ("x" * 100_001, 100_001, "100000"),
    ],
)
def test_what_is_refused_names_its_place_and_the_right_spelling(pattern, place, says):
    line = refusal(resolved, pattern)
    where = f"vault v: value, character {place}: " if place else "vault v: value: "
    assert line.startswith(where), line
    assert says in line.removeprefix(where)


def test_what_is_refused_of_a_token():
    assert "once" in refusal(resolved, "[0-9]{9}", "{same}-{same}")
    assert "{same:6,0}" in refusal(resolved, "[0-9]{9}", "{same:6}")
    assert "no field {smae}; did you mean {same}?" in refusal(resolved, "[0-9]{9}", "{smae}")


@pytest.mark.parametrize("name", ["", "Card", "1card", "card-1", "çard", "a" * 65, None, 5, "a\n"])
def test_names_are_lower_case_letters_digits_and_underscores(name):
    assert "is not a name" in refusal(Vault, name, "x")
    assert "is not a name" in refusal(Table, name, {"a": "x"})
    assert "is not a name" in refusal(Table, "t", {name: "x"})
    assert "is not a name" in refusal(Vault, "v", "x", lists={name: ["a"]})


@pytest.mark.parametrize("columns", [5, None, "a", ["a"], [("a", "x")]])
def test_what_is_no_set_of_columns(columns):
    assert refusal(Table, "t", columns).startswith("table t: columns must map")


HUGE = 10**5000
"""An int that Python writes as no text."""


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"distinct": HUGE}, "distinct: int object is not a whole number"),
        ({"repeats": HUGE}, "repeats"),
        ({"data_column": HUGE}, "data_column: int object is not a text"),
        ({"lists": {HUGE: ["a"]}}, "not a name"),
        ({"lists": {"a": [HUGE]}}, "text 1 is not a text"),
        ({"lists": {"a": {"x": HUGE}}}, "text 1: weight int object is not"),
        ({"value": 5}, "value: a pattern must be a string, not 5"),
        ({"value": HUGE}, "value: a pattern must be a string, not int object"),
        ({"token": b"x"}, "token: a pattern must be a string, not b'x'"),
        ({"data_column": ""}, "data_column"),
        ({"token_column": "a\nb"}, "token_column, character 2"),
        ({"data_column": "v_token", "token_column": "v_token"}, "both columns"),
        ({"distinct": 0}, "distinct"),
        ({"distinct": 2**40 + 1}, "distinct"),
        ({"distinct": True}, "distinct"),
        ({"distinct": "5"}, "distinct"),
        ({"repeats": 1}, "repeats"),
        ({"repeats": True, "distinct": 5}, "cannot be combined"),
        ({"lists": ["a"]}, "lists must map"),
        ({"lists": {"value": ["a"]}}, "lists.value"),
        ({"lists": {"uuid": ["a"]}}, "lists.uuid"),
        ({"lists": {"a": []}}, "lists.a"),
        ({"lists": {"a": ["x", "x"]}}, "text 2: 'x' is there twice"),
        ({"lists": {"a": ["x", ""]}}, "text 2 is empty"),
        ({"lists": {"a": ["x", "b\tc"]}}, "text 2 has the character '\\t'"),
        ({"lists": {"a": ["x", 5]}}, "text 2 is not a text"),
        ({"lists": {"a": ["é" * 501]}}, "more than 1000 bytes"),
        ({"lists": {"a": 5}}, "lists.a"),
        ({"lists": {"a": b"x"}}, "lists.a"),
        ({"lists": {"a": {"x": 0}}}, "is not a whole number from 1"),
        ({"lists": {"a": {"x": 1.5}}}, "is not a whole number from 1"),
        ({"lists": {"a": {"x": True}}}, "is not a whole number from 1"),
        ({"lists": {"a": "no/such/file"}}, "no/such/file: No such file"),
    ],
)
def test_what_is_refused_of_a_vault(settings, says):
    line = refusal(Vault, "v", **{"value": "[0-9]{4}"} | settings)
    assert line.startswith("vault v: ")
    assert says in line


# References.


def test_a_reference_is_to_what_another_vault_has():
    email = Vault("email", r"{name.first_name:lower}@example\.com-[0-9]")
    found = resolved("{email.first_name:title}-{email.value}-[0-9]", None, email)
    assert found.columns[0].pieces[0] == Reference("name", "first_name", "title")
    by_name = {(c.vault, c.side): c for c in found.columns[0].references}
    assert set(by_name) == {("name", "value"), ("email", "value")}
    assert found.columns[0].referred(Reference("email", "value")) == by_name["email", "value"]
    assert found.capacity == 10


def test_a_field_of_a_distinct_vault_that_it_has_from_another_is_refused():
    email = Vault("email", "{name.first_name:lower}[0-9]", distinct=10)
    assert "{name.first_name}" in refusal(resolved, "{email.first_name}", None, email)


def test_references_in_a_circle_are_refused_with_the_circle():
    a, b = Vault("a", "{b.token}"), Vault("b", "x", "{v.value}")
    line = refusal(resolved, "1-{a.value}", None, a, b)
    assert "v.value -> a.value -> b.token -> v.value" in line


def test_a_token_may_refer_to_the_value_beside_it():
    found = resolved("[0-9]{4}", "tok-{v.value}-{suffix}")
    assert found.columns[1].referred(Reference("v", "value")) == found.columns[0]


def test_a_table_is_nothing_to_refer_to():
    line = refusal(resolved, "{t.value}", None, Table("t", {"a": "x"}))
    assert "t is a table" in line


def test_a_field_that_is_there_twice_is_refused():
    two = Vault("two", "[A-Z]{number:1-9}{number:1-9}")
    assert "more than one number" in refusal(resolved, "{two.number}", None, two)


def test_rows_of_references_are_bounded():
    chain = [Vault(f"c{k}", f"{{c{k + 1}.value}}") for k in range(200)]
    assert "more than 32" in refusal(resolved, "{c0.value}", None, *chain, Vault("c200", "x"))


def test_references_that_multiply_are_bounded_by_the_width_of_a_text():
    many = [Vault(f"d{k}", f"{{d{k + 1}.value}}" * 10) for k in range(25)]
    assert "1000 bytes" in refusal(resolved, "{d0.value}", None, *many, Vault("d25", "xy"))


# Tokens of the value's own pattern.


def test_same_has_the_capacity_of_the_value():
    card = resolved("4[0-9]{14}{luhn}", "{same:6,4}")
    assert card.columns[1].capacity == card.columns[0].capacity == 10**14
    assert card.columns[1].kept == (6, 4)
    assert [len(every_text(p)) for p in card.columns[0].pieces[6:-4]] == [10] * 6
    assert resolved("{number:1-99}-{suffix}", "{same}").columns[1].capacity is None
    assert card.columns[1].referred(Same(6, 4)) == card.columns[0]


@pytest.mark.parametrize(
    ("number", "keep", "halves"),
    [
        ("0000-9999", "1,0", (((0, 9),), ((0, 999),))),
        ("1000-9999", "2,0", (((10, 99),), ((0, 99),))),
        ("1000-9999", "0,1", (((100, 999),), ((0, 9),))),
        ("1230-1239", "2,0", (((12, 12),), ((30, 39),))),
        ("0100-0199,0400-0599", "2,0", (((1, 1), (4, 5)), ((0, 99),))),
    ],
)
def test_a_number_is_cut_where_both_halves_are_numbers(number, keep, halves):
    whole = resolved(f"{{number:{number}}}").columns[0]
    cut = resolved(f"{{number:{number}}}", f"{{same:{keep}}}").columns[0]
    head, tail = cut.pieces
    assert (head.ranges, tail.ranges) == halves
    assert head.field == tail.field == "number"
    texts = [a + b for a in every_text(head) for b in every_text(tail)]
    assert sorted(texts) == sorted(every_text(whole.pieces[0]))
    assert cut.capacity == whole.capacity


def test_a_number_is_cut_twice():
    cut = resolved("{number:00000000-99999999}", "{same:2,2}")
    assert [piece.size for piece in cut.columns[0].pieces] == [100, 10_000, 100]
    assert cut.columns[1].kept == (1, 1)


@pytest.mark.parametrize(
    ("value", "token", "says"),
    [
        ("{number:001-899}", "{same:1,0}", "cut a piece in two"),
        ("{date:2000-01-01..2000-12-31}-[0-9]", "{same:4,0}", "cut a piece in two"),
        ("(JAN|FEB)[0-9]{4}", "{same:1,0}", "cut a piece in two"),
        ("{suffix}", "{same:4,0}", "cut a piece in two"),
        ("{number:1-99}-[0-9]{4}", "{same:3,0}", "varies in length"),
        ("{name.first_name}-[0-9]{4}", "{same:3,0}", "varies in length"),
        ("[0-9]{4}", "{same:5,0}", "there are only 4"),
        ("[0-9]{4}", "{same:3,3}", "but there are fewer"),
        ("[0-9]{4}", "{same:2,2}", "value itself"),
        ("AB-[0-9]{2}", "{same:0,2}", "value itself"),
        ("{name.value}", "{same}", "value itself"),
        ("{index}", "{same}", "value itself"),
    ],
)
def test_what_same_cannot_keep_is_refused(value, token, says):
    line = refusal(resolved, value, token)
    assert line.startswith("vault v: token, character 1: {same}")
    assert says in line


# Capacity.


@pytest.mark.parametrize(
    ("value", "capacity"),
    [
        ("{number:001-665,667-899}-{number:01-99}-{number:0001-9999}", 898 * 99 * 9999),
        ("[A-Z]{2}(x|yz|)-{date:2000-01-01..2000-12-31}", 26 * 26 * 3 * 366),
        ("4[0-9]{14}{luhn}", 10**14),
        ("[a-z0-9]{26}", 36**26),
        ("{first_name} {last_name}", 1),
        ("{name.value}", 1),
        ("{name.first_name}[0-9]", 10),
        ("x", 1),
        ("x-{suffix}", None),
        ("{uuid}", None),
        ("{index}", None),
    ],
)
def test_capacity_is_the_product_of_the_even_pieces(value, capacity):
    found = resolved(value)
    assert found.columns[0].capacity == capacity
    assert found.columns[1].capacity is None
    check_count(found, min(capacity or 2**40, 2**40))
    if capacity and capacity < 2**40:
        line = refusal(check_count, found, capacity + 1)
        assert str(capacity) in line
        assert str(capacity + 1) in line


def test_tokens_have_a_capacity_too():
    found = resolved("{suffix}", "T[0-9]{3}")
    assert found.capacity == 1000
    assert "1000 tokens are sure to differ" in refusal(check_count, found, 1001)


def test_distinct_and_repeats_take_any_count():
    check_count(resolved("[0-9]{4}", distinct=10_000), 2**40)
    check_count(resolved("[0-9]{4}", repeats=True), 2**40)
    assert "distinct = 10001" in refusal(resolved, "[0-9]{4}", distinct=10_001)
    assert "distinct = 101" in refusal(resolved, "{uuid}", "[0-9]{2}", distinct=101)


# That no text repeats.


@pytest.mark.parametrize(
    "value",
    [
        "{number:1-99}-{number:1-99}",
        "[0-9]{4}{number:1-99}",
        "{number:1-99}[A-Z]{number:1-99}",
        "(a|ab)(c|d)",
        "{number:1-99}-{index}",
        "{first_name} {last_name} [0-9]{4}",
        "{first_name:lower}[0-9]{4}",
        "{last_name}[A-Z]{6}",
        "[A-Z]{6}{last_name}",
        "{name.value}:{number:1-99}",
        "{index}[0-9]",
        "[0-9]{index}",
        "{first_name:lower}{suffix}",
        "{suffix}{first_name:lower}",
        "{number:1-99}{first_name}{number:1-99}",
        "(B|HH|M)[A-Z]{2}[0-9]{4}",
        "(JAN|SEPT)[A-Z](JAN|SEPT)",
        "{number:5-14}{number:5-13}",
    ],
)
def test_what_can_be_read_one_way_is_taken(value):
    resolved(value)


@pytest.mark.parametrize(
    "value",
    [
        "{number:1-99}{number:1-99}",
        "(a|ab)(c|bc)",
        "{number:1-99}[0-9]{number:1-99}",
        "{number:1-99}{index}",
        "{index}{number:1-99}",
        "{first_name}[A-Z]{3}{last_name}",
        "{first_name:lower}{suffix}{last_name:lower}",
        "[0-9]{name.last_name}[A-Z]{name.last_name}",
        "(x|x-x)-(x|x-x)",
        "(é|éü)(ü|a)(x|üx)",
    ],
)
def test_what_could_read_two_ways_is_refused_unless_it_may_repeat(value):
    assert "read the same" in refusal(resolved, value)
    resolved(value, repeats=True)
    assert "read the same" in refusal(resolved, "{suffix}", value)
    if "suffix" not in value and "index" not in value:
        resolved(f"{value}/{{suffix}}")  # uniqueness rests on the suffix alone


SMALL_TEXTS = st.text(st.sampled_from("ab1é"), max_size=3)
SMALL = st.one_of(
    st.builds(
        "({})".format,
        st.lists(SMALL_TEXTS, min_size=1, max_size=4, unique=True)
        .filter(lambda t: t != [""])
        .map("|".join),
    ),
    st.sampled_from(
        ["[ab]", "[a1]", "[b]", "{number:1-12}", "{number:9-10}", "{number:01-02}", "a", "1", "-"]
    ),
    st.builds("{{number:{0}-{1}}}".format, st.integers(0, 5), st.integers(5, 120)),
    st.sampled_from(["{w}", "{w}", "{e}", "{date:2024-01-30..2024-02-02,%d%m}"]),
)
LISTS = {
    "w": st.lists(SMALL_TEXTS.filter(bool), min_size=1, max_size=3, unique=True),
    "e": st.lists(SMALL_TEXTS.filter(bool), min_size=1, max_size=3, unique=True),
}


@given(st.lists(SMALL, min_size=1, max_size=5).map("".join), st.fixed_dictionaries(LISTS))
@example("(a|ab)(c|bc)", {"w": ["a"], "e": ["b"]})
@example("{w}[ab]{w}", {"w": ["a", "aa"], "e": ["b"]})
@example("[ab]{w}{number:1-12}{w}", {"w": ["a", "1"], "e": ["b"]})
@settings(max_examples=1500, deadline=None)
def test_texts_of_what_is_taken_differ_wherever_an_even_piece_differs(value, lists):
    """Every combination of every piece, spelled: one text has the same even texts throughout."""
    lists = {"e": lists["e"], "w": dict.fromkeys(lists["w"], 1)}
    try:
        column = resolved(value, lists=lists).columns[0]
    except PlanError:
        return
    every = [every_text(piece) for piece in column.pieces]
    if math.prod(map(len, every)) > 20_000:
        return
    even = [isinstance(piece, Choice | Number | Date) for piece in column.pieces]
    found = {}
    for texts in itertools.product(*every):
        combination = tuple(itertools.compress(texts, even))
        assert found.setdefault("".join(texts), combination) == combination
    assert len(set(found.values())) == column.capacity


@given(st.lists(st.lists(SMALL_TEXTS.filter(bool), min_size=1, unique=True), min_size=1))
@settings(deadline=None)
def test_groups_in_which_no_text_begins_with_another_are_taken(groups):
    for texts in groups:
        texts[:] = [t for t in texts if not any(u != t and t.startswith(u) for u in texts)]
    assume(sum(max(map(len, texts)) for texts in groups) < 100)
    value = "".join(f"({'|'.join(texts)})" for texts in groups)
    assert resolved(value).columns[0].capacity == math.prod(map(len, groups))


def test_a_proof_that_would_take_too_long_is_refused():
    assert "read the same" in refusal(resolved, "(|a)" * 400 + "[ab]" + "(|b)" * 400)


# As Python's re writes it.


GRAMMAR = st.one_of(
    SMALL,
    st.sampled_from([
        r"\d{2}", "[A-Z]{3}", "{first_name:lower}", "{last_name:title}", "{uuid}", "{suffix}",
        "{timestamp}", "{index:5,3}", "{name.value}", "7{luhn}", "7{luhn:80840}", r"\.\*\$", "Größe, \"x\"",
        "{date:1940-01-01..2010-12-31,%b %d, %y/%j}", "{number:007-1234,5000-5001}", r"(a\.b|c\+)",
    ]),
    st.builds(lambda a, b: f"{{number:{min(a, b)}-{max(a, b)}}}", st.integers(0, 2**63 - 1), st.integers(0, 2**63 - 1)),
)  # fmt: skip


@given(st.lists(GRAMMAR, min_size=1, max_size=6).map("".join), st.randoms(use_true_random=False))
@settings(max_examples=500, deadline=None)
def test_each_text_matches_the_pattern_as_an_expression(value, source):
    lists = {"w": {"a+": 1, "b": 2}, "e": ["x|y", "z"]}
    vault = Vault("v", f"x{value}", lists=lists, repeats=True)
    resolver = Resolver({"name": PEOPLE, "v": vault})
    items = resolver._expander.items(vault, "value")
    expression = expression_of(resolver, vault, "value")
    for _ in range(5):
        assert expression.fullmatch(drawn(items, source))


@given(st.integers(0, 3000), st.integers(0, 3000), st.sampled_from([0, 5]))
def test_the_expression_of_a_number_matches_no_other(a, b, width):
    low, high = f"{min(a, b):0{width}}", f"{max(a, b):0{width}}"
    vault = Vault("v", f"{{number:{low}-{high}}}")
    expression = expression_of(Resolver({"v": vault}), vault, "value")
    (piece,) = vault.value_pattern.pieces
    matching = {n for n in range(3002) if expression.fullmatch(f"{n:0{piece.width}}")}
    assert matching == set(range(min(a, b), max(a, b) + 1))


# Plain data.


def test_a_vault_is_a_key_and_travels():
    card = Vault("card", value="4[0-9]{14}{luhn}", token="{same:6,4}", lists={"a": {"x": 1}})
    copy = pickle.loads(pickle.dumps(card))
    assert copy == card
    assert {card: 5}[copy] == 5
    assert copy.value_pattern == card.value_pattern
    assert card != Vault("card", value="4[0-9]{14}{luhn}")
    found = Resolver({"card": card}).resolve(card)
    assert pickle.loads(pickle.dumps(found)) == found
    with pytest.raises(AttributeError):
        card.name = "other"
    table = Table("t", {"a": "x"})
    assert pickle.loads(pickle.dumps(table)) == table


def test_columns_and_tokens_have_names_by_default():
    vault = Vault("v", "[0-9]{4}")
    assert (vault.data_column, vault.token_column) == ("v", "v_token")
    assert vault.token == "tok_v_{timestamp}_{suffix}"
    assert Vault("v", "x", data_column="Name, full").token_column == "Name, full_token"


# Tables.


def table(**columns):
    made = Table("t", columns)
    dob = Vault("dob", "{date:1940-01-01..2010-12-31}-{suffix}")
    number = Vault("number_one", "{number:000-999}")
    return Resolver({v.name: v for v in (PEOPLE, dob, number, made)}).resolve(made)


@pytest.mark.parametrize("columns", [None, 5, "ab", ["a"], [("a", "x")]])
def test_columns_of_no_table(columns):
    assert refusal(Table, "t", columns).startswith("table t: columns must map")


def test_columns_of_one_name_are_refused():
    columns = Table("t", {"a": "x", "b": "y"}).columns
    assert Table("t", columns).columns == columns
    assert refusal(Table, "t", (*columns, columns[0])).startswith("table t: columns must map")


def test_a_table_has_columns_in_order():
    found = table(id={"pattern": "{index:1}", "type": "int64"}, full_name="{name.value}")
    assert [(c.vault, c.side, c.capacity) for c in found.columns] == [
        ("t", "id", None),
        ("t", "full_name", 1),
    ]
    assert found.columns[1].references[0].vault == "name"


@pytest.mark.parametrize(
    "pattern",
    [
        "{index:1}",
        "{number:001-899}",
        "[0-9]{18}",
        "{number_one.value}",
        "1{luhn}",
        "{number_one.number}",
    ],
)
def test_whole_numbers(pattern):
    table(a={"pattern": pattern, "type": "int64"})


@pytest.mark.parametrize(
    "pattern", ["[0-9]{19}", "x", "-[0-9]", "{name.value}", "{uuid}", "{dob.date}"]
)
def test_what_is_no_whole_number(pattern):
    line = refusal(table, a={"pattern": pattern, "type": "int64"})
    assert line.startswith("table t: column a: int64")


@pytest.mark.parametrize(
    "pattern",
    ["{dob.date}", "{date:2000-01-01..2001-01-01}", "(2024-02-29|2023-01-01)", "2024-02-29"],
)
def test_days(pattern):
    table(a={"pattern": pattern, "type": "date"})


@pytest.mark.parametrize(
    "pattern",
    [
        "{dob.value}",
        "x",
        "{date:2000-01-01..2001-01-01,%d/%m/%Y}",
        "(2024-02-29|2023-02-29)",
        "2023-02-29",
        "20240229",
    ],
)
def test_what_is_no_day(pattern):
    assert "column a: date" in refusal(table, a={"pattern": pattern, "type": "date"})


@pytest.mark.parametrize(
    ("columns", "says"),
    [
        ({}, "0 columns"),
        ({"a": 5}, "column a: a pattern must be a string, not 5"),
        ({"a": {}}, "column a: has no pattern"),
        ({"a": {"pattern": "x", "typ": "date"}}, "did you mean type?"),
        ({"a": {"pattern": "x", "type": "int46"}}, "did you mean int64?"),
        ({"a": {"pattern": "x", "type": ["date"]}}, "no type"),
        ({"a": {"pattern": "x", "type": HUGE}}, "no type"),
        ({"a": {"pattern": "x", HUGE: "date"}}, "no setting"),
        ({"a": "{same}"}, "column a, character 1"),
        (
            {"a": "x", "b": "[0-9]{nam.value}"},
            "column b, character 6: no vault 'nam'; did you mean {name.value}?",
        ),
    ],
)
def test_what_is_refused_of_a_table(columns, says):
    line = refusal(table, **columns)
    assert line.startswith("table t: ")
    assert says in line


# Any text at all.


CHARACTERS = st.sampled_from(
    [
        *r"[]{}()|\.*+?^$-:,%0123456789adnsuvxAZé",
        "\n",
        "\0",
        "\ud800",
        "name",
        "number:",
        "1-9",
        "date:",
        "2024-01-01..2024-02-01",
        "suffix",
        "luhn",
        "same",
        "index",
        "first_name",
        ":lower",
        "v.",
    ]
)


@given(
    st.lists(CHARACTERS, max_size=14).map("".join) | st.text(max_size=20),
    st.sampled_from(["value", "token", "column"]),
)
@settings(max_examples=3000, deadline=None)
def test_any_text_is_a_pattern_or_refused_at_a_place(text, kind):
    try:
        pattern = Pattern.parse(text, {}, kind)
    except PatternError:
        if kind == "column":
            line = refusal(Table, "v", {"a": text})
        else:
            line = refusal(Vault, "v", **{"value": "x", "token": "x", kind: text})
        assert line.startswith(("vault v: ", "table v: "))
    else:
        assert len(pattern.pieces) == len(pattern.places)
        assert all(1 <= place <= len(text) for place in pattern.places)
