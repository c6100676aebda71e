"""Builds the compiled renderer into wheels and editable installs, where that can be done.

Without a C compiler or Python's headers the wheel is one of Python alone, and numpy renders. The
extension is of the stable ABI: what one Python has built runs on every later one.

``MOCKDATA_BUILD=python`` leaves it out, and ``MOCKDATA_BUILD=native`` has the build fail without
it. ``MOCKDATA_CFLAGS`` takes the place of the compiler's flags.
"""

from __future__ import annotations

import os
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

MODULE = "mockdata.render._native"
FOLDER = os.path.join("mockdata", "render")
SOURCE = os.path.join(FOLDER, "_native.c")
OLDEST = "cp311"


class NativeHook(BuildHookInterface[Any]):
    """Compiles one file; a wheel that has the result is tagged for the stable ABI."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Put the extension into a wheel, or beside its source for an editable install."""
        wanted = os.environ.get("MOCKDATA_BUILD", "")
        if wanted == "python" or not is_supported():
            return
        editable = version == "editable"
        self.made = tempfile.TemporaryDirectory()
        try:
            built = compiled(
                self.root, os.path.join(self.root, FOLDER) if editable else self.made.name
            )
        except (Exception, SystemExit) as error:
            if wanted == "native":
                raise
            self.app.display_info(f"no compiled renderer, numpy renders: {error}")
            return
        build_data["pure_python"] = False
        build_data["tag"] = f"{OLDEST}-abi3-{platform()}"
        if not editable:
            build_data["force_include"][built] = os.path.join(FOLDER, os.path.basename(built))

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove what has been built for the wheel."""
        if hasattr(self, "made"):
            self.made.cleanup()


def is_supported() -> bool:
    """Return whether this Python has the stable ABI that the extension is written for."""
    return sys.implementation.name == "cpython" and not sysconfig.get_config_var("Py_GIL_DISABLED")


def compiled(root: str, folder: str) -> str:
    """Compile the extension into a folder; return its path. Raises what setuptools raises."""
    from setuptools import Distribution, Extension
    from setuptools.command.build_ext import build_ext

    flags = os.environ.get("MOCKDATA_CFLAGS", "-O2 -g0").split()
    extension = Extension(
        MODULE,
        [os.path.join(root, SOURCE)],
        py_limited_api=True,
        extra_compile_args=["-std=gnu11", *flags],
        extra_link_args=[flag for flag in flags if flag.startswith("-fsanitize")],
    )
    is_wanted = os.environ.get("MOCKDATA_BUILD") == "native"
    with ExitStack() as stack:
        stack.enter_context(nullcontext() if is_wanted else silence())
        command = build_ext(Distribution({"ext_modules": [extension]}))
        command.build_temp = stack.enter_context(tempfile.TemporaryDirectory())
        command.build_lib = stack.enter_context(tempfile.TemporaryDirectory())
        command.ensure_finalized()
        command.run()
        (built,) = command.get_outputs()
        path = os.path.join(folder, os.path.basename(built))
        with open(built, "rb") as source, open(f"{path}.new", "wb") as target:
            target.write(source.read())
    os.replace(f"{path}.new", path)  # a process may have loaded the one that is there
    return path


@contextmanager
def silence() -> Iterator[None]:
    """Have nothing said meanwhile, not by the compiler either."""
    sys.stdout.flush()
    sys.stderr.flush()
    with open(os.devnull, "w") as nothing:
        kept = [(file, os.dup(file)) for file in (1, 2)]
        try:
            for file, _ in kept:
                os.dup2(nothing.fileno(), file)
            yield
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            for file, copy in kept:
                os.dup2(copy, file)
                os.close(copy)


def platform() -> str:
    """Return the platform's tag, of a wheel that is used where it is built."""
    from packaging.tags import sys_tags

    names = (tag.platform for tag in sys_tags())
    return next(name for name in names if not name.startswith(("manylinux", "musllinux")))
