"""Refuses flags that reach into what the rules set: seed, scale, output folder, evaluation, and what rules protect."""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from itertools import pairwise

from seedproof.commands.nested import assigned_names, is_literal_number, nested_keys, nested_options
from seedproof.commands.option_names import OptionNames, known_options, plain_name
from seedproof.commands.settings import Setting, first_argument, has_pairs, is_option, override_key
from seedproof.model.refusals import FlagProtected
from seedproof.model.rules import Rules

__all__ = ["Guard", "is_seed_name", "name_words"]

_FIELDS = ("train_tokens", "seed", "output_dir")
_WORDS = frozenset({"eval", "evaluation", "val", "validation", "test", "metric", "metrics", "data"})
# `eval_every`, `evalEvery`, `EVAL2`: letters in one case, or with a capital before small ones.
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
# `-vs7` is `-v -s7` where `-v` takes no value; `-bs 32` is an option of two letters.
_CLUSTER = re.compile(r"-(?P<before>[A-Za-z]{1,3}?)(?P<last>[A-Za-z])(?P<number>[-+]?\d*)")
# yacs in a command that has no other pairs.
_SECTION_KEY = re.compile(r"[A-Z][A-Z0-9_]*(?:\.[A-Z0-9_]+)+")
# What a word seed before it has of its own: `seed_len` is a length.
_OF_A_SEED = frozenset({"len", "length", "size", "dim", "text", "prompt"})
_BY = {
    "seed": "seeds are set by the rules `baseline_seeds` and `experiment_seeds` in seedproof.toml, for both arms alike",
    "train_tokens": "the scale is set by the rule `train_tokens` in seedproof.toml, for both arms alike",
    "output_dir": "the server gives every run an output folder of its own",
}


def name_words(name: str) -> list[str]:
    """The words in an option or a path, in lower case: `--val_tokens` has val and tokens, `--value_lr` has no val."""
    return [word.lower() for word in _WORD.findall(name)]


def is_seed_name(name: str) -> bool:
    """Whether a name has a word that ends in seed or seeds, or random_state: `manualseed`, `dataSeed`, no `--seedling`.

    `seed_len`, `seed_text` and their like are none.
    """
    # Letters that fold to the same ones, as scripts that fold them read them.
    words = [*name_words(unicodedata.normalize("NFKC", name)), ""]
    return any(
        (word.endswith(("seed", "seeds")) and following not in _OF_A_SEED)
        or word == "randomstate"
        or (word, following) == ("random", "state")
        for word, following in pairwise(words)
    )


