"""Coverage-guided fuzzing of the targets with atheris: `python -m order_assets_tests.garbage.fuzz --seconds 600`.

Begins with the kept corpus. New inputs that reach new code go to a work folder; `--keep` takes the smallest set of
them over into the corpus, for the tests to replay. An input that breaks a promise is written there as well; it
belongs into the corpus once it is mended.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["order_assets"], enable_loader_override=False):
    from order_assets.domain.documented import Documented
    from order_assets_tests.garbage.targets import TARGETS

import msgspec

CORPUS = Path(__file__).parent / "corpus"
_LONGEST_KEPT = 2_048  # bytes; larger ones say nothing that a small one does not
_SECONDS_PER_INPUT = 30  # by the clock, and machines can be busy
_INNER = "--inner"
_WORDS = ("\\ud83d", "\\u0000", "e+9", "null", "true", "[[", "]]", "env", "gzip", "+07:00", '"data":[{', '"items":[{')


def main() -> int:
    """Fuzz each target in a process of its own, so that one crash does not hide the others; return how many broke."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("targets", nargs="*", help=f"of {', '.join(TARGETS)}; default: all")
    parser.add_argument("--seconds", type=int, default=60, help="per target")
    parser.add_argument("--seed", type=int, default=0, help="of the mutations; default: another each time")
    parser.add_argument("--work", type=Path, default=Path(".order_assets/fuzz"), help="where new inputs go")
    parser.add_argument("--keep", action="store_true", help="take what was found over into the corpus")
    chosen = parser.parse_args()
    broken = []
    for name in chosen.targets or TARGETS:
        found, kept = chosen.work / name, CORPUS / name
        found.mkdir(parents=True, exist_ok=True)
        words = chosen.work / "words"
        words.write_text("\n".join(_dictionary()), encoding="utf-8")
        common = [
            f"-seed={chosen.seed}",
            f"-timeout={_SECONDS_PER_INPUT}",
            f"-artifact_prefix={found}-broken-",
            "-rss_limit_mb=4000",
        ]
        if chosen.keep:
            arguments = ["-merge=1", f"-max_len={_LONGEST_KEPT}", *common, str(kept), str(found)]
        else:
            arguments = [
                f"-max_total_time={chosen.seconds}", "-max_len=8192", f"-dict={words}", "-print_final_stats=1",
                "-verbosity=0", *common, str(found), str(kept),
            ]  # fmt: skip
        if _apart(name, arguments):
            broken.append(name)
    sys.stderr.write(f"broken: {', '.join(broken) or 'none'} of {len(chosen.targets or TARGETS)} targets\n")
    return len(broken)


def _apart(name: str, arguments: list[str]) -> bool:
    """Run libFuzzer, which ends its process, in a child; return whether it found something."""
    child = os.fork()
    if not child:
        _fuzz(name, arguments)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status) != 0


def _fuzz(name: str, arguments: list[str]) -> None:
    # libFuzzer starts itself again to merge, by its first argument.
    atheris.Setup([f"{sys.executable} -m {__spec__.name} {_INNER} {name}", *arguments], TARGETS[name])
    atheris.Fuzz()
    os._exit(0)


def _dictionary() -> Iterator[str]:
    """Yield what mutations are made of, as libFuzzer reads it: the fields of both sources."""
    fields = (field for shape in Documented.__subclasses__() for field in msgspec.structs.fields(shape))
    for word in (*sorted({f'"{field.encode_name}":' for field in fields}), *_WORDS):
        yield '"' + "".join(f"\\x{byte:02x}" for byte in word.encode()) + '"'


if __name__ == "__main__":
    if sys.argv[1:2] == [_INNER]:
        _fuzz(sys.argv[2], sys.argv[3:])
    sys.exit(main())
