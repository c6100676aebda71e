"""A fuzz target: the argument parser, guided by coverage where atheris is installed."""

import os
import sys
from contextlib import nullcontext

from hypothesis import HealthCheck, given, settings

try:
    import atheris
except ImportError:
    atheris = None

with atheris.instrument_imports(include=["mockdata"]) if atheris else nullcontext():
    from mockdata.command.arguments import parse

    from .test_fuzz import argument_lists, refusal


@settings(max_examples=100_000, deadline=None, suppress_health_check=list(HealthCheck))
@given(argument_lists)
def target(arguments):
    """Parse what is an error in one line, or else a plan."""
    refusal(parse, arguments)


if __name__ == "__main__":
    sys.stdout = open(os.devnull, "w")
    if atheris:  # for a minute, or as long as -max_total_time=SECONDS says
        atheris.Setup(
            [sys.argv[0], "-max_total_time=60", *sys.argv[1:]], target.hypothesis.fuzz_one_input
        )
        atheris.Fuzz()
    else:
        target()
