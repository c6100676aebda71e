"""How these pages become a site: ``nox -s docs`` builds it and drives it in a browser."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from docutils import nodes

if TYPE_CHECKING:
    from sphinx.application import Sphinx

DOCS: Final = Path(__file__).parent
sys.path.insert(0, str(DOCS.parent))

import mockdata  # noqa: E402

project = "mockdata"
author = "the mockdata developers"
version = release = mockdata.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
]
nitpicky = True
nitpick_ignore_regex = [("py:.*", r"(?!mockdata\b).*")]  # what is not ours has no page here
nitpick_ignore = [("py:class", "mockdata.vaults.vault.TableColumn")]
show_warning_types = True

myst_heading_anchors = 3
myst_enable_extensions = ["colon_fence"]

autodoc_member_order = "bysource"
autodoc_type_aliases = {name: name for name in ("AnySink", "Counts", "Layout", "Vaults")}
autodoc_type_aliases["Writer"] = "mockdata.Writer"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
napoleon_numpy_docstring = False
python_use_unqualified_type_names = True
maximum_signature_line_length = 72

copybutton_prompt_text = "$ "
copybutton_only_copy_prompt_lines = True

html_theme = "furo"
html_theme_options = {
    "light_css_variables": {"color-code-ground": "#f3f5f8"},
    "dark_css_variables": {"color-code-ground": "#1b2027"},
}
html_title = f"mockdata {version}"
html_static_path = ["_static"]
html_favicon = "_static/favicon.svg"
html_css_files = ["site.css"]
html_copy_source = False
html_show_sphinx = False
html_show_copyright = False
pygments_style = "a11y-high-contrast-light"
pygments_dark_style = "github-dark"

SHORT: Final = 28
"""Characters of a word in code up to which it is not broken, not even behind a hyphen."""

JOINT: Final = re.compile(r"(?<=[_:/,])(?=\w)")
ALIAS: Final = re.compile(r"TypeAliasForwardRef\('([\w.]+)'\)")
LINK: Final = re.compile(r"^- \[[^\]]+\]\((\S+)\.md\)", re.MULTILINE)


def add_contents(app: Sphinx, docname: str, source: list[str]) -> None:
    """Give the front page its tables of contents, out of its own lists of links.

    So the page is plain Markdown wherever else it is read, and a page that it does not name is a
    warning, and thereby an error.
    """
    if docname != app.config.root_doc:
        return
    contents = ""
    for section in source[0].split("\n## ")[1:]:
        caption = section.partition("\n")[0]
        pages = "\n".join(LINK.findall(section))
        contents += f"\n```{{toctree}}\n:hidden:\n:caption: {caption}\n\n{pages}\n```\n"
    source[0] += contents


def say_where_code_breaks(_app: Sphinx, doctree: nodes.document) -> None:
    """Have code in running text broken between words or, in long ones, where a name has a joint."""
    for literal in doctree.findall(nodes.literal):
        text = literal.astext()
        if all(len(word) <= SHORT for word in text.split()):
            literal["classes"].append("short")
        elif JOINT.search(text):
            pieces = [nodes.Text(piece) for piece in JOINT.split(text)]
            may_break = nodes.raw("", "<wbr>", format="html")
            literal[:] = [node for piece in pieces for node in (piece, may_break.deepcopy())][:-1]


def name_aliases(*told: str | None) -> tuple[str | None, ...]:
    """Show a type by the name that it is given in the code."""
    signature_and_result = told[-2:]
    return tuple(ALIAS.sub(r"\1", text) if text else text for text in signature_and_result)


def keep_fields_as_written(app: Sphinx) -> None:
    """Have the docstring of a field read as text, where napoleon takes it for 'type: meaning'."""
    written: dict[str, list[str]] = {}

    def keep(_app: Sphinx, what: str, name: str, *others: list[str]) -> None:
        if what in ("attribute", "property", "data"):
            written[name] = [line for line in others[-1] if "Alias for field number" not in line]

    def put_back(_app: Sphinx, _what: str, name: str, *others: list[str]) -> None:
        others[-1][:] = written.pop(name, others[-1])

    app.connect("autodoc-process-docstring", keep, priority=400)
    app.connect("autodoc-process-docstring", put_back, priority=600)


def setup(app: Sphinx) -> None:
    """Connect what is above, and have the fixtures documented as the functions that they wrap."""
    import mockdata.pytest_plugin as plugin

    app.connect("source-read", add_contents)
    app.connect("doctree-read", say_where_code_breaks)
    app.connect("autodoc-process-signature", name_aliases)
    keep_fields_as_written(app)
    for name in dir(plugin):
        fixture = getattr(plugin, name)
        if hasattr(fixture, "_get_wrapped_function"):
            setattr(plugin, name, fixture._get_wrapped_function())  # noqa: SLF001
