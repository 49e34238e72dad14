"""The README's moving picture: nothing in it could be a token, and it stands by itself on light pages and dark ones."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from tests.docs.blocks import PROJECT
from tests.docs.picture import PICTURE, find_token_like

SVG = PICTURE.read_text(encoding="utf-8")


def test_no_token() -> None:
    assert find_token_like(SVG) == set()
    # The check would notice one.
    assert find_token_like(SVG.replace("</text>", "_b4-Token_of_22_characters</text>", 1)) != set()


def test_it_shows_the_whole_story_and_calls_nobody() -> None:
    # Blanks are where the next text stands.
    text = "".join("".join(ElementTree.fromstring(SVG).itertext()).split())
    for part in (
        "tcenvlogin",
        "Signedinas",
        "tcenvlogin--reset",
        "tcenvstatus",
        "scopes",
        "thenewtoken",
        "verifiedwith",
    ):
        assert part in text
    assert not re.search(r"<script|<foreignObject|(?:href|src)=[\"'](?!#)", SVG)
    assert "@keyframes" in SVG


def test_no_picture_of_the_film_shows_in_the_next() -> None:
    assert re.findall(r'<svg x="\d+" width="\d+">', SVG)
    assert not re.findall(r'<svg x="\d+">', SVG)


def test_it_brings_its_own_background() -> None:
    assert re.search(r"<rect[^>]*(?:fill|class)=", SVG)
    assert "![" in (PROJECT / "README.md").read_text().partition("## Quick start")[0]
