"""The colours of the themes: text can be read on every ground."""

from __future__ import annotations

import pytest
from rich.color import Color as TerminalColor
from rich.color import ColorSystem
from textual.color import Color
from textual.theme import Theme

from imgret_tui import themes
from imgret_tui.__main__ import _prepare_textual

LEAST_CONTRAST = 4.5  # WCAG 2.2, level AA


def contrast(one: str, other: str) -> float:
    """WCAG's contrast ratio of two colours, 1 to 21."""
    dark, light = sorted(luminance(colour) for colour in (one, other))
    return (light + 0.05) / (dark + 0.05)


def luminance(colour: str) -> float:
    """WCAG's relative luminance, 0 to 1."""
    parts = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
        for part in Color.parse(colour).normalized
    )
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), parts, strict=True))


@pytest.mark.parametrize("theme", themes.ALL, ids=lambda theme: theme.name)
def test_text_can_be_read_on_every_ground(theme: Theme) -> None:
    texts = {
        name: getattr(theme, name)
        for name in ("foreground", "primary", "accent", "warning", "error", "success")
    }
    texts["muted"] = theme.variables["muted"]
    for ground in ("background", "surface", "panel"):
        for name, colour in texts.items():
            found = contrast(colour, getattr(theme, ground))
            assert found >= LEAST_CONTRAST, f"{name} on {ground}: {found:.1f}"


def test_contrast_is_that_of_wcag() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("theme", themes.ALL, ids=lambda theme: theme.name)
def test_grounds_differ_and_have_no_hue_in_256_colours(theme: Theme) -> None:
    grounds = [
        TerminalColor.parse(getattr(theme, name)).downgrade(ColorSystem.EIGHT_BIT).get_truecolor()
        for name in ("background", "surface", "panel")
    ]
    assert len(set(grounds)) == 3
    assert all(len(set(ground)) == 1 for ground in grounds)


@pytest.mark.parametrize(
    ("environ", "colours"),
    [
        ({"TERM": "xterm-256color"}, "truecolor"),
        ({"TERM": "screen-256color", "TMUX": "/tmp/tmux-0/default,1,0"}, "truecolor"),
        ({"TERM": "screen.xterm-256color", "COLORTERM": "truecolor"}, "256"),
        ({"TERM": "screen", "STY": "1.pts-0.host"}, "256"),
        ({"TERM": "screen-256color", "TMUX": "/tmp/tmux-0/default,1,0", "STY": "1.pts-0.host"}, "truecolor"),
        ({"TERM": "linux"}, None),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "Apple_Terminal"}, None),
    ],
)
def test_colours_of_24_bits_are_sent_only_where_they_are_understood(
    environ: dict[str, str], colours: str | None
) -> None:
    environ = dict(environ)
    _prepare_textual(environ)
    assert environ.get("TEXTUAL_COLOR_SYSTEM") == colours
