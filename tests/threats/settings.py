"""Settings that cannot be read."""

from seedproof.model.presets import PRESETS

from tests.threats.deeds import compare, removes_settings, run, writes_settings
from tests.threats.rows import Group

GROUP = Group("Settings that cannot be read")


# --- refused in these words -----------------------------------------------------------------------

GROUP.refuses(
    "settings that are not TOML",
    "bad_settings: seedproof.toml is not valid TOML: Expected ']' at the end of a table declaration (at line 1, "
    "column 7) Next: check_baseline()",
    [writes_settings("[rules\n"), ("check_baseline", {})],
    mend=removes_settings,
)
GROUP.refuses(
    "a rule that does not exist",
    "bad_settings: seedproof.toml, line 2: rules.sigma is not known (allowed here: command, "
    "env, seed, replace_seed, flag_style, protected, free, scale, train_tokens, "
    "baseline_seeds, experiment_seeds, extra_seeds, metric, extra_metrics, winner_sigma, "
    "suggestive_sigma, design, pairing, worthwhile_sigma, confirm_seeds, repeat_probe, budget, accept_exit, "
    "campaign, sealed). "
    "Next: check_baseline()",
    [writes_settings("[rules]\nsigma = 3\n"), compare("near")],
    mend=removes_settings,
)
GROUP.refuses(
    "a setting of the wrong type",
    "bad_settings: seedproof.toml, line 3: settings.timeout_min: allowed is a number of minutes above 0. Next: "
    "check_baseline()",
    [writes_settings('[settings]\n# minutes\ntimeout_min = "60"\n'), run()],
    mend=removes_settings,
)
GROUP.refuses(
    "another number of fresh seeds",
    "bad_settings: seedproof.toml, line 2: rules.confirm_seeds: confirm_seeds has 2 seeds; give 3 or 6, or none: then "
    "six are drawn. Next: check_baseline()",
    [writes_settings("[rules]\nconfirm_seeds = [7, 9]\n"), run()],
    mend=removes_settings,
)
GROUP.refuses(
    "fresh seeds that are not fresh",
    "bad_settings: seedproof.toml, line 1: rules: confirm_seeds are fresh: none of them may be a seed of baseline or "
    "experiment. Next: check_baseline()",
    [writes_settings("[rules]\nconfirm_seeds = [7, 42, 9]\n"), run()],
    mend=removes_settings,
)
GROUP.refuses(
    "a preset that does not exist",
    f"bad_settings: seedproof.toml: rules.metric.preset is 'mine'; allowed: {', '.join(PRESETS)}. "
    "Next: check_baseline()",
    [writes_settings('[rules.metric]\npreset = "mine"\n'), ("list_experiments", {})],
    mend=removes_settings,
)
GROUP.refuses(
    "a metric without a source",
    "bad_settings: seedproof.toml, line 1: rules.metric: give either pattern, or file with one of path, column and "
    "tag. Next: check_baseline()",
    [writes_settings('[rules.metric]\nname = "loss"\n'), ("write_report", {})],
    mend=removes_settings,
)
