"""The table of faults in `docs/faults.md`, made from `KINDS`.

`python -m order_assets.sandbox.manual docs/faults.md` renews it.
"""

import sys
from pathlib import Path
from typing import Final

from order_assets.sandbox.faults import KINDS, Kind

START: Final = "<!-- faults: made by python -m order_assets.sandbox.manual docs/faults.md -->"
END: Final = "<!-- end of faults -->"
_APIS: Final = {"scalev": "Scalev", "ktsp": "KTSP"}


def table() -> str:
    """All faults as a Markdown table."""
    lines = ["| Fault | APIs | Parameters | What happens | Verdict to expect |", "|---|---|---|---|---|"]
    for name, kind in KINDS.items():
        apis = ", ".join(_APIS[api] for api in kind.applies_to)
        lines.append(f"| `{name}` | {apis} | {_parameters(kind)} | {kind.summary} | {kind.expected} |")
    return "\n".join(lines) + "\n"


def _parameters(kind: Kind) -> str:
    values = dict(kind.parameters)
    if kind.from_page:
        values["from_page"] = str(kind.from_page)
    if kind.times:
        values["times"] = str(kind.times)
    return " ".join(f"`{key}={value}`" for key, value in values.items())


def renewed(document: str) -> str:
    """The document with the table between its two marks as it should be.

    Raises:
        ValueError: a mark is missing.
    """
    before, start, rest = document.partition(START)
    _, end, after = rest.partition(END)
    if not (start and end):
        raise ValueError(f"the document needs the lines {START} and {END}")
    return f"{before}{START}\n{table()}{END}{after}"


def main(arguments: list[str]) -> int:
    """Renews the documents named; returns the exit code."""
    for path in map(Path, arguments):
        path.write_text(renewed(path.read_text(encoding="utf-8")), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
