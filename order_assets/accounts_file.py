"""The accounts file: its sections, their defaults and limits, and how its text is read.

Every error names the file, the line and the key. Secrets are `SecretStr` from the moment they are read. design.md
section 4 is the contract for names and defaults. Where the file lies, and what the environment adds, is in `settings`.
"""

from __future__ import annotations

import os
import re
import stat
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    AfterValidator,
    AnyHttpUrl,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    StrictBool,
    ValidationError,
    model_validator,
)


class SettingsError(ValueError):
    """The configuration is wrong; the message names the place and what to do. Ends the command with exit code 2."""


_VARIABLE = re.compile(r"[A-Z][A-Z0-9_]{0,63}")
_PATH = re.compile(r"(?!eyJ)(?=.*[./~])[^\s=+]{1,250}")


def _unless_secret(name: str, usual: re.Pattern[str]) -> str:
    """Return a name as written, or words for it if it looks like the secret itself, written in the wrong place."""
    return name if usual.fullmatch(name) else "named here"


def _read_secret(value: object) -> object:
    """Resolve `{ env = "NAME" }` and `{ file = "path" }`; a literal string is taken as it is."""
    if isinstance(value, Mapping):
        if set(value) == {"env"} and isinstance(value["env"], str):
            found = os.environ.get(value["env"], "").strip()
            if not found:
                raise ValueError(f"the environment variable {_unless_secret(value['env'], _VARIABLE)} is not set")
            return found
        if set(value) == {"file"} and isinstance(value["file"], str):
            try:
                found = Path(value["file"]).expanduser().read_text(encoding="utf-8").strip()
            except (OSError, ValueError, RuntimeError) as error:
                named = _unless_secret(value["file"], _PATH)
                raise ValueError(f"cannot read the secret file {named}: {why(error)}") from None
            if not found:
                raise ValueError(f"the secret file {value['file']} is empty")
            return found
        raise ValueError('a secret is { env = "NAME" }, { file = "path" } or a text')
    if isinstance(value, str) and not value.strip():
        raise ValueError("the secret is empty")
    return value


def _known_zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"{value!r} is not an IANA time zone such as Asia/Jakarta") from None
    return value


def _account_name(value: str) -> str:
    # Names become partition keys ("store/name") and parts of hashed keys ("source|account|id").
    if not re.fullmatch(r"[^\s/|,\[\]\x00-\x1f\x7f]{1,120}", value) or "..." in value:
        raise ValueError("use 1 to 120 characters without spaces, control characters or any of / | , [ ] ...")
    return value


def _real_currency(value: str) -> str:
    if not re.fullmatch(r"[A-Z]{3}", value) or value == "XXX":  # ISO 4217 for "no currency": its money never counts
        raise ValueError(f"{value!r} is not an ISO 4217 currency such as IDR")
    return value


def _source_word(value: str) -> str:
    # Statuses and methods are compared in lower case; anything else could never match.
    if value != value.strip().lower() or not value:
        raise ValueError(f"{value!r} must be in lower case, as the source's words are compared")
    return value


def _base_url(value: str) -> str:
    try:
        url = AnyHttpUrl(value)
    except ValidationError:
        url = None
    if url is None or url.query or url.fragment or url.username or any(letter.isspace() for letter in value):
        raise ValueError("write a URL such as https://api.example.com")
    return value.rstrip("/")


Secret = Annotated[SecretStr, BeforeValidator(_read_secret)]
Zone = Annotated[str, AfterValidator(_known_zone)]
Currency = Annotated[str, AfterValidator(_real_currency)]
Name = Annotated[str, AfterValidator(_account_name)]
BaseUrl = Annotated[str, AfterValidator(_base_url)]
PositiveInt = Annotated[int, Field(ge=1, strict=True)]
PositiveRate = Annotated[float, Field(gt=0, strict=True)]
SourceWord = Annotated[str, AfterValidator(_source_word)]
OrderState = Literal["draft", "open", "processing", "shipped", "completed", "returned", "canceled", "closed"]
Limit = Annotated[float, Field(ge=0, strict=True, allow_inf_nan=False)]


SourceSystem = Literal["scalev", "ktsp"]


