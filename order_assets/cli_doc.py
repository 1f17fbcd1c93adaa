"""docs/cli.md from the command itself: `python -m order_assets.cli_doc docs/cli.md`."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path

import typer
from typer.cli import get_docs_for_click
from typer.main import get_command

from order_assets.cli import app

_HEAD = """\
# The command line

Generated from the command's own help. Do not edit; run `python -m order_assets.cli_doc docs/cli.md`.

- **Exit codes**: `0` everything complete; `3` finished, but some accounts are not complete (the others are committed);
  `2` usage or configuration; `1` anything else.
- **Output**: results go to stdout, what goes on to stderr. On a terminal long work shows a bar per source with rate and
  time left; into a file or a pipe, a line at each quarter. `NO_COLOR=1` switches colours off.
- **Completion**: `order-assets --install-completion`, then a new shell; tables of `export` are completed too.
- `make install` puts the command into `.venv/bin`.

"""
_ALIGNED = re.compile(r"\S {3,}\S|^\w+(,\w+){3,}")


def document() -> str:
    """Return the text of docs/cli.md."""
    command = get_command(app)
    text = get_docs_for_click(obj=command, ctx=typer.Context(command), name="order-assets", indent=1)
    paragraphs = text.strip().split("\n\n")
    first = {title: words for title, words in pairwise(paragraphs) if title.startswith("#")}
    about = {title.strip("#` "): " ".join(words.split()) for title, words in first.items()}
    shown: list[str] = []
    title = ""
    for paragraph in paragraphs:
        title = paragraph.strip("#` ") if paragraph.startswith("#") else title
        shown.append(_whole(paragraph, title, about) if shown and shown[-1] == "**Commands**:" else _fenced(paragraph))
    return _HEAD + "\n\n".join(shown) + "\n"


def _whole(commands: str, group: str, about: Mapping[str, str]) -> str:
    """List commands with what they do in full; Typer cuts it off."""
    names = re.findall(r"^\* `([^`]+)`", commands, re.MULTILINE)
    return "\n".join(f"* `{name}`: {about[f'{group} {name}']}" for name in names)


def _fenced(paragraph: str) -> str:
    """Keep the columns of a paragraph that has them."""
    is_text = not paragraph.startswith(("```", "* ", "#"))
    return f"```\n{paragraph}\n```" if is_text and _ALIGNED.search(paragraph) else paragraph


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(document(), encoding="utf-8")