class Guard:
    """What no experiment may set, under one set of rules."""

    def __init__(self, rules: Rules, names: OptionNames = ()) -> None:
        """Read the command template.

        Args:
            names: The options of the training script, as far as they are known.
        """
        self._known = known_options(names)
        self._protected = tuple(map(_plain, rules.protected))
        self._free = tuple(map(_plain, rules.free))
        self._has_pairs = has_pairs(rules)
        fields = [field for field in _FIELDS if any(f"{{{field}}}" in part for part in rules.command)]
        # A template may call an option `-s` that the script knows as `--seed` as well.
        self._options = {field: field for field in fields}
        self._keys: dict[str, str] = {}
        self._letters: dict[str, str] = {}
        for name, field in _holders(rules):
            if not is_option(name):
                self._keys[_plain(name)] = field
                continue
            self._options[_plain(name)] = field
            if not name.startswith("--") and len(name) == 2:
                self._letters[_plain(name)] = field
        titles = ((self._known.find(name)[0], field) for name, field in _holders(rules) if is_option(name))
        self._titles = {title: field for title, field in titles if title is not None}

    def check(self, flags: Sequence[str], settings: Sequence[Setting]) -> None:
        """Refuse flags that set what is set already.

        Args:
            settings: The same flags, read.

        Raises:
            FlagProtected: With where that is set instead.
        """
        for setting in settings:
            if setting.kind == "option":
                self._check_option(setting)
            elif setting.kind in ("key", "pair"):
                self._check_key(setting.name, *setting.values)
            for value in setting.values:
                self._check_text(value, setting)
        for word, following in pairwise(flags):
            # `--opts SEED 7`: pairs behind an option.
            if not is_option(word) and not is_option(following):
                if self._has_pairs and _plain(word) in self._keys:
                    raise _refused(word, self._keys[_plain(word)])
                if is_seed_name(word) and word.replace(".", "").isidentifier() and is_literal_number(following):
                    raise _refused(word, "seed")

    def check_words(self, settings: Sequence[Setting]) -> None:
        """Refuse names that say that they change evaluation or data, unless `rules.free` has them.

        Raises:
            FlagProtected: With the rule that frees it.
        """
        for setting in settings:
            if setting.kind in ("option", "key", "pair"):
                self._check_words(setting.name, setting.name)
            for value in setting.values:
                for key in (*nested_keys(value), *nested_options(value)):
                    self._check_words(key, key)
            for word in setting.values[:-1]:
                if _SECTION_KEY.fullmatch(word):
                    self._check_words(word, word)

    # --- names ------------------------------------------------------------------------------------

    def _check_option(self, setting: Setting) -> None:
        option = setting.name
        self._check_cluster(option)
        title, _ = self._known.find(option)
        if title is None:
            self._check_abbreviation(option)
            self._check_name(option, option)
            # `-Dkey=value` and `-D~key`.
            if not option.startswith("--") and (setting.is_joined or option[2:3] == "~"):
                self._check_key(option[2:])
        else:
            field = self._titles.get(title)
            if field is not None:
                raise _refused(option, field)
            for name in (option, title):
                self._check_name(name, option)

    def _check_abbreviation(self, option: str) -> None:
        """Refuse what argparse would take for an option of the template, where the script's own are not known."""
        name, is_short = _plain(option), not option.startswith("--")
        if is_short and name[:1] in self._letters:
            raise _refused(option, self._letters[name[:1]])
        # `-s7`: most scripts that have a letter for the seed have this one.
        is_glued = is_short and not name[1:].rstrip("0123456789_+.")
        if is_glued and name[:1] == "s" and "seed" in self._options.values():
            raise _refused(option, "seed")
        if name and not (is_short and len(name) == 1):
            for taken, field in self._options.items():
                # `--trainer` is no abbreviation of `--trainer.out`.
                if taken.startswith(name) and not taken.startswith(f"{name}."):
                    raise _refused(option, field, f"--{taken}")

    def _check_cluster(self, option: str) -> None:
        """Refuse a letter for the seed behind letters of options without values."""
        found = _CLUSTER.fullmatch(option)
        if found is None or self._known.has(option):
            return
        letters = [f"-{letter}" for letter in (*found["before"], found["last"])]
        if all(map(self._known.has, letters)):
            is_seed = self._titles.get(self._known.find(letters[-1])[0] or "") == "seed"
        else:
            is_short = len(letters) < 4 and found["number"] != ""
            is_seed = is_short and letters[-1] == "-s" and "seed" in self._options.values()
        if is_seed:
            raise _refused(option, "seed")

    def _check_key(self, key: str, *values: str) -> None:
        self._check_name(key, key)
        plain = _plain(key)
        # `~run`, `run=null` and mmengine's `run._delete_=true` take away what the template sets in `run`.
        removed = plain.removesuffix("._delete_")
        if removed == plain and not key.startswith("~") and not {one.lower() for one in values} & {"null", "none"}:
            return
        for taken in (*self._keys, *self._protected):
            if taken == removed or taken.startswith(f"{removed}."):
                raise _refused(key, self._keys.get(taken, taken))

    def _check_name(self, name: str, shown: str) -> None:
        plain = _plain(name)
        field = self._keys.get(plain) or self._options.get(plain)
        if field is not None:
            raise _refused(shown, field)
        if _is_among(plain, self._protected):
            raise _refused(shown, "")
        if is_seed_name(name) and not _is_among(plain, self._free):
            raise _refused(shown, "seed")

    def _check_words(self, name: str, shown: str) -> None:
        title, _ = self._known.find(name)
        if _is_among(_plain(name), self._free) or (title is not None and _is_among(_plain(title), self._free)):
            return
        word = next(iter((*_measuring(name), *_measuring(title or ""))), None)
        if word is not None:
            free = name.lstrip("-+~")
            raise FlagProtected(
                f"`{shown}` has the word {word} in its name, so it may change what is measured. If it does not, the "
                f'rule `free = ["{free}"]` in seedproof.toml frees it.'
            )

    # --- values -----------------------------------------------------------------------------------

    def _check_text(self, text: str, setting: Setting) -> None:
        """Refuse keys within a value: `{seed: 7}`, `lr=0.1,seed=7`, `~seed`."""
        if text.startswith("~") and override_key(text) is not None:
            self._check_key(text)
        for key in nested_keys(text):
            # What an option has in braces may be all settings, as with `--config`; a key has what is below it.
            if setting.kind == "option" or is_seed_name(key):
                self._check_name(key, key)
            self._check_name(f"{setting.name.lstrip('-+~')}.{key}", key)
        for name in (*assigned_names(text), *nested_options(text)):
            self._check_name(name, name)


