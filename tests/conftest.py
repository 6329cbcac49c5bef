"""What every test stands on: one thread, no display, repeatable examples, and the data where there are any."""

import os
from pathlib import Path

import hypothesis
import pytest

# Before torch and matplotlib are imported, by whomever; subprocesses inherit both.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["MPLBACKEND"] = "Agg"

# No deadline: the first call of a function imports torch. In CI the same examples every time: a red run means a change.
hypothesis.settings.register_profile("local", deadline=None)
hypothesis.settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "local")

MNIST_FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)


@pytest.fixture(scope="session")
def mnist_dir():
    """Return the folder ``$OTGAN_DATA/mnist`` that holds MNIST's four IDX files, gzipped or not; skip without them."""
    data = os.environ.get("OTGAN_DATA")
    if not data:
        pytest.skip("needs MNIST: set OTGAN_DATA to the folder that holds mnist/")
    folder = Path(data) / "mnist"
    missing = [
        name for name in MNIST_FILES if not any((folder / f"{name}{end}").is_file() for end in ("", ".gz"))
    ]
    if missing:
        pytest.skip(f"needs MNIST: OTGAN_DATA={data} has no mnist/{missing[0]}[.gz]")
    return folder
