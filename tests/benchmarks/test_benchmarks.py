"""The ledgers that benchmarks measure on are ones that the product reads, or they would time its refusals."""

import sys
from pathlib import Path

from seedproof_mcp.service.service import Service
from seedproof_mcp.system.paths import ProjectPaths

from tests.support.places import ROOT

sys.path.append(str(ROOT / "benchmarks"))

from large_ledger import write_campaign


def test_a_large_ledger_answers_like_one_of_real_runs(tmp_path: Path) -> None:
    write_campaign(ProjectPaths(tmp_path), 40, is_judged=True)
    service = Service(tmp_path)
    baseline, listed = service.check_baseline(), service.list_experiments()
    assert (baseline.phase, baseline.notices) == ("ready", [])
    assert listed.total == listed.judged == 7
    assert {one.verdict for one in listed.experiments} == {"NEUTRAL"}