def _measuring(name: str) -> Iterator[str]:
    words = name_words(name)
    # Lightning's `gradient_clip_val` is a value, and so are `min_val` and `init_val`.
    is_value = words[-1:] == ["val"] and words[-2:-1] and words[-2] in ("clip", "min", "max", "init")
    yield from (word for word in (words[:-1] if is_value else words) if word in _WORDS)


def _holders(rules: Rules) -> Iterator[tuple[str, str]]:
    """The options and keys of the template, and the variables, that hold a field; with the field."""
    command = rules.command
    for place, part in enumerate(command):
        for field in (one for one in _FIELDS if f"{{{one}}}" in part):
            yield from ((name, field) for name in _names_of(command, place, part))
    for name, value in rules.env.items():
        yield from ((name, field) for field in _FIELDS if f"{{{field}}}" in value)


def _names_of(command: Sequence[str], place: int, part: str) -> Iterator[str]:
    """What an element with a field is the value of."""
    name, equals, value = part.partition("=")
    if is_option(part):
        inner = override_key(value) if equals else None
        yield inner or (name if equals else part.partition("{")[0])
        return
    key = override_key(part)
    if key is not None:
        yield key
        return
    start, before = first_argument(command), command[place - 1]
    if place > start and "{" not in before and "=" not in before:
        yield before
        # `--opts SEED {seed}`: with argparse a second `--opts` takes the place of the first.
        container = command[place - 2] if place - 2 >= start and not is_option(before) else ""
        if is_option(container) and "=" not in container:
            yield container


def _plain(name: str) -> str:
    return plain_name(unicodedata.normalize("NFKC", name))


def _is_among(plain: str, names: Sequence[str]) -> bool:
    """Whether a name is one of these, or a key within one of them."""
    return any(plain == name or plain.startswith(f"{name}.") for name in names)


def _refused(shown: str, field: str, meant: str | None = None) -> FlagProtected:
    if field not in _BY:
        return FlagProtected(
            f"`{shown}` is named in the rule `protected` in seedproof.toml, so no experiment sets it; `command` does, "
            "for both arms alike."
        )
    abbreviates = f", as an abbreviation of `{meant}`" if meant and meant.lstrip("-") != _plain(shown) else ""
    what = {"seed": "the seed", "train_tokens": "the scale", "output_dir": "the output folder"}[field]
    return FlagProtected(f"`{shown}` would set {what}{abbreviates}; {_BY[field]}.")
