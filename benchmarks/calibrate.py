"""Measures how often each rule errs, what it finds and what it costs; writes docs/calibration.md and its figures."""

import argparse
from collections.abc import Sequence
from pathlib import Path

import calibrate_checks
import calibrate_study
from calibrate_goals import Findings, goal_table, goals
from calibrate_page import Settings, page
from calibrate_plots import figures

__all__ = ["main", "measure", "write"]

DOCS = Path(__file__).parents[1] / "docs"
# As many as take one to two minutes on two cores.
DEFAULTS = Settings(campaigns=40_000, studies=400_000, seed=42)
# Each part draws from streams of its own, a thousand apart.
_APART = 1_000


def measure(settings: Settings) -> Findings:
    """Simulate everything that the page says."""
    campaigns, studies = settings.campaigns, settings.studies
    seeds = iter(range(_APART * settings.seed, _APART * (settings.seed + 1), 100))
    return Findings(
        campaigns=calibrate_study.campaigns(campaigns, next(seeds)),
        power=calibrate_study.power(studies // 2, next(seeds)),
        portfolio=calibrate_study.portfolio(campaigns, next(seeds)),
        pairs=calibrate_study.same_seed_pairs(campaigns // 2, next(seeds)),
        intervals=calibrate_checks.intervals(studies, next(seeds)),
        signs=calibrate_checks.signs(studies, next(seeds)),
        real=calibrate_checks.real_values(campaigns, next(seeds)),
    )


def write(settings: Settings, docs: Path) -> Findings:
    """Simulate and write the page and its figures under this folder."""
    found = measure(settings)
    (docs / "calibration").mkdir(parents=True, exist_ok=True)
    for name, text in figures(found).items():
        (docs / "calibration" / name).write_text(text, encoding="utf-8")
    (docs / "calibration.md").write_text(page(found, settings), encoding="utf-8")
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--campaigns", type=int, default=DEFAULTS.campaigns, help="rounded up to thousands")
    parser.add_argument("--studies", type=int, default=DEFAULTS.studies, help="rounded up to twenty thousands")
    parser.add_argument("--seed", type=int, default=DEFAULTS.seed)
    parser.add_argument("--docs", type=Path, default=DOCS, help="the folder to write into")
    options = parser.parse_args(arguments)
    found = write(Settings(options.campaigns, options.studies, options.seed), options.docs)
    print(goal_table(goals(found)))
    print(f"wrote {options.docs / 'calibration.md'} and its figures")


if __name__ == "__main__":
    main()
