"""docs/configuration.md has every key, with a meaning, and is what the program makes of its settings today."""

from __future__ import annotations

import re

from imgret.config import DaemonSettings, PickerSettings, Settings
from imgret.stages import registry
from testbed import config_reference


def test_the_reference_is_in_step_with_the_settings() -> None:
    assert config_reference.FILE.read_text(encoding="utf-8") == config_reference.page(), (
        "run `make reference`"
    )


def test_the_reference_has_every_key_with_a_meaning() -> None:
    rows = re.findall(r"^\| `(\w+)` \| `(.*)` \| (.*) \|$", config_reference.page(), re.MULTILINE)
    assert all(about and default for _, default, about in rows)
    tables = [Settings, DaemonSettings, PickerSettings, *(stage.settings for stage in registry.own().stages)]
    keys = {key for table in tables for key in table.__struct_fields__} - {
        "daemon",
        "picker",
        "tables",
        "revision",
    }
    assert {key for key, _, _ in rows} == keys
