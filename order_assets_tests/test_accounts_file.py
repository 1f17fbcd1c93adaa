"""The accounts file: every wrong thing with its place; the documented example is in test_settings."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from order_assets.accounts_file import SettingsError, parse_accounts

_STORE = '[[scalev.stores]]\nstore_id = "s"\n'
_CUSTOMER = f'{_STORE}[[scalev.stores.customers]]\nname = "c"\naccess_token = "t"\n'
_PROGRAMME = '[[ktsp.programmes]]\nname = "p"\nbase_url = "https://k.example"\napp_key = "k"\n'
WRONG = {
    "syntax": ("[scalev]\npage_size = = 3\n", 2, "not valid TOML"),
    "unknown key at the top": ("[scalev]\n\n[scalevv]\n", 3, "scalevv: unknown key"),
    "unknown key in a section": ("[scalev]\npage_siz = 3\n", 2, "scalev.page_siz: unknown key"),
    "unknown key in a store": (f"{_STORE}zone = 'UTC'\n", 3, "scalev.stores[1].zone: unknown key"),
    "unknown key in a customer": (f"{_CUSTOMER}e = 1\n", 6, "scalev.stores[1].customers[1].e: unknown key"),
    "unknown key in a programme": (f"{_PROGRAMME}stores = []\n", 5, "ktsp.programmes[1].stores: unknown key"),
    "unknown key in a member": (
        f'{_PROGRAMME}[[ktsp.programmes.members]]\nmember_id = "m"\nname = "n"\n',
        7,
        "ktsp.programmes[1].members[1].name: unknown key",
    ),
    "unknown key in the policy": ("[policy]\nx = 1\n", 2, "policy.x: unknown key"),
    "missing key": ("\n[[scalev.stores]]\n", 2, "scalev.stores[1].store_id: this key is missing"),
    "missing key of the second": (
        f'{_CUSTOMER}[[scalev.stores.customers]]\nname = "d"\n',
        6,
        "scalev.stores[1].customers[2].access_token: this key is missing",
    ),
    "text for a number": ('[scalev]\npage_size = "25"\n', 2, "scalev.page_size: "),
    "a float for a whole number": ("[ktsp]\n\nmax_in_flight = 1.5\n", 3, "ktsp.max_in_flight: "),
    "text for a rate": ('[ktsp]\nrequests_per_second = "8"\n', 2, "ktsp.requests_per_second: "),
    "a rate that is no number": ("[ktsp]\nrequests_per_second = nan\n", 2, "ktsp.requests_per_second: "),
    "text for a switch": ('[policy]\nstore_geography = "yes"\n', 2, "policy.store_geography: "),
    "number for a text": ("[[scalev.stores]]\nstore_id = 5\n", 2, "scalev.stores[1].store_id: "),
    "number for a table": ("scalev = 3\n", 1, "scalev: "),
    "text for a list": ('[scalev]\nstores = "s"\n', 2, "scalev.stores: "),
    "no page": ("[ktsp]\npage_size = 0\n", 2, "ktsp.page_size: "),
    "a larger page than KTSP has": ("[ktsp]\npage_size = 201\n", 2, "ktsp.page_size: "),
    "no Scalev page": ("[scalev]\npage_size = 0\n", 2, "scalev.page_size: "),
    "third first page": ("[ktsp]\nfirst_page = 2\n", 2, "ktsp.first_page: "),
    "a status that means nothing known": ('[policy.statuses]\nx = "done"\n', 2, "policy.statuses.x: "),
    "a status in capitals": ('[policy.statuses]\nX = "open"\n', 2, "policy.statuses.X"),
    "a method in capitals": ('[policy]\ncod_like_methods = ["COD"]\n', 2, "policy.cod_like_methods[1]: "),
    "a webhook that is no URL": ('[alerts]\nwebhook = "hooks"\n', 1, "alerts: webhook: "),
    "mail to nobody": ('[alerts]\nemail_to = ["a b"]\nemail_from = "a@b"\nsmtp_host = "h"\n', 1, "alerts: email_to"),
    "mail without a server": ('[alerts]\nemail_to = ["a@b.c"]\n', 1, "alerts: email_to needs"),
    "another policy": ('[policy]\nrecognition = "hoped"\n', 2, "policy.recognition: "),
    "bad zone": (f'{_STORE}time_zone = "Jakarta"\n', 3, "scalev.stores[1].time_zone: 'Jakarta' is not an IANA"),
    "zone of a folder": (f'{_STORE}time_zone = "Asia"\n', 3, "scalev.stores[1].time_zone: "),
    "zone of a path": (f'{_STORE}time_zone = "/etc/passwd"\n', 3, "scalev.stores[1].time_zone: "),
    "currency in lower case": (f'{_STORE}currency = "idr"\n', 3, "scalev.stores[1].currency: 'idr' is not"),
    "no currency": (f'{_STORE}currency = "XXX"\n', 3, "scalev.stores[1].currency: 'XXX' is not"),
    "bad address": ('[scalev]\nbase_url = "api.scalev.com"\n', 2, "scalev.base_url: write a URL"),
    "missing variable": (
        f'{_STORE}storefront_key = {{ env = "NOT_SET" }}\n',
        3,
        "scalev.stores[1].storefront_key: the environment variable NOT_SET is not set",
    ),
    "unreadable secret file": (
        f'{_STORE}storefront_key = {{ file = "none.txt" }}\n',
        3,
        "scalev.stores[1].storefront_key: cannot read the secret file none.txt: No such file",
    ),
    "secret file of nobody": (
        f'{_STORE}storefront_key = {{ file = "~no-such-user/x" }}\n',
        3,
        "scalev.stores[1].storefront_key: cannot read the secret file ~no-such-user/x",
    ),
    "empty secret": (f'{_STORE}storefront_key = " "\n', 3, "scalev.stores[1].storefront_key: the secret is empty"),
    "empty optional secret": (
        f'{_CUSTOMER}refresh_token = ""\n',
        6,
        "scalev.stores[1].customers[1].refresh_token: the secret is empty",
    ),
    "number as secret": (f"{_STORE}storefront_key = 5\n", 3, "scalev.stores[1].storefront_key: "),
    "secret from two places": (
        f'{_STORE}storefront_key = {{ env = "A", file = "b" }}\n',
        3,
        'scalev.stores[1].storefront_key: a secret is { env = "NAME" }',
    ),
}  # fmt: skip


@pytest.mark.parametrize(("text", "line", "words"), WRONG.values(), ids=WRONG)
def test_an_error_names_file_line_and_key(text: str, line: int, words: str) -> None:
    """Without it, a user with thousands of accounts would search for one wrong character."""
    with pytest.raises(SettingsError) as caught:
        parse_accounts(text, "here/accounts.toml")
    assert str(caught.value).startswith(f"here/accounts.toml:{line}: ")
    assert words in str(caught.value)


def test_all_wrong_keys_are_named_at_once() -> None:
    """Without it, a file with three mistakes would take three attempts."""
    with pytest.raises(SettingsError) as caught:
        parse_accounts("[scalev]\npage_size = 0\nx = 1\n[policy]\nraw_retention_days = 0\n", "f")
    assert [line.split(": ")[0] for line in str(caught.value).splitlines()] == ["f:2", "f:3", "f:5"]


@pytest.mark.parametrize("content", ["", " \n\t\n"])
def test_an_empty_secret_is_refused_wherever_it_comes_from(
    content: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without it, a forgotten secret would show as a refused token after the first request."""
    (tmp_path / "secret").write_text(content, encoding="utf-8")
    with pytest.raises(SettingsError, match=r"^f:3: .*storefront_key: the secret file .*secret is empty"):
        parse_accounts(f'{_STORE}storefront_key = {{ file = "{tmp_path}/secret" }}\n', "f")
    monkeypatch.setenv("BLANK", content)
    with pytest.raises(SettingsError, match=r"^f:3: .*storefront_key: the environment variable BLANK is not set"):
        parse_accounts(f'{_STORE}storefront_key = {{ env = "BLANK" }}\n', "f")


