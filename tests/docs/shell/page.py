"""The commands of a page, with the output that it shows.

How a page is read:

- A block is indented by four spaces or fenced. Blocks of the same kind are read alike.
- In a block with lines that begin with `$ `, each of them is a command, which goes on where a quotation or a backslash
  does; the lines after it are what it prints.
- In another block each paragraph that begins with a command's word is a command; a paragraph, or a block of JSON,
  right after it is what it prints. All other blocks are data.
- What is printed is compared but for white space and the lines of tables. `…` stands for any text,
  and VARIES for what differs from run to run.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

WORDS = (
    "tallystick|curl|printf|export|docker|python|python3|make|psql|kill|tar|cp|grep|pip|uvx|bq|git|head|cat|sudo|node|npm"
    r"|php|go|[A-Z_]+=\S+"
)
INDENTED = re.compile(r"(?:^    .*\n(?:\n+(?=    ))?)+", re.MULTILINE)
FENCED = re.compile(r"^(?P<indent> *)```(?P<language>\w*)\n(?P<body>.*?)^ *```$", re.MULTILINE | re.DOTALL)
RUNNABLE = {"", "sh", "bash", "console", "json", "text"}
"""Languages of fenced blocks that may be commands or their output."""
VARIES = [
    (re.compile(r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b"), "UUID"),
    (re.compile(r"\b[0-9a-f]{16}-\d+\b"), "RECEIPT"),
    (re.compile(r"\b[0-9a-f]{16}\b"), "IMPORT"),
    (re.compile(r'"elapsed_ms":\d+(\.\d+)?'), '"elapsed_ms":N'),
    (re.compile(r'"(loaded_at|received_at|ingested_at|created_at|updated_at|split_at)":"[^"]*"'), r'"\1":T'),
    (re.compile(r'"(id|token)":"[\w-]{12,}…?"|/ui/shared#[\w-]+…?'), "ID"),
    (re.compile(r'"queue_lag_seconds":(\d+\.\d+|null)'), '"queue_lag_seconds":N'),
    (re.compile(r"\b20\d\d-\d\d-\d\d \d\d:\d\d:\d\d UTC counts again"), "T UTC counts again"),
    (re.compile(r"\bwk_[\w-]{40,}"), "KEY"),
    (re.compile(r"\bsha256:[0-9a-f]{64}"), "HASH"),
    (re.compile(r"\.venv/bin/tallystick"), "tallystick"),
    (re.compile(r"schema version \d+"), "schema version N"),
    (re.compile(r"[\d,]+ bytes in "), "N bytes in "),
    (re.compile(r"[─━│┃┌┐└┘┏┓┗┛├┤┡┩┬┴┼┳┻╇]"), ""),
    (re.compile(r"(tallystick import --undo IMPORT)[^`]*`"), r"\1`"),
    (re.compile(r"in \d+\.\d s, [\d,]+ rows/s"), "in N s, N rows/s"),
    (re.compile(r"\blocalhost:8000\b"), "127.0.0.1:8000"),
]


class Unit(NamedTuple):
    """A command (or several that stand together) and the output that the page shows for it.

    Attributes:
        line: number of its first line, from 1.
        shown: None when the page shows no output.
        place: the first line of the shown output and the line after its last, from 0.
        indent: what stands before each line of it.
    """

    line: int
    command: str
    shown: str | None
    place: tuple[int, int]
    indent: str


class Paragraph(NamedTuple):
    line: int
    lines: list[str]
    indent: str
    block: int
    """The number of its block."""
    after: int
    """The line of the file after which only blank lines and fences stood before it: where the one before ended."""


def units(path: Path) -> list[Unit]:
    """The page's commands in their order."""
    text = path.read_text("utf-8")
    functions = re.findall(r"^\s*(\w+)\(\) *\{", text, re.MULTILINE)
    word = re.compile(rf"(?:{'|'.join([*functions, WORDS])}|\.venv/bin/\S+)(?=[ (]|$)|\w+\(\) *\{{")
    found: list[Unit] = []
    waiting: Paragraph | None = None
    for paragraph in _paragraphs(text):
        if any(line.startswith("$ ") for line in paragraph.lines):
            waiting = None
            found += _console(paragraph)
        elif word.match(paragraph.lines[0]):
            waiting = paragraph
            found.append(Unit(paragraph.line, "\n".join(paragraph.lines), None, (0, 0), paragraph.indent))
        elif waiting is not None and paragraph.after == waiting.line + len(waiting.lines) - 1:
            place = (paragraph.line - 1, paragraph.line - 1 + len(paragraph.lines))
            found[-1] = found[-1]._replace(shown="\n".join(paragraph.lines), place=place, indent=paragraph.indent)
            waiting = None
        else:
            waiting = None
    return found


def _paragraphs(text: str) -> Iterator[Paragraph]:
    blocks: list[tuple[int, str, str]] = []
    for match in FENCED.finditer(text):
        if match["language"] in RUNNABLE:
            blocks.append((text.count("\n", 0, match.start("body")) + 1, match["body"], match["indent"]))
    without = FENCED.sub(lambda match: re.sub(r"[^\n]", "#", match[0]), text)
    for match in INDENTED.finditer(without):
        least = min(len(line) - len(line.lstrip()) for line in match[0].splitlines() if line.strip())
        blocks.append((text.count("\n", 0, match.start()) + 1, match[0], " " * least))
    lines = text.split("\n")
    for number, (first, body, indent) in enumerate(sorted(blocks)):
        group: list[str] = []
        began = first
        for line, content in enumerate([*body.rstrip("\n").split("\n"), ""], first):
            if content.strip():
                began = line if not group else began
                group.append(content.removeprefix(indent))
            elif group:
                yield Paragraph(began, group, indent, number, _end_before(lines, began))
                group = []


def _end_before(lines: list[str], line: int) -> int:
    """The number of the last line before `line` that is neither blank nor a fence."""
    before = line - 1
    while before > 0 and (not lines[before - 1].strip() or lines[before - 1].strip().startswith("```")):
        before -= 1
    return before


def _console(paragraph: Paragraph) -> Iterator[Unit]:
    starts = [number for number, line in enumerate(paragraph.lines) if line.startswith("$ ")]
    for start, following in zip(starts, [*starts[1:], len(paragraph.lines)], strict=True):
        end = start + 1
        while end < following and not _complete("\n".join(paragraph.lines[start:end])):
            end += 1
        command = "\n".join(paragraph.lines[start:end]).removeprefix("$ ")
        place = (paragraph.line - 1 + end, paragraph.line - 1 + following)
        shown = "\n".join(paragraph.lines[end:following]) if following > end else None
        yield Unit(paragraph.line + start, command, shown, place, paragraph.indent)


def _complete(command: str) -> bool:
    try:
        shlex.split(command)
    except ValueError:
        return False
    return not command.endswith("\\")


def same(shown: str, printed: str) -> bool:
    """Whether the page shows what was printed, but for white space, `…` and VARIES."""
    pattern = "".join(".*?" if part == "…" else re.escape(part) for part in re.split("(…)", _bare(shown)))
    return re.fullmatch(pattern, _bare(printed), re.DOTALL) is not None


def _bare(text: str) -> str:
    for varying, name in VARIES:
        text = varying.sub(name, text)
    return re.sub(r"\s+", "", text)
