"""What must hold of a file that was damaged at random."""

from pathlib import Path

import numpy as np

from otgan.data import DataError, load


def damaged(content: bytes, cut: int, at: int, noise: bytes) -> bytes:
    """Return the content with noise written over it at some place, and the end cut off."""
    changed = bytearray(content)
    changed[at : at + len(noise)] = noise
    return bytes(changed[: len(changed) - cut])


def assert_read_or_refused(path: Path) -> None:
    """Check that a file gives finite rows, or one line that names it."""
    try:
        points = load(path)
    except DataError as error:
        message = str(error)
    else:
        assert np.isfinite(points).all()
        return
    assert path.name in message
    assert "\n" not in message