def test_a_secret_from_a_file_comes_without_its_line_end(tmp_path: Path) -> None:
    """Without it, a token written by an editor would be sent with a newline, which HTTP forbids."""
    (tmp_path / "secret").write_text("token\n", encoding="utf-8")
    key = parse_accounts(f'{_STORE}storefront_key = {{ file = "{tmp_path}/secret" }}', "f").scalev.stores[0]
    assert key.storefront_key is not None
    assert key.storefront_key.get_secret_value() == "token"


_TWINS = {
    "store": (f'{_STORE}\n[[scalev.stores]]\nstore_id = "s"\n', 4, 1, "the store s"),
    "customer": (f"{_CUSTOMER}[[scalev.stores.customers]]\nname = 'c'\naccess_token = 'u'\n", 6, 3, "the account s/c"),
    "programme": (f"{_PROGRAMME}{_PROGRAMME}", 5, 1, "the programme p"),
    "member": (
        _PROGRAMME + '[[ktsp.programmes.members]]\nmember_id = "m"\n# again\n' * 2,
        8,
        5,
        "the account p/m",
    ),
}


@pytest.mark.parametrize(("text", "second", "first", "words"), _TWINS.values(), ids=_TWINS)
def test_twins_are_named_with_both_lines(text: str, second: int, first: int, words: str) -> None:
    """Without it, two tokens would take turns under one partition."""
    with pytest.raises(SettingsError) as caught:
        parse_accounts(text, "f")
    assert str(caught.value) == f"f:{second}: {words} is configured twice (first on line {first})"


