"""docs/run/configuration.md: complete, up to date, and readable."""

from __future__ import annotations

import pytest

from scripts.configuration_doc import DOCUMENT, document, groups, in_human_form, type_of
from tallystick.config import MIB, Settings


def test_the_committed_document_is_up_to_date() -> None:
    assert DOCUMENT.read_text("utf-8") == document(), "run `make docs`"


def test_every_setting_is_in_one_group_and_has_a_meaning() -> None:
    assert [name for names in groups().values() for name in names] == list(Settings.model_fields)
    assert all(field.description for field in Settings.model_fields.values())


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("max_body_bytes", 8 * MIB, "8 MiB"),
        ("max_body_bytes", 1500, "1500"),
        ("store_memory", 256 * MIB, "256 MiB"),
        ("batch_max_events", 65_536, "65536"),
        ("batch_max_age", 0.2, "0.2"),
        ("body_timeout", 30.0, "30"),
        ("allow_weak_durability", False, "false"),
        ("queue_url", "", "empty"),
        ("host", "127.0.0.1", "`127.0.0.1`"),
    ],
)
def test_values_are_written_as_people_write_them(name: str, value: object, expected: str) -> None:
    assert in_human_form(name, value) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("port", "whole number ≥ 0, ≤ 65535"),
        ("queue_max_bytes", "bytes ≥ 1 MiB"),
        ("disk_reserve_fraction", "number ≥ 0, < 1"),
        ("data", "path"),
        ("log_format", "one of `auto`, `console`, `json`"),
    ],
)
def test_limits_are_named(name: str, expected: str) -> None:
    assert type_of(name, Settings.model_fields[name]) == expected
