"""The pictures in the documentation show what the command shows."""

import re
import sys
from xml.etree import ElementTree

import pytest

from . import pictures


@pytest.mark.parametrize("name", pictures.PICTURES)
def test_pictures_are_up_to_date(name):
    if name == "help" and sys.version_info < (3, 13):
        pytest.skip("argparse wrote '-o DIR, --output DIR' before Python 3.13")
    kept = (pictures.FOLDER / f"{name}.svg").read_text(encoding="utf-8")
    assert pictures.texts(kept) == pictures.texts(pictures.drawn(name)), (
        "run python -m tests.pictures, look at what has changed, and commit it"
    )
    assert len(pictures.texts(kept)) > 5


def test_every_picture_is_made_and_loads_nothing_from_elsewhere():
    files = {path.stem: path.read_text(encoding="utf-8") for path in pictures.FOLDER.iterdir()}
    assert {*files} == {*pictures.PICTURES}
    for content in files.values():
        ElementTree.fromstring(content)
        assert not re.search(r"url\(|href|@import|@font-face", content)
