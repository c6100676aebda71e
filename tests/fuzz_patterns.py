"""A fuzz target: patterns and files of definitions, guided by coverage where atheris is installed."""

import os
import resource
import sys
import tempfile
from contextlib import nullcontext

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

try:
    import atheris
except ImportError:
    atheris = None

with atheris.instrument_imports(include=["mockdata"]) if atheris else nullcontext():
    from mockdata.vaults.file import read_vaults
    from mockdata.vaults.resolve import Resolver, check_count
    from mockdata.vaults.vault import Vault

    from .test_fuzz import refusal
    from .test_patterns import CHARACTERS, GRAMMAR, PEOPLE
    from .test_vault_files import LINES

MEMORY = 200 * 1024
"""KiB that any pattern or file may take."""

KIB = 1024 if sys.platform == "darwin" else 1  # it counts bytes there

LISTS = {"w": {"a+": 1, "b": 2}, "e": ["x|y", "z"]}
patterns = st.one_of(
    st.lists(st.one_of(CHARACTERS, GRAMMAR), max_size=30).map("".join),
    st.text(max_size=60),
    st.builds(lambda text, times: text * times, CHARACTERS, st.integers(0, 200_000)),
    st.builds("{}{{{}}}".format, GRAMMAR, st.integers(0, 10**9)),
)
tokens = st.one_of(
    patterns, st.builds("{{same:{},{}}}".format, st.integers(0, 40), st.integers(0, 40))
)
files = st.one_of(st.lists(LINES, max_size=20).map("\n".join), st.text(), st.binary())


@settings(max_examples=100_000, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.tuples(patterns, tokens, st.integers(1, 2**40)) | files)
def target(given):
    """Resolve a vault, or read a file: what is an error in one line, or else definitions."""
    before = peak_memory()
    refusal(define if isinstance(given, tuple) else read, given)
    assert peak_memory() - before < MEMORY, given


def peak_memory():
    """Return the most KiB that this process has held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // KIB


def define(given):
    """Define and resolve a vault, and ask for a number of its records."""
    value, token, count = given
    vault = Vault("v", value, token, lists=LISTS)
    check_count(Resolver({"name": PEOPLE, "v": vault}).resolve(vault), count)


def read(content):
    """Write a file and read it."""
    with tempfile.NamedTemporaryFile(suffix=".toml") as file:
        file.write(content.encode(errors="surrogatepass") if isinstance(content, str) else content)
        file.flush()
        read_vaults(file.name)


if __name__ == "__main__":
    sys.stdout = open(os.devnull, "w")
    if atheris:  # for a minute, or as long as -max_total_time=SECONDS says
        atheris.Setup(
            [sys.argv[0], "-max_total_time=60", *sys.argv[1:]], target.hypothesis.fuzz_one_input
        )
        atheris.Fuzz()
    else:
        target()
