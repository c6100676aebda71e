"""Builds the compiled renderer into wheels and editable installs, where it can be built.

Without a C compiler or Python's headers the wheel is one of Python alone, and numpy renders. The
extension is of the stable ABI: what one Python has built runs on every later one.
``MOCKDATA_BUILD=python`` leaves it out, and ``MOCKDATA_BUILD=native`` has the build fail without it.
"""

import os
import sys
import sysconfig
import tempfile
from contextlib import ExitStack, redirect_stderr, redirect_stdout
from io import StringIO

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

MODULE = "mockdata.render._native"
SOURCE = os.path.join("mockdata", "render", "_native.c")
OLDEST = "cp311"


class NativeHook(BuildHookInterface):
    """Compiles one file; a wheel that has the result is tagged for the stable ABI."""

    PLUGIN_NAME = "custom"

    def initialize(self, version, build_data):
        """Put the extension into a wheel, or beside its source for an editable install."""
        wanted = os.environ.get("MOCKDATA_BUILD", "")
        if wanted == "python" or not is_supported():
            return
        if version == "editable":
            folder = os.path.join(self.root, os.path.dirname(SOURCE))
        else:
            self.made = tempfile.TemporaryDirectory()
            folder = self.made.name
        try:
            built = compiled(self.root, folder)
        except Exception as error:  # noqa: BLE001  (whatever it is, the package works without)
            if wanted == "native":
                raise
            self.app.display_info(f"no compiled renderer, numpy renders: {error}")
            return
        build_data["pure_python"] = False
        build_data["tag"] = f"{OLDEST}-abi3-{platform()}"
        if version != "editable":
            build_data["force_include"][built] = os.path.join(
                os.path.dirname(SOURCE), os.path.basename(built)
            )

    def finalize(self, version, build_data, artifact_path):
        """Remove what has been built for the wheel."""
        if made := getattr(self, "made", None):
            made.cleanup()


def is_supported():
    """Return whether this Python has the stable ABI that the extension is written for."""
    return sys.implementation.name == "cpython" and not sysconfig.get_config_var("Py_GIL_DISABLED")


def compiled(root, folder):
    """Compile the extension into a folder; return its path. Raises what setuptools raises."""
    from setuptools import Distribution, Extension
    from setuptools.command.build_ext import build_ext

    flags = os.environ.get("MOCKDATA_CFLAGS", "-O2 -g0").split()
    extension = Extension(
        MODULE,
        [os.path.join(root, SOURCE)],
        py_limited_api=True,
        extra_compile_args=[] if os.name == "nt" else ["-std=gnu11", *flags],
        extra_link_args=[flag for flag in flags if flag.startswith("-fsanitize")],
    )
    with ExitStack() as stack:
        if os.environ.get("MOCKDATA_BUILD") != "native":  # no noise where it fails
            stack.enter_context(redirect_stdout(StringIO()))
            stack.enter_context(redirect_stderr(StringIO()))
            stack.enter_context(silenced())
        command = build_ext(Distribution({"ext_modules": [extension]}))
        command.build_temp = stack.enter_context(tempfile.TemporaryDirectory())
        command.build_lib = stack.enter_context(tempfile.TemporaryDirectory())
        command.ensure_finalized()
        command.run()
        (built,) = command.get_outputs()
        path = os.path.join(folder, os.path.basename(built))
        with open(built, "rb") as source, open(path + ".new", "wb") as target:
            target.write(source.read())
        os.replace(path + ".new", path)  # a process may have loaded the one that is there
    return path


def silenced():
    """Return a context in which the compiler, too, says nothing."""
    stack = ExitStack()
    null = stack.enter_context(open(os.devnull, "w"))
    for file in (1, 2):
        kept = os.dup(file)
        stack.callback(os.close, kept)
        stack.callback(os.dup2, kept, file)
        os.dup2(null.fileno(), file)
    return stack


def platform():
    """Return the platform's tag, of a wheel that is built where it is used."""
    from packaging.tags import sys_tags

    names = (tag.platform for tag in sys_tags())
    return next(name for name in names if not name.startswith(("manylinux", "musllinux")))
