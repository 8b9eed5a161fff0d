"""Inputs that handle keys in the order in which they were typed."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar

from textual import events
from textual.widget import Widget

from imgret_tui import keymap

# Textual takes styles from the first base class that is a widget, which shall be the input.
if TYPE_CHECKING:
    _Base = Widget
else:
    _Base = object


def actions_of(kind: type[Widget]) -> Mapping[str, str]:
    """The actions of a widget's own keys, by key."""
    return {
        key: binding.action  # type: ignore[union-attr]
        for binding in kind.BINDINGS
        for key in binding.key.split(",")  # type: ignore[union-attr]
    }


class OrderedKeys(_Base):
    """Handles every key when it arrives. To be a base class before that of the input.

    Textual's inputs insert letters at once, but send backspace, arrows and other bound keys to the app, which
    runs them later: if keys come fast, letters overtake them.
    """

    own_actions: ClassVar[Mapping[str, str]] = MappingProxyType({})  # of the input, by key
    actions: Mapping[str, str] = MappingProxyType({})  # by key, before those of the input

    async def on_key(self, event: events.Key) -> None:
        """Run the action of the key, if it has one; Textual handles letters."""
        if self.app.screen is not self.screen:
            # It was typed after a key that opened or closed a screen, and is meant for the one in front.
            event.stop().prevent_default()
            key = events.Key(event.key, event.character)
            self.app.screen.call_after_refresh(self.app.post_message, key)
            return
        action, target = self.actions.get(event.key), self.screen
        if action == keymap.IGNORE:
            event.stop().prevent_default()
            return
        if action is None or action.startswith(keymap.INPUT):
            action, target = (action or self.own_actions.get(event.key, "")).removeprefix(keymap.INPUT), self  # type: ignore[assignment]
        if action and await self.app.run_action(action, target):
            event.stop().prevent_default()
