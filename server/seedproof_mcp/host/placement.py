"""What a run is placed with: the project's settings, or those of the slot that it takes where there are several."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from seedproof.model.refusals import BadSettings
from seedproof.model.runs import Run
from seedproof.verdict.place import SLOT_VARIABLES, make_place

from seedproof_mcp.host.fingerprint import Surroundings
from seedproof_mcp.host.place import Place
from seedproof_mcp.host.settings import Config
from seedproof_mcp.host.slots import NamedSlot
from seedproof_mcp.system.paths import ProjectPaths

__all__ = ["Placement", "are_several", "free_slots", "placement", "require_alike"]


@dataclass(frozen=True, slots=True)
class Placement:
    """What a run is started with on its slot."""

    paths: ProjectPaths
    """The project, with the working trees of the slot."""
    config: Config
    """Rules and settings, the variables of the slot among them."""
    at_once: int = 1
    """How many runs may train at the same time."""


def are_several(config: Config, slots: Sequence[NamedSlot]) -> bool:
    """Whether runs may train side by side, or the settings say how many may."""
    return config.settings.slots is not None or len(slots) > 1


def placement(paths: ProjectPaths, config: Config, slots: Sequence[NamedSlot], slot: NamedSlot) -> Placement:
    """What a run that takes a slot is started with; where one run at a time is trained, the settings as they are."""
    if not are_several(config, slots):
        return Placement(paths, config)
    on_slot = config.model_copy(update={"settings": config.settings.on_slot(slot)})
    return Placement(paths.of_slot(slot.name), on_slot, len(slots))


def free_slots(slots: Sequence[NamedSlot], training: Iterable[Run], share_devices: bool) -> list[NamedSlot]:
    """The slots that no run of the project has.

    Args:
        slots: Those that the settings name now.
        training: The runs that train, with the slots that the settings named when they started.
        share_devices: Whether a run on a slot that is named no more may have the device of one that is.
    """
    held = [(run.surroundings.get("slot"), run.surroundings.get("slot_env") or {}) for run in training]
    named = [(slot.name, {one: slot.env[one] for one in SLOT_VARIABLES if one in slot.env}) for slot in slots]
    strays = [env for name, env in held if share_devices and (name, env) not in named]
    names = {name for name, _ in held}
    pairs = zip(slots, named, strict=True)
    # Without variables of a slot, a run sees all devices.
    return [slot for slot, (name, own) in pairs if name not in names and not any(env in ({}, own) for env in strays)]


def require_alike(paths: ProjectPaths, config: Config, slots: Sequence[NamedSlot], place: Place) -> None:
    """Refuse slots whose trainings would see different devices: their runs could not be compared.

    Raises:
        BadSettings: Two of them differ.
    """
    # Those of a cluster have no variables, and there may be a thousand.
    unlike: dict[tuple[tuple[str, str], ...], NamedSlot] = {}
    for slot in slots:
        unlike.setdefault(tuple(sorted(slot.env.items())), slot)
    if len(unlike) < 2:
        return
    devices = {slot.name: _device(placement(paths, config, slots, slot), place) for slot in unlike.values()}
    (first, device), *others = devices.items()
    for name, other in others:
        if other != device:
            raise BadSettings(
                f"settings.slots: the slot {first} has {device}, and the slot {name} has {other}; runs are compared on "
                'equal devices only. Name slots with equal ones; where GPUs differ, CUDA_DEVICE_ORDER = "PCI_BUS_ID" '
                "in each env makes clear which one an index means."
            )


def _device(placed: Placement, place: Place) -> str:
    """The device that a training on a slot would see, in words."""
    found = make_place(*Surroundings(placed.paths, placed.config, place).compared()).device or {}
    return ", ".join(f"{name} {part}" for name, part in found.items()) or "no known device"
