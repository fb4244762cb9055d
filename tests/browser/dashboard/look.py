"""Many elements of a page in one look: the browser takes milliseconds for each question, however small."""

from __future__ import annotations

from playwright.sync_api import Locator


def texts(rows: Locator, cells: str) -> list[list[str]]:
    """Of each row the texts of its cells, which a selector names."""
    script = "(rows, cells) => rows.map(row => [...row.querySelectorAll(cells)].map(cell => cell.innerText.trim()))"
    found: list[list[str]] = rows.evaluate_all(script, cells)
    return found


def attributes(elements: Locator, *names: str) -> list[list[str]]:
    """Of each element these attributes; empty where it has none."""
    script = "(found, names) => found.map(one => names.map(name => one.getAttribute(name) ?? ''))"
    found: list[list[str]] = elements.evaluate_all(script, list(names))
    return found


def attributes_within(rows: Locator, cells: str, name: str) -> list[list[str]]:
    """Of each row this attribute of its cells, which a selector names."""
    script = """(rows, [cells, name]) =>
        rows.map(row => [...row.querySelectorAll(cells)].map(cell => cell.getAttribute(name) ?? ''))"""
    found: list[list[str]] = rows.evaluate_all(script, [cells, name])
    return found
