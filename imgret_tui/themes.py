"""Colour themes: dark and light, and both in grey for users who set NO_COLOR.

Grounds are nearly grey: Rich takes more saturated ones for blue where a terminal has 256 colours.
"""

from __future__ import annotations

from textual.theme import Theme

DARK = Theme(
    name="imgret-dark",
    primary="#7aa2f7",
    secondary="#9ece6a",
    accent="#ffb454",
    warning="#e0af68",
    error="#f7768e",
    success="#9ece6a",
    foreground="#d5d9e0",
    background="#14161b",
    surface="#1b1e24",
    panel="#262a33",
    dark=True,
    variables={"muted": "#8b93a3"},
)
LIGHT = Theme(
    name="imgret-light",
    primary="#2454b5",
    secondary="#3d6b1f",
    accent="#a34a00",
    warning="#8a5a00",
    error="#b3243b",
    success="#3d6b1f",
    foreground="#1f2328",
    background="#fbfbf9",
    surface="#f1f1ee",
    panel="#e2e3df",
    dark=False,
    variables={"muted": "#5a616c"},
)
GREY_DARK = Theme(
    name="imgret-grey",
    primary="#d0d0d0",
    secondary="#b0b0b0",
    accent="#ffffff",
    warning="#ffffff",
    error="#ffffff",
    success="#d0d0d0",
    foreground="#d0d0d0",
    background="#101010",
    surface="#1c1c1c",
    panel="#303030",
    dark=True,
    variables={"muted": "#9c9c9c"},
)
GREY_LIGHT = Theme(
    name="imgret-grey-light",
    primary="#303030",
    secondary="#505050",
    accent="#000000",
    warning="#000000",
    error="#000000",
    success="#303030",
    foreground="#303030",
    background="#fafafa",
    surface="#f0f0f0",
    panel="#dcdcdc",
    dark=False,
    variables={"muted": "#5a5a5a"},
)
ALL = (DARK, LIGHT, GREY_DARK, GREY_LIGHT)


def chosen(*, light: bool, colourless: bool) -> Theme:
    """The theme for a light or a dark terminal."""
    if colourless:
        return GREY_LIGHT if light else GREY_DARK
    return LIGHT if light else DARK
