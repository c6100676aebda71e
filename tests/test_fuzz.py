"""Wrong input of every kind: an error that says what was wrong, never a trace, and nothing written.

``nox -s fuzz`` tries very many more of them.
"""

import contextlib
import io
import math
import shlex

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import mockdata
from mockdata.command import cli
from mockdata.command.arguments import parse
from mockdata.vaults.catalogue import READY_MADE

MANY = settings(
    max_examples=2000,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

FLAGS = ["-q", "--quiet", "--no-progress", "--json", "--list-sinks", "--list-vaults", "--"]
OPTIONS = ["-o", "--output", "-s", "--sink", "-f", "--format", "-w", "--workers", "--seed",
           "--timestamp", "--part", "--rate", "--vaults", "-z", "--out", "--nonsense"]  # fmt: skip
VALUES = ["", "0", "1", "-1", "7", "1/2", "2/1", "0/0", "/", "1e3", "1_0", "\u0661", "csv", "jsonl",
          "stdout", "stdout:x", "x:y", ":", "os:", ":f", "os:sep", "os.path:join.x", "\0", "\ud800",
          "1700000000", "9" * 30, "data", "a\nb", "=", "name=", "name=5", "NAME=1k", "ssn=0",
          "phone=1M", "/dev/null", ".", "/", "data/x.toml"]  # fmt: skip

words = st.one_of(
    st.sampled_from(FLAGS + OPTIONS + VALUES),
    st.builds("{}={}".format, st.sampled_from([*OPTIONS, *READY_MADE]), st.sampled_from(VALUES)),
    st.text(max_size=8),
    st.integers().map(str),
)
ANSWERED = {"h", "V", "--list-sinks", "--list-vaults", "--json"}
"""What is answered by a text, whatever else is wrong, or by an object beside the line."""

argument_lists = st.lists(words, min_size=1, max_size=6)


@pytest.fixture
def empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@given(argument_lists)
@example(["--", "-5"])
@example(["5", "-s", "no\nsuch:module"])
@example(["5", "--vaults", "no\nsuch.toml"])
@example(["5", "--vaults", "\0"])
@example(["5", "--vaults", "\ud800"])
@MANY
def test_arguments(empty_folder, arguments):
    refusal(parse, arguments)
    assert list(empty_folder.iterdir()) == []


@given(argument_lists.filter(lambda words: not ANSWERED & {*"".join(words), *words}))
@settings(MANY, max_examples=200)
def test_commands(empty_folder, arguments):
    errors, output = io.StringIO(), io.StringIO()
    wrong = [*arguments, "--seed", "wrong"]  # so that no list of them is ever right
    with contextlib.redirect_stderr(errors), contextlib.redirect_stdout(output):
        code = cli.main(wrong)
    assert code == cli.WRONG_USE, shlex.join(wrong)
    assert errors.getvalue().startswith("mockdata: ")
    assert errors.getvalue().count("\n") == 1
    assert output.getvalue() == ""
    assert list(empty_folder.iterdir()) == []


class Odd:
    """Something that answers to whatever it is asked for, with an error."""

    def __index__(self):
        raise TypeError("not a number")


values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([0, -1, 2**40 + 1, 2**64, 10**9, 10**10, math.nan, math.inf, Odd(), Odd, len]),
    st.floats(),
    st.text(max_size=5),
    st.binary(max_size=5),
    st.lists(st.integers(), max_size=3),
    st.tuples(st.integers(), st.integers()),
    st.dictionaries(
        st.one_of(st.sampled_from([*READY_MADE]), st.text(max_size=5), st.integers()),
        st.one_of(st.integers(max_value=0), st.text(), st.floats(), st.none()),
        max_size=3,
    ),
)
arguments_of_generate = st.fixed_dictionaries(
    {"counts": values},
    optional=dict.fromkeys(
        ("seed", "timestamp", "part", "workers", "executor", "on_progress"), values
    )
    | {"vaults": values.filter(lambda value: not isinstance(value, str))},  # a path has OSErrors
)


def refusal(call, *args, **arguments):
    """Call, and return how that was refused, in one line."""
    try:
        call(*args, **arguments)
    except mockdata.PlanError as error:
        refused = error
    except SystemExit as left:  # once --help or --version is answered
        if left.code:
            raise
        return None
    else:
        return None
    assert str(refused).isprintable()
    assert str(refused).startswith(f"{refused.argument}: ")
    return refused


@given(arguments_of_generate)
@MANY
def test_values_given_to_generate_and_stream(empty_folder, arguments):
    started = []

    def generate(**arguments):
        mockdata.generate_sync(sink=started.append, **arguments)

    of_generate = {"executor": None} | arguments
    of_generate["executor"] = of_generate["executor"] or "none"  # so that nothing is ever made
    error = refusal(generate, **of_generate)
    assert error.argument.partition("[")[0] in of_generate
    of_stream = {name: value for name, value in arguments.items() if name != "on_progress"}
    if refusal(mockdata.stream, **of_stream) is None:
        assert error.argument in ("executor", "on_progress")
    assert started == []
    assert list(empty_folder.iterdir()) == []
