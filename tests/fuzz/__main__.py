"""Fuzz one target, guided by the code that its inputs reach: `python -m tests.fuzz decode --seconds 600`.

Ends with 0 when no input was at fault. Otherwise the input lies in the folder of `--keep`; once it is mended it belongs
into tests/fuzz/found/TARGET, whose files every run of the tests tries.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import atheris  # type: ignore[import-not-found, import-untyped, unused-ignore]

with atheris.instrument_imports(include=["tallystick", "sqlglot"]):
    from tests.fuzz.targets import TARGETS, seeds

SLOW_SECONDS = 20
"""An input that takes longer is at fault: the fuzzer stops with it. The machine may do other things too."""
LONGEST = 4_096
"""Most bytes of an input."""
MEMORY_MIB = 2_048


def main() -> None:
    parser = argparse.ArgumentParser(prog="tests.fuzz")
    parser.add_argument("target", choices=TARGETS)
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--seed", type=int, default=0, help="of the fuzzer's random numbers; 0: another one each time")
    parser.add_argument("--keep", type=Path, default=Path("build/fuzz"), help="folder for inputs that are at fault")
    options = parser.parse_args()
    options.keep.mkdir(parents=True, exist_ok=True)
    corpus = Path(tempfile.mkdtemp(prefix=f"fuzz-{options.target}-"))
    for number, seed in enumerate(seeds(options.target)):
        (corpus / f"seed-{number}").write_bytes(seed)
    arguments = [
        f"-max_total_time={options.seconds}",
        f"-max_len={LONGEST}",
        f"-timeout={SLOW_SECONDS}",
        f"-rss_limit_mb={MEMORY_MIB}",
        f"-seed={options.seed}",
        f"-artifact_prefix={options.keep}/{options.target}-",
        "-print_final_stats=1",
        str(corpus),
    ]
    atheris.Setup([sys.argv[0], *arguments], TARGETS[options.target])
    atheris.Fuzz()


main()
