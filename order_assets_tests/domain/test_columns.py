"""Readers of JSON values."""

from __future__ import annotations

import sys

from order_assets.domain.columns import arrow, label, one_label


def test_one_label_is_read_as_a_column_of_them() -> None:
    """Without it, an order's key in the crawl could differ from its key in the facts by a blank of some script."""
    letters = [chr(number) for number in range(sys.maxunicode + 1) if not 0xD800 <= number <= 0xDFFF]
    values: list[object] = [*letters, *(f"{letter}a{letter}" for letter in letters)]
    values += ["", "  ", " a b ", "\0", 5, 2.5, -0.0, 10**30, 1e22, True, None, {}, [1]]
    assert [one_label(value) for value in values] == arrow(label(values)).to_pylist()
