"""Check the README's animation: it shows no token, loads nothing, and is readable on light and dark pages."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from tests.docs.blocks import PROJECT
from tests.docs.picture import PICTURE, find_token_like

SVG = PICTURE.read_text(encoding="utf-8")


def test_the_animation_shows_no_token() -> None:
    assert find_token_like(SVG) == set()
    # The check can fail.
    assert find_token_like(SVG.replace("</text>", "_b4-Token_of_22_characters</text>", 1)) != set()


def test_the_animation_shows_the_whole_story_and_loads_nothing() -> None:
    # Spaces are only positions in the picture.
    text = "".join("".join(ElementTree.fromstring(SVG).itertext()).split())
    status = ("tcenvstatus", "scopes", "thenewtoken", "verifiedwith")
    for part in ("tcenvlogin", "Signedinas", "tcenvlogin--reset", *status):
        assert part in text
    assert not re.search(r"<script|<foreignObject|(?:href|src)=[\"'](?!#)", SVG)
    assert "@keyframes" in SVG


def test_each_frame_is_clipped() -> None:
    assert re.findall(r'<svg x="\d+" width="\d+">', SVG)
    assert not re.findall(r'<svg x="\d+">', SVG)


def test_the_animation_has_a_background() -> None:
    assert re.search(r"<rect[^>]*(?:fill|class)=", SVG)
    assert "![" in (PROJECT / "README.md").read_text().partition("## Quick start")[0]
