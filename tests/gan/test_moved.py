import importlib
import subprocess
import sys

import pytest

import otgan.gan
from otgan.gan.moved import MOVED

NAMES = {
    "batches": "seeded",
    "evaluate": "Judge",
    "folder": "write_whole",
    "networks": "Space",
    "regularized": "ground_cost",
    "samples": "rows_of",
    "trainer": "train",
}


@pytest.mark.parametrize("name", MOVED)
def test_old_names_lead_to_new_ones_with_a_warning(name):
    old, new = importlib.import_module(f"otgan.gan.{name}"), f"otgan.gan.{MOVED[name][0]}"
    names = importlib.import_module(new).__all__
    for each in names if "networks" not in MOVED[name] else names[:1]:
        with pytest.warns(
            DeprecationWarning, match=f"otgan.gan.{name}.{each} has moved: import it from {new}"
        ):
            found = getattr(old, each)
        assert found is getattr(importlib.import_module(new), each)
    assert getattr(otgan.gan, name) is old


@pytest.mark.parametrize("name", NAMES)
def test_names_of_several_places_are_found(name):
    module = importlib.import_module(f"otgan.gan.{name}")
    if name in MOVED:
        with pytest.warns(DeprecationWarning, match=f"{NAMES[name]} has moved"):
            assert callable(getattr(module, NAMES[name]))
    else:
        assert callable(getattr(module, NAMES[name]))
    with pytest.raises(AttributeError, match="nosuch"):
        _ = module.nosuch


def test_the_statement_of_before_still_works_and_nothing_is_loaded_for_it():
    script = (
        "import sys, warnings; import otgan.gan; assert 'torch' not in sys.modules; import otgan.gan.folder;"
        "warnings.simplefilter('ignore'); from otgan.gan.folder import Folder; from otgan.gan import figures;"
        "print(Folder.__module__, figures.curves.__module__)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "otgan.gan.training.folder otgan.gan.evaluation.figures\n"
