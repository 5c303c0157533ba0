"""Measures how often each rule errs, what it finds and what it costs; writes docs/calibration.md and its figures."""

import argparse
from collections.abc import Sequence
from pathlib import Path

import calibrate_study
from calibrate_page import Settings, page
from calibrate_plots import figures

__all__ = ["main", "write"]

DOCS = Path(__file__).parents[1] / "docs"
# As many as take half a minute of CPU time, so that a busy machine with two cores stays well under 90 s.
DEFAULTS = Settings(campaigns=25_000, studies=100_000, seed=42)


def write(settings: Settings, docs: Path) -> None:
    """Simulate and write the page and its figures under this folder."""
    outcomes = calibrate_study.run(settings.campaigns, settings.seed)
    stressed = calibrate_study.stress(settings.studies, settings.seed + 1)
    (docs / "calibration").mkdir(parents=True, exist_ok=True)
    for name, text in figures(outcomes).items():
        (docs / "calibration" / name).write_text(text, encoding="utf-8")
    (docs / "calibration.md").write_text(page(outcomes, stressed, settings), encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--campaigns", type=int, default=DEFAULTS.campaigns, help="rounded up to thousands")
    parser.add_argument("--studies", type=int, default=DEFAULTS.studies, help="for each kind of noise")
    parser.add_argument("--seed", type=int, default=DEFAULTS.seed)
    parser.add_argument("--docs", type=Path, default=DOCS, help="the folder to write into")
    options = parser.parse_args(arguments)
    write(Settings(options.campaigns, options.studies, options.seed), options.docs)
    print(f"wrote {options.docs / 'calibration.md'} and its figures")


if __name__ == "__main__":
    main()
