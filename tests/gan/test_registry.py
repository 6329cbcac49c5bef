import inspect
import subprocess
import sys
from pathlib import Path

from otgan.gan.registry import CLASSES
from otgan.gan.systems import SYSTEMS, System, base


def test_names_are_those_of_the_classes():
    assert list(SYSTEMS) == list(CLASSES)
    for name, place in CLASSES.items():
        module, kind = place.split(".")
        assert (SYSTEMS[name].name, SYSTEMS[name].__name__) == (name, kind)
        assert SYSTEMS[name].__module__ == f"otgan.gan.systems.{module}"
        assert issubclass(SYSTEMS[name], System)
        assert not inspect.isabstract(SYSTEMS[name])


def test_no_system_is_forgotten():
    registered = {place.split(".")[0] for place in CLASSES.values()}
    files = {path.stem for path in Path(base.__file__).parent.glob("*.py")}
    assert files - registered == {
        "__init__",
        "autoencoder",
        "base",
        "capabilities",
        "coded",
        "described",
        "fields",
        "presets",
        "transports",
    }


def test_names_are_known_without_torch():
    script = (
        "import sys; from otgan.gan.registry import CLASSES; print('torch' in sys.modules, 'vae' in CLASSES)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "False True\n"
