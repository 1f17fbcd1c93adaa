"""The faults of the sandbox: their names as data, their text form, and which account has which.

What a fault does is in `mishaps` (broken HTTP), `distortions` (other orders than the world's), and `scalev` and
`ktsp` (broken paging).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

BOTH: Final = ("scalev", "ktsp")
SCALEV: Final = ("scalev",)
KTSP: Final = ("ktsp",)
_LIMITED: Final = {"retry_after": "", "reset": ""}


class Kind(NamedTuple):
    """What there is to know about a fault.

    Attributes:
        summary: one line for the documentation.
        expected: status and reason that `ops.crawls` should show, for the documentation.
        applies_to: the APIs that can have it.
        parameters: its own parameters and their defaults, besides `from_page` and `times`.
        from_page: first page it touches, from 0, unless told otherwise.
        times: how often it strikes unless told otherwise; 0 is for ever.
        least: smallest values of its parameters, where they differ from those of all faults.
    """

    summary: str
    expected: str
    applies_to: tuple[str, ...] = BOTH
    parameters: Mapping[str, str] = {}
    from_page: int = 0
    times: int = 0
    least: Mapping[str, int] = {}


_COMPLETE: Final = "complete, ok"
_SHRANK: Final = "incomplete, history_shrank where more orders were known, else complete, ok"

KINDS: Final[Mapping[str, Kind]] = {
    "token_expired": Kind(
        "401 on the orders, although the token is good; signing in or refreshing works", "failed, token_expired"
    ),
    "sign_in_needed": Kind("401 on the orders and on every refresh", "failed, sign_in_needed", SCALEV),
    "refresh_response_lost": Kind(
        "the refresh happens, but its answer never arrives",
        "failed, sign_in_needed; only once the access token has run out (15 minutes)", SCALEV,
    ),
    "cursor_repeated": Kind("next_cursor is the cursor of the request itself", "incomplete, cursor_repeated", SCALEV),
    "cursor_cycle": Kind("next_cursor alternates between two cursors, A, B, A", "incomplete, cursor_repeated", SCALEV),
    "cursor_missing": Kind("has_next is true, next_cursor is null", "incomplete, cursor_missing", SCALEV),
    "cursor_rejected": Kind("400 for every cursor", "incomplete, cursor_rejected", SCALEV),
    "cursor_expired": Kind(
        "400 for the cursor of page `from_page`, one time; from the first page on all is well again", _COMPLETE,
        SCALEV, from_page=1, times=1, least={"from_page": 1},
    ),
    "page_repeated": Kind(
        "the same orders for ever, under ever new cursors or page numbers", "incomplete, page_repeated"
    ),
    "endless_empty": Kind(
        "empty pages for ever, each announcing another",
        f"Scalev: incomplete, page_repeated; KTSP, where an empty page is a legal end: {_SHRANK}", from_page=1,
    ),
    "last_page_repeated": Kind(
        "pages past the end answer the last page again, and there is always more", "incomplete, page_repeated", KTSP
    ),
    "first_page_is_one": Kind("pages count from 1, and page 0 answers page 1", _COMPLETE, KTSP),
    "shifted": Kind(
        "pages start `by` orders too early, as if orders came in between",
        "complete, ok after the history was read again", parameters={"by": "1"}, from_page=1,
    ),
    "order_arrives": Kind(
        "just before page `from_page` is answered, the account really gets `by` new orders",
        "complete, ok; KTSP, where pages shift, after the history was read again",
        parameters={"by": "1"}, from_page=1, times=1, least={"by": 1},
    ),
    "order_vanishes": Kind(
        "just before page `from_page` is answered, the order at place `index`, newest 0, is really deleted",
        "complete, ok; KTSP after the history was read again, and with times=0 incomplete, shifted_pages",
        parameters={"index": "0"}, from_page=1, times=1, least={"index": 0},
    ),
    "unsorted": Kind("orders come in a shuffled order, the same every time", _COMPLETE),
    "oldest_first": Kind("orders come oldest first", _COMPLETE),
    "more_lies": Kind(
        "after `pages` pages there is said to be no more, although there is",
        f"Scalev: {_SHRANK}; KTSP: complete, ok, as the page after a full one is asked for all the same",
        parameters={"pages": "1"},
    ),
    "history_shrinks": Kind("only the newest `keep` orders exist", _SHRANK, parameters={"keep": "0"}),
    "new_fields": Kind(
        "orders carry the undocumented `loyalty_tier`, Scalev's also `store.region` and `tax_hint` in each line",
        _COMPLETE,
    ),
    "new_values": Kind("completed orders have the undocumented status `teleported`", _COMPLETE, SCALEV),
    "odd_numbers": Kind("money as JSON numbers, some like 2e+4, and numeric ids", _COMPLETE, SCALEV),
    "half_surrogate": Kind(
        "a store name on each page holds `\\ud83d` alone: a legal JSON escape, yet half a character", _COMPLETE
    ),
    "rate_limited": Kind(
        "429 in plain text; `retry_after` is a text, `date+N` for an HTTP date, or `absurd`; `reset` is when the"
        " X-Ratelimit headers say that the limit ends, in seconds from now",
        "parked, rate_limited", parameters=_LIMITED,
    ),
    "rate_limited_once": Kind("as rate_limited, one time", _COMPLETE, parameters=_LIMITED, times=1),
    "server_error": Kind(
        "500, or another `status`, with a JSON error", "failed, server_error", parameters={"status": "500"}
    ),
    "server_error_once": Kind("as server_error, one time", _COMPLETE, parameters={"status": "500"}, times=1),
    "html_error": Kind(
        "an HTML page with this `status`, 200 included", "failed, server_error; with status=200 failed, bad_json",
        parameters={"status": "502"},
    ),
    "disconnected": Kind("the connection closes without an answer", "failed, server_error"),
    "truncated_body": Kind("the connection closes in the middle of the body", "failed, server_error"),
    "bad_json": Kind("200 with a body that stops in the middle, as if complete", "failed, bad_json"),
    "bad_envelope": Kind("200 with valid JSON of another shape", "failed, bad_envelope"),
    "bom": Kind("the body starts with a UTF-8 byte order mark", _COMPLETE),
    "empty_body": Kind("200 with an empty body", "failed, bad_json"),
    "no_content": Kind("204, no body", "failed, bad_json"),
    "api_error": Kind(
        "KTSP: status 0 with this `code`", "failed, api_error", KTSP, {"code": "1", "message": "Internal error"}
    ),
    "member_not_found": Kind("KTSP: status 0, errorCode 4100", "failed, member_not_found", KTSP),
    "slow": Kind(
        "answers after this many `seconds`", "complete, ok; failed, timeout from 60 seconds on",
        parameters={"seconds": "1"},
    ),
}  # fmt: skip

_WHOLE: Final = frozenset({"from_page", "times", "status", "keep", "code", "by", "index", "pages"})
_LEAST: Final[Mapping[str, int]] = {"from_page": 0, "times": 0, "status": 200, "keep": 0, "pages": 1}


@dataclass(frozen=True)
class Fault:
    """One fault as switched on.

    Attributes:
        name: key of `KINDS`.
        from_page: first page it touches, from 0.
        times: how often it strikes; 0 is for ever.
        parameters: all parameters of its kind.
    """

    name: str
    from_page: int = 0
    times: int = 0
    parameters: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str) -> "Fault":
        """Reads `name[:param=value...]`, such as `server_error:status=503:times=2`.

        Raises:
            ValueError: unknown name or parameter, or a number that is none or out of range.
        """
        name, *settings = text.strip().split(":")
        kind = KINDS.get(name)
        if kind is None:
            raise ValueError(f"unknown fault {name!r}; known: {', '.join(sorted(KINDS))}")
        values = {"from_page": str(kind.from_page), "times": str(kind.times), **kind.parameters}
        for setting in settings:
            key, equals, value = setting.partition("=")
            if not equals or key not in values:
                raise ValueError(f"fault {name!r} has no setting {setting!r}; it takes {', '.join(values)}")
            values[key] = value
        _check(name, values, {**_LEAST, **kind.least})
        return cls(name, int(values.pop("from_page")), int(values.pop("times")), values)

    def number(self, key: str) -> int:
        """A parameter as integer."""
        return int(self.parameters[key])


def _check(name: str, values: Mapping[str, str], least: Mapping[str, int]) -> None:
    for key, value in values.items():
        try:
            is_good = _is_good(key, value, least.get(key))
        except ValueError:
            is_good = False
        if not is_good:
            at_least = f"; the least is {least[key]}" if key in least else ""
            raise ValueError(f"fault {name!r} takes no {key}={value}{at_least}")


def _is_good(key: str, value: str, least: int | None) -> bool:
    if key == "seconds":
        return 0 <= float(value) < math.inf
    if key == "retry_after" and value.startswith("date+"):
        return math.isfinite(float(value.removeprefix("date+")))
    if key in _WHOLE or (key == "reset" and value):
        number = int(value)
        return least is None or number >= least
    return True


class FaultBoard:
    """Which account has which fault; at most one each."""

    def __init__(self) -> None:
        """Starts without any."""
        self._faults: dict[str, Fault] = {}
        self._struck: dict[str, int] = {}

    def put(self, account: str, fault: Fault) -> None:
        """Switches a fault on, in place of the account's former one.

        Raises:
            ValueError: the account's API cannot have this fault.
        """
        api = "ktsp" if account.startswith("ktsp/") else "scalev"
        if api not in KINDS[fault.name].applies_to:
            raise ValueError(f"{fault.name} is not a fault of {api}")
        self._faults[account] = fault
        self._struck[account] = 0

    def clear(self, account: str | None = None) -> None:
        """Switches the fault of one account off, or all."""
        if account is None:
            self._faults.clear()
        else:
            self._faults.pop(account, None)

    def peek(self, account: str) -> Fault | None:
        """The account's fault, unless it has struck as often as it should."""
        fault = self._faults.get(account)
        if fault is None or (fault.times and self._struck[account] >= fault.times):
            return None
        return fault

    def strike(self, account: str, page: int, *, refreshing: bool = False) -> Fault | None:
        """The fault to apply to this page, or this refresh, now; counts as one strike."""
        fault = self.peek(account)
        if fault is None or page < fault.from_page or refreshing != (fault.name == "refresh_response_lost"):
            return None
        self._struck[account] += 1
        return fault
