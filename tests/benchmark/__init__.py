"""The benchmark: ``nox -s bench``, or ``python -m tests.benchmark`` where the extra is installed."""
