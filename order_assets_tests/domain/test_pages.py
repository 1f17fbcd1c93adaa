"""The repair of text that decoders refuse."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from order_assets.domain.pages import repaired


@pytest.mark.parametrize(
    ("broken", "whole"),
    [
        (rb'["\ud83d"]', ["\N{REPLACEMENT CHARACTER}"]),
        (rb'["\uDE00!"]', ["\N{REPLACEMENT CHARACTER}!"]),
        (rb'["\ud83d\ud83d\ude00"]', ["\N{REPLACEMENT CHARACTER}\N{GRINNING FACE}"]),
        (rb'["\ude00\ud83d"]', ["\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}"]),
        (rb'["\ud83d\n\u0041"]', ["\N{REPLACEMENT CHARACTER}\nA"]),
        (rb'{"\ud83d": 1}', {"\N{REPLACEMENT CHARACTER}": 1}),
        (b'\xef\xbb\xbf["a"]', ["a"]),
        (b'["caf\xe9"]', ["caf\N{REPLACEMENT CHARACTER}"]),
        (b'\xef\xbb\xbf["\xff", "\\ud83d"]', ["\N{REPLACEMENT CHARACTER}", "\N{REPLACEMENT CHARACTER}"]),
    ],
)
def test_what_can_be_repaired(broken: bytes, whole: object) -> None:
    """Without it, half an emoji in one order's notes would cost every order of the page, at every crawl."""
    with pytest.raises((msgspec.DecodeError, UnicodeDecodeError)):
        msgspec.json.decode(broken)
    assert msgspec.json.decode(repaired(broken)) == whole


@pytest.mark.parametrize(
    "whole", [b"", b"[]", rb'["\ud83d\ude00"]', rb'["\\ud83d"]', rb'["\\\\ud83d"]', '["é😀"]'.encode(), rb'["\"\/"]']
)
def test_what_is_whole_stays(whole: bytes) -> None:
    """Without it, the repair would change good letters, and with them the fingerprint of an order."""
    assert repaired(whole) == whole


PIECES = st.sampled_from(
    [rb"\ud83d", rb"\ude00", rb"\uD83D", rb"\uDE00", rb"\\", rb"\"", rb"\n", rb"\u0041", b"ud83d", b"x", b"\xc3\xa9"]
)


@given(st.lists(PIECES, max_size=8).map(b"".join))
def test_only_what_is_refused_is_changed(text: bytes) -> None:
    """Without it, the repair could miss a half, or take one half of a whole."""
    content = b'{"a": "%s"}' % text
    try:
        sent = msgspec.json.decode(content)
    except msgspec.DecodeError:
        sent = None
    assert (repaired(content) == content) == (sent is not None)
    letters = json.loads(content)["a"].encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    assert msgspec.json.decode(repaired(content)) == {"a": letters}