class StrictModel(BaseModel):
    """A table of the file: unknown keys are errors, values are frozen and never quoted in errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class ScalevCustomer(StrictModel):
    """One customer of a Scalev store."""

    name: Name
    access_token: Secret
    refresh_token: Secret | None = None


class ScalevStore(StrictModel):
    """One Scalev store; `store_id` is the store's unique_id."""

    store_id: Name
    time_zone: Zone = "Asia/Jakarta"
    currency: Currency = "IDR"
    storefront_key: Secret | None = None
    customers: tuple[ScalevCustomer, ...] = ()


class ApiSection(StrictModel):
    """Limits of an API, over all processes."""

    max_in_flight: PositiveInt = 8
    requests_per_second: PositiveRate = 8.0


class ScalevSection(ApiSection):
    """Everything below `[scalev]`."""

    base_url: BaseUrl = "https://api.scalev.com"
    page_size: Annotated[int, Field(ge=1, le=1000, strict=True)] = 25
    stores: tuple[ScalevStore, ...] = ()


class KtspMember(StrictModel):
    """One member of a KTSP programme."""

    member_id: Name
    token: Secret | None = None


class KtspProgramme(StrictModel):
    """One KTSP programme: an application's credentials and the members they may read."""

    name: Name
    base_url: BaseUrl
    app_key: Secret
    app_secret: Secret | None = None
    token: Secret | None = None
    time_zone: Zone = "Asia/Hong_Kong"
    currency: Currency = "HKD"
    members: tuple[KtspMember, ...] = ()


class KtspSection(ApiSection):
    """Everything below `[ktsp]`."""

    page_size: Annotated[int, Field(ge=1, le=200, strict=True)] = 200
    first_page: Annotated[int, Field(ge=0, le=1, strict=True)] = 0
    late_days: Annotated[int, Field(ge=0, strict=True)] = 14
    programmes: tuple[KtspProgramme, ...] = ()


class CrawlSection(StrictModel):
    """Everything below `[crawl]`: how both APIs are crawled.

    `patience_seconds`: the longest single wait for an API before the account is parked. `full_crawl_days`: how old
    the last look at a whole history may become before `auto` crawls it whole again. `shrink_fraction`: the share of
    an account's known orders that may vanish at once before the crawl is distrusted. `max_pages`: pages of one
    account after which a crawl is taken to go round in circles.
    """

    patience_seconds: PositiveRate = 60.0
    full_crawl_days: PositiveRate = 7.0
    shrink_fraction: Annotated[float, Field(gt=0, le=1, strict=True)] = 0.2
    max_pages: PositiveInt = 20_000


class PolicySection(StrictModel):
    """Everything below `[policy]`: the merchant's choices (model.md 1.4).

    `cod_like_methods`: payment methods whose completed orders count as paid without a payment status. `statuses`: what
    an order status of the source means, beyond or instead of what the vendor documents
    (`domain.recognition.STATUS_MAP`).
    """

    recognition: Literal["paid", "placed", "shipped", "completed"] = "paid"
    cod_like_methods: tuple[SourceWord, ...] = ("cod", "no_payment", "marketplace")
    statuses: dict[SourceWord, OrderState] = Field(default_factory=dict)
    raw_retention_days: PositiveInt = 365
    store_email_phone_hmac: StrictBool = False
    store_geography: StrictBool = False


class ChecksSection(StrictModel):
    """Everything below `[checks]`: limits of the data-quality checks (model.md section 4).

    `..._percent` of the rows: more is an error, not a warning; of the `volume_...`, percent of a usual day's orders.
    """

    residual_negative_percent: Limit = 1.0
    residual_large_percent: Limit = 1.0
    residual_large_share_percent: Limit = 20.0
    recognised_without_date_percent: Limit = 5.0
    unknown_status_percent: Limit = 1.0
    header_vs_lines_percent: Limit = 2.0
    currency_defaulted_percent: Limit = 5.0
    fresh_hours: Limit = 24.0
    stale_hours: Limit = 72.0
    volume_low_percent: Limit = 50.0
    volume_high_percent: Limit = 200.0
    volume_least_orders: Limit = 10.0