def test_the_same_name_in_two_stores_is_no_twin() -> None:
    """Without it, every store would need names of its own."""
    parsed = parse_accounts(_CUSTOMER + _CUSTOMER.replace('"s"', '"other"'), "f")
    assert len(parsed.scalev.stores) == 2


@pytest.mark.parametrize(
    "name", ["", " ", "a b", "a/b", "a|b", "a\\tb", "a\\u0000b", "a\\u001fb", "a...b", "a,b", "[a]", "x" * 121]
)
def test_names_that_cannot_be_partition_keys_are_refused(name: str) -> None:
    """Without it, Dagster would refuse the partition, or two people would share a pseudonym, after the crawl."""
    with pytest.raises(SettingsError, match=r"^f:2: scalev\.stores\[1\]\.store_id: use 1 to 120 characters"):
        parse_accounts(f'[[scalev.stores]]\nstore_id = "{name}"\n', "f")


@pytest.mark.parametrize("name", ["c-001", "KT00000001", "naïve", "a..b", "x" * 120])
def test_ordinary_names_pass(name: str) -> None:
    """Without it, the rule for names could refuse what people use."""
    assert parse_accounts(f'[[scalev.stores]]\nstore_id = "{name}"\n', "f").scalev.stores[0].store_id == name


_LINES = {
    "inline table": ("scalev = { page_size = 0 }", 1),
    "inline table in a list": ("# x\n[scalev]\nstores = [{ store_id = 5 }]", 3),
    "comment before": ("# [scalev]\n# page_size = 0\n[scalev]\n# page_size = 1\npage_size = 0", 5),
    "comment behind": ("[scalev] # here\npage_size = 0 # page_size = 9", 2),
    "quoted key": ('[scalev]\n"page_size" = 0', 2),
    "quoted table": ("['scalev']\n\n'page_size' = 0", 3),
    "dotted key": ("\nscalev.page_size = 0", 2),
    "spaced header": ("[ scalev ]\n  page_size   =   0", 2),
    "third customer of the second store": (
        (
            f"{_CUSTOMER}{_CUSTOMER.replace(chr(34) + 's' + chr(34), chr(34) + 'z' + chr(34))}"
            '[[scalev.stores.customers]]\nname = "d"\naccess_token = "t"\n'
            '[[scalev.stores.customers]]\nname = "e"\naccess_token = 7\n'
        ),
        16,
    ),
    "programme after stores": (f"{_CUSTOMER}{_PROGRAMME}currency = 'hkd'", 10),
}


@pytest.mark.parametrize(("text", "line"), _LINES.values(), ids=_LINES)
def test_the_line_is_found_in_every_spelling(text: str, line: int) -> None:
    """Without it, errors would point to the wrong line of a file written in another style than ours."""
    with pytest.raises(SettingsError, match=rf"^f:{line}: "):
        parse_accounts(text, "f")


@pytest.mark.parametrize("text", ["a = " + "[" * 50_000, "a = " + "1" * 5_000], ids=["brackets", "digits"])
def test_absurd_files_are_refused_politely(text: str) -> None:
    """Without it, limits of Python's parser would show as a traceback."""
    with pytest.raises(SettingsError, match=r"^f: cannot be read as TOML"):
        parse_accounts(text, "f")


_fragments = st.sampled_from(
    ["[scalev]", "[[scalev.stores]]", "[[scalev.stores.customers]]", "[ktsp]", "[[ktsp.programmes]]", "[policy]",
     'store_id = "s"', 'name = "c"', "access_token = { env = 'NONE' }", "page_size = 3", "base_url = ''", "\n", "="]
)  # fmt: skip


@given(st.one_of(st.text(), st.lists(st.one_of(_fragments, st.text(max_size=9)), max_size=9).map("\n".join)))
@hypothesis_settings(max_examples=300, deadline=None)
def test_whatever_stands_in_the_file_only_a_settings_error_comes_out(text: str) -> None:
    """Without it, some file would still end in a traceback instead of exit code 2."""
    try:
        parse_accounts(text, "f")
    except SettingsError as error:
        assert str(error).startswith("f")  # noqa: PT017 - either outcome is right, a wrong error is not
