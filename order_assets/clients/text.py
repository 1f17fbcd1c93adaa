"""Making bodies readable that are almost JSON: a byte order mark, half a surrogate pair.

Used only after a body could not be read as it is; what is stored is always the body as received. Broken UTF-8 is not
repaired here: it may be in a cursor, and a changed cursor would ask for another page.
"""

from __future__ import annotations

import re

_BOM = b"\xef\xbb\xbf"
# A high surrogate with no low one behind it, or a low one with no high one before it. Pairs of backslashes before the
# escape are taken along: after an odd one it would be plain text.
_HALF = re.compile(
    rb"(?<!\\)((?:\\\\)*)(?:(\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})"
    rb"|\\u[dD][89a-fA-F][0-9a-fA-F]{2})"
)


def repaired(content: bytes) -> bytes:
    """Return the content without its byte order mark, and with U+FFFD for half surrogates."""
    return _HALF.sub(lambda found: found[1] + (found[2] or rb"\ufffd"), content.removeprefix(_BOM))
