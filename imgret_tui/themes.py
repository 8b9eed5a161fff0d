"""Three colour themes: dark, light, and grey for users who set NO_COLOR."""

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
    surface="#1b1e25",
    panel="#252a34",
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
    variables={"muted": "#636a75"},
)
GREY = Theme(
    name="imgret-grey",
    primary="#d0d0d0",
    secondary="#b0b0b0",
    accent="#ffffff",
    warning="#ffffff",
    error="#ffffff",
    success="#d0d0d0",
    foreground="#d0d0d0",
    background="#101010",
    surface="#181818",
    panel="#303030",
    dark=True,
    variables={"muted": "#8c8c8c"},
)
ALL = (DARK, LIGHT, GREY)
