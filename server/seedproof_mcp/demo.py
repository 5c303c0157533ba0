"""The demonstration: a real server over stdio, real training, the protocol's story."""

__all__ = ["run_demo"]


def run_demo(keep: bool = False) -> int:
    """Tell the story; 0 only if the protocol behaved as described."""
    raise NotImplementedError