class RetentionSection(StrictModel):
    """Everything below `[retention]`.

    `dagster_days`: how long Dagster's events and runs are kept that show nothing of the present any more.
    """

    dagster_days: Annotated[int, Field(ge=1, le=36_500, strict=True)] = 30


class AlertsSection(StrictModel):
    """Everything below `[alerts]`: where `account_failures_sensor` tells of accounts that began to fail.

    `webhook`: address that takes `{"text": ...}` by POST, as Slack's and Mattermost's do. `email_to`: addresses; they
    need `email_from` and `smtp_host`. `ui_url`: address of Dagster's UI, to be put below each alert.
    """

    webhook: Secret | None = None
    email_to: tuple[str, ...] = ()
    email_from: str = ""
    smtp_host: str = ""
    smtp_port: Annotated[int, Field(ge=1, le=65535, strict=True)] = 587
    smtp_starttls: StrictBool = True
    smtp_user: str = ""
    smtp_password: Secret | None = None
    ui_url: BaseUrl | None = None

    @model_validator(mode="after")
    def _has_a_way(self) -> Self:
        if self.webhook is not None and not re.match(r"https?://[^\s/]", self.webhook.get_secret_value()):
            raise ValueError("webhook: write a URL such as https://hooks.example.com/...")
        if self.email_to and not (self.email_from and self.smtp_host):
            raise ValueError("email_to needs email_from and smtp_host")
        if any(not re.fullmatch(r"[^\s@,]+@[^\s@,]+", each) for each in (*self.email_to, self.email_from) if each):
            raise ValueError("email_to and email_from: write addresses such as data@example.com")
        return self


@dataclass(frozen=True, slots=True)
class Kind:
    """How the accounts file describes one source system: stores with customers, or programmes with members.

    `source_secrets` and `person_secrets` are the keys whose values are encrypted in the database.
    """

    word: str
    source_model: type[ScalevStore | KtspProgramme]
    sources: str
    source_name: str
    source_secrets: tuple[str, ...]
    person_model: type[ScalevCustomer | KtspMember]
    people: str
    person_name: str
    person_secrets: tuple[str, ...]


KINDS: dict[SourceSystem, Kind] = {
    "scalev": Kind(
        word="store",
        source_model=ScalevStore,
        sources="stores",
        source_name="store_id",
        source_secrets=("storefront_key",),
        person_model=ScalevCustomer,
        people="customers",
        person_name="name",
        person_secrets=("access_token", "refresh_token"),
    ),
    "ktsp": Kind(
        word="programme",
        source_model=KtspProgramme,
        sources="programmes",
        source_name="name",
        source_secrets=("app_key", "app_secret", "token"),
        person_model=KtspMember,
        people="members",
        person_name="member_id",
        person_secrets=("token",),
    ),
}


class AccountsFile(StrictModel):
    """A whole accounts file."""

    scalev: ScalevSection = ScalevSection()
    ktsp: KtspSection = KtspSection()
    crawl: CrawlSection = CrawlSection()
    policy: PolicySection = PolicySection()
    checks: ChecksSection = ChecksSection()
    retention: RetentionSection = RetentionSection()
    alerts: AlertsSection = AlertsSection()


def parse_accounts(text: str, place: str) -> AccountsFile:
    """Read the text of an accounts file; `place` names it in errors.

    Raises:
        SettingsError: syntax, an unknown key, a wrong type or value, a missing secret, an account named twice.
    """
    try:
        document = _document(text)
    except tomllib.TOMLDecodeError as error:
        line = re.search(r"line (\d+)", str(error))
        where = f"{place}:{line[1]}" if line else place
        raise SettingsError(f"{where}: not valid TOML: {error}") from None
    except (ValueError, RecursionError) as error:  # a number of thousands of digits, or as many brackets
        raise SettingsError(f"{place}: cannot be read as TOML ({type(error).__name__})") from None
    try:
        accounts = AccountsFile.model_validate(document)
    except ValidationError as error:
        lines = key_lines(text)
        raise SettingsError("\n".join(_explain(problem, lines, place) for problem in error.errors())) from None
    _refuse_twins(accounts, text, place)
    return accounts


