"""The faults of the sandbox: their names as data, their text form, and which account has which.

What a fault does is in `mishaps` (broken HTTP), `scalev` and `ktsp` (broken paging).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

BOTH: Final = ("scalev", "ktsp")
SCALEV: Final = ("scalev",)
KTSP: Final = ("ktsp",)


class Kind(NamedTuple):
    """What there is to know about a fault.

    Attributes:
        summary: one line for the documentation.
        applies_to: the APIs that can have it.
        parameters: its own parameters and their defaults, besides `from_page` and `times`.
        from_page: first page it touches, from 0, unless told otherwise.
        times: how often it strikes unless told otherwise; 0 is for ever.
    """

    summary: str
    applies_to: tuple[str, ...] = BOTH
    parameters: Mapping[str, str] = {}
    from_page: int = 0
    times: int = 0


KINDS: Final[Mapping[str, Kind]] = {
    "token_expired": Kind("401 on the orders, although the token is good; signing in or refreshing works"),
    "sign_in_needed": Kind("401 on the orders and on every refresh", SCALEV),
    "refresh_response_lost": Kind("the refresh happens, but its answer never arrives", SCALEV),
    "cursor_repeated": Kind("next_cursor is the cursor of the request itself", SCALEV),
    "cursor_cycle": Kind("next_cursor alternates between two cursors, A, B, A", SCALEV),
    "cursor_missing": Kind("has_next is true, next_cursor is null", SCALEV),
    "cursor_rejected": Kind("400 for every cursor", SCALEV),
    "page_repeated": Kind("the same orders for ever, under ever new cursors or page numbers"),
    "endless_empty": Kind("empty pages for ever, each announcing another", from_page=1),
    "last_page_repeated": Kind("pages past the end answer the last page again, and there is always more", KTSP),
    "first_page_is_one": Kind("pages count from 1, and page 0 answers page 1", KTSP),
    "shifted": Kind("pages start `by` orders too early, as if orders came in between", BOTH, {"by": "1"}, 1),
    "history_shrinks": Kind("only the newest `keep` orders exist", BOTH, {"keep": "0"}),
    "rate_limited": Kind(
        "429 in plain text; `retry_after` is a text, `date+N` for an HTTP date, or `absurd`", BOTH, {"retry_after": ""}
    ),
    "rate_limited_once": Kind("as rate_limited, one time", BOTH, {"retry_after": ""}, times=1),
    "server_error": Kind("500, or another `status`, with a JSON error", BOTH, {"status": "500"}),
    "server_error_once": Kind("as server_error, one time", BOTH, {"status": "500"}, times=1),
    "html_error": Kind("an HTML page with this `status`, 200 included", BOTH, {"status": "502"}),
    "disconnected": Kind("the connection closes without an answer"),
    "truncated_body": Kind("the connection closes in the middle of the body"),
    "bad_json": Kind("200 with a body that stops in the middle, as if complete"),
    "bad_envelope": Kind("200 with valid JSON of another shape"),
    "api_error": Kind(
        "KTSP: status 0 with this `code`", KTSP, {"code": "1", "message": "Internal error"}
    ),
    "member_not_found": Kind("KTSP: status 0, errorCode 4100", KTSP),
    "slow": Kind("answers after this many `seconds`", BOTH, {"seconds": "1"}),
}  # fmt: skip


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
            ValueError: unknown name or parameter, or a number that is none.
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
        for key in values.keys() & {"status", "keep", "code", "by"}:
            int(values[key])
        if "seconds" in values:
            float(values["seconds"])
        return cls(name, int(values.pop("from_page")), int(values.pop("times")), values)

    def number(self, key: str) -> int:
        """A parameter as integer."""
        return int(self.parameters[key])


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
