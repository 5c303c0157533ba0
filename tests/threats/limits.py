"""What cannot be prevented: the honest last rows."""

from tests.threats.rows import Limit

__all__ = ["LIMITS"]

LIMITS: tuple[Limit, ...] = (
    Limit(
        "Writes a script that prints a better number where it sees the flag.",
        "Seedproof reads what the training prints, and cannot know whether it is true.",
        "The code of every arm and the difference between them are kept, so a reader of the diff can see it.",
    ),
    Limit(
        "Trains on the validation data from the beginning, in both arms.",
        "Both arms are measured with the same wrong yardstick, and the comparison is right for it.",
        "Nothing, but the code that is kept; each report ends with the words that it holds on this validation set.",
    ),
    Limit(
        "Weakens the baseline before it is measured, so that the experiment only repairs it.",
        "What a fair baseline is stands in no file.",
        "The command and the code of the baseline are kept, and its mean stands in each report.",
    ),
    Limit(
        "Writes a flag that changes the evaluation and gives it a harmless name.",
        "Only names can be judged, and only by words that are known.",
        "The difference of the code, where the flag came with one; `rules.sealed` keeps the evaluation as it was.",
    ),
    Limit(
        "Hands a run a variable through the environment that the client was started with, which no setting names.",
        "Such environments hold much that is secret and changes by itself, so that only few of their variables are "
        "recorded.",
        "The code that reads it is kept.",
    ),
    Limit(
        "Lets a script look its role up in the ledger, or in the command line of a process above it.",
        "A training is a process of the same user, and may look at whatever that user may.",
        "The code of every arm, which is kept.",
    ),
    Limit(
        "Reads a file below Python, as a compiled library does, and lets go of it before anybody looks.",
        "Only Python tells what it opens; open and mapped files of other programs are looked at from time to time.",
        "The record says that a run was observed partly, and rules that seal a file do not depend on who reads it.",
    ),
    Limit(
        "Lets a script ask whether a file exists, and never open it.",
        "Nothing is read, and programs ask this of thousands of files that matter to nobody.",
        "The code of every arm, which is kept.",
    ),
    Limit(
        "Names a length in `rules.scale` that the command does not have.",
        "The words are the user's, they set nothing, and both arms have the same.",
        "The command, and the wall time and steps of the runs, stand in every report beside them.",
    ),
    Limit(
        "Exchanges a compiled program outside the project between the arms, which starts the training and is gone "
        "before anybody looks.",
        "Only scripts are known as part of a command; a program hands over to another one within a millisecond.",
        "The command, which names it; the probe, where it is exchanged while the baseline is measured.",
    ),
    Limit(
        "Starts the training by hand, outside the server, to know beforehand what a seed will give.",
        "Who has the script and a seed can run it, and nothing of that is in a ledger.",
        "The confirmation, whose seeds are drawn once the verdict is there.",
    ),
    Limit(
        "Edits `output.log` or `result.json` while the training runs, or before the conductor has read them.",
        "The training and the agent are the same user, and both may write there.",
        "Nothing, if it is done in time; afterwards the recorded hash of the log no longer fits.",
    ),
    Limit(
        "Appends records with right hashes to the ledger, of runs that never were.",
        "The hashes are no signatures: who can read the ledger can compute them.",
        "Their logs are missing, or were made up as well; heads that were witnessed outside show when they came.",
    ),
    Limit(
        "Rewrites ledger, mirror, reports, logs and registry all together, before anything left the machine.",
        "Everything on a machine can be rewritten by whoever may write there.",
        "Each head that was seen outside: in a reply, a commit, a pull request.",
    ),
    Limit(
        "Tries a hundred ideas on another machine or as another user, and declares the best one here.",
        "A ledger knows what was declared in it.",
        "The confirmation on fresh seeds, which the earlier tries could not select for.",
    ),
    Limit(
        "Looks at an interim value of a run and decides what to try next.",
        "Runs are there to be looked at.",
        "Every declared experiment counts in the campaign, also one that was given up.",
    ),
    Limit(
        "Begins new baselines or new names until one of them is lucky, and admits it.",
        "A new beginning is sometimes right, and a reason is easily written.",
        "All of them stand in each later report, with their reasons, means and verdicts.",
    ),
    Limit(
        "Replaces Seedproof itself, or its Python, by an edited copy.",
        "A program cannot vouch for itself.",
        "`seedproof verify --regenerate` with an unedited copy, for instance in CI, makes every report again.",
    ),
    Limit(
        "Disturbs the machine during the baseline, so that the experiment looks faster.",
        "Load is measured before and after a run, not during it.",
        "Only alternated runs of a confirmation claim a change of wall time.",
    ),
    Limit(
        "Does something else altogether in the training script: deletes files, reads secrets, calls the network.",
        "Approving `run_seed` means approving whatever the script does; Seedproof is no sandbox.",
        "The output of the run, and the code that is kept.",
    ),
    Limit(
        "Never calls a tool, and tells the user a number of its own.",
        "Nobody can be made to ask.",
        "There is no report whose head is in the ledger; ask for it.",
    ),
)