@lru_cache(maxsize=1)
def _document(text: str) -> dict[str, Any]:
    """Return the document. The last one is kept: a sensor reads a file of thousands of accounts twice a minute."""
    return tomllib.loads(text)


def _explain(problem: Any, lines: Mapping[tuple[str | int, ...], int], place: str) -> str:
    loc = tuple(problem["loc"])
    key = ".".join(str(part) if isinstance(part, str) else f"[{part + 1}]" for part in loc).replace(".[", "[")
    message = {
        "extra_forbidden": "unknown key",
        "missing": "this key is missing",
    }.get(problem["type"], str(problem["msg"]).removeprefix("Value error, "))
    return f"{place}:{line_of(loc, lines)}: {key}: {message}"


def line_of(loc: Sequence[str | int], lines: Mapping[tuple[str | int, ...], int]) -> int:
    """Return the line of a key, or of the nearest table above it."""
    path = tuple(loc)
    while path and path not in lines:
        path = path[:-1]
    return lines.get(path, 1)


def key_lines(text: str) -> dict[tuple[str | int, ...], int]:
    """Map each key and table of a TOML text to its line. tomllib keeps no positions, so the lines are scanned."""
    lines: dict[tuple[str | int, ...], int] = {}
    counts: dict[tuple[str | int, ...], int] = {}
    table: tuple[str | int, ...] = ()
    for number, line in enumerate(text.splitlines(), start=1):
        # No two parts of a pattern match the same blanks: a line of thousands of them would take hours.
        header = re.match(r"(\[\[?)([^\[\]]+)\]", line.lstrip())
        if header:
            table = ()
            names = _dotted(header[2])
            for depth, name in enumerate(names):
                table += (name,)
                if header[1] == "[[" and depth == len(names) - 1:
                    counts[table] = counts.get(table, -1) + 1
                if table in counts:
                    table += (counts[table],)
            lines.setdefault(table, number)
            continue
        key = re.match(r"""([A-Za-z0-9_."' \t-]+)=""", line.lstrip())
        if key:
            lines.setdefault(table + tuple(_dotted(key[1])), number)
    return lines


def _dotted(key: str) -> list[str]:
    return [part.strip().strip("\"'") for part in key.split(".")]


def _refuse_twins(accounts: AccountsFile, text: str, place: str) -> None:
    seen: dict[tuple[str, str], tuple[str | int, ...]] = {}
    for kind, key, loc in _named(accounts):
        if (kind, key) in seen:
            lines = key_lines(text)
            line, first = line_of(loc, lines), line_of(seen[kind, key], lines)
            raise SettingsError(f"{place}:{line}: the {kind} {key} is configured twice (first on line {first})")
        seen[kind, key] = loc


def _named(accounts: AccountsFile) -> Iterator[tuple[str, str, tuple[str | int, ...]]]:
    for system, kind in KINDS.items():
        for i, source in enumerate(getattr(getattr(accounts, system), kind.sources)):
            at: tuple[str | int, ...] = (system, kind.sources, i)
            name = getattr(source, kind.source_name)
            yield kind.word, name, at
            for j, person in enumerate(getattr(source, kind.people)):
                yield "account", f"{name}/{getattr(person, kind.person_name)}", (*at, kind.people, j)


def exposed_literals(path: Path, text: str) -> list[str]:
    """Warn of tokens written into a file that others may read."""
    literal = re.search(
        r"""(?:^[^\S\n]*|^[^#\n]*[{,][^\S\n]*)["']?(access_token|refresh_token|storefront_key|token|app_key|app_secret|webhook|smtp_password)["']?"""
        r"""[^\S\n]*=[^\S\n]*["']""",
        text,
        re.MULTILINE,
    )
    if literal and path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        line = text.count("\n", 0, literal.start(1)) + 1
        return [f"{path}:{line}: {literal[1]} is written out in a file that others may read; run: chmod 600 {path}"]
    return []


def why(error: Exception) -> str:
    """Say in words why a file could not be read."""
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    return "it is not UTF-8 text" if isinstance(error, UnicodeDecodeError) else "no such path"
