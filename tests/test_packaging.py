import ast
import importlib
import importlib.metadata
import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from hatchling.builders.sdist import SdistBuilder
from hatchling.builders.wheel import WheelBuilder
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

import otgan
import otgan.distances
from otgan.distances import METRICS

ROOT = Path(otgan.__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
KINDS = ("Added", "Changed", "Deprecated", "Removed", "Fixed", "Security")
HEAVY = {
    "torch",
    "ot",
    "geomloss",
    "pykeops",
    "matplotlib",
    "jax",
    "triton",
    "pandas",
    "sklearn",
    "scipy",
    "numpy",
}


def run(code, **environment):
    """Run Python code as a process that has imported nothing yet."""
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        encoding="utf-8",
        check=True,
        timeout=120,
    )


def requirements():
    for extra, lines in {"": PROJECT["dependencies"], **PROJECT["optional-dependencies"]}.items():
        for requirement in map(Requirement, lines):
            if requirement.name != PROJECT["name"]:
                yield pytest.param(requirement, id=f"{extra or 'core'}-{requirement.name}")


def constraints():
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def changelog():
    return (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_import_is_light_and_silent():
    result = run(
        "import otgan, sys, json; print(json.dumps([name for name in sys.modules if '.' not in name]))"
    )
    assert not HEAVY & set(json.loads(result.stdout))
    assert result.stderr == ""


def test_the_version_is_that_of_the_metadata():
    assert otgan.__version__ == PROJECT["version"]
    for distribution in importlib.metadata.distributions(name="otgan"):
        assert distribution.version == otgan.__version__


def test_every_public_name_resolves_to_what_bears_that_name():
    for name in set(otgan.__all__) - {"__version__"}:
        assert getattr(otgan, name).__name__ == name
    assert set(otgan.__all__) <= set(dir(otgan))


def test_public_names_survive_the_import_of_every_module():
    # A module named like a public function would replace it as an attribute of the package once it is imported.
    for package in ("otgan", "otgan.distances"):
        for path in ROOT.joinpath(*package.split(".")).glob("*.py"):
            if path.stem != "__init__":
                importlib.import_module(f"{package}.{path.stem}")
    for name in set(otgan.__all__) - {"__version__"}:
        assert callable(getattr(otgan, name))
    for name in METRICS:
        assert getattr(otgan.distances, name) is getattr(otgan, name)


def test_only_public_names_are_shown():
    assert set(dir(otgan)) == {*otgan.__all__, "data", "gan", "memory", "plot", "teach"}


def test_what_type_checkers_see_is_what_there_is():
    # They do not follow __getattr__: the names are imported for them where nothing runs.
    tree = ast.parse((ROOT / "otgan" / "__init__.py").read_text(encoding="utf-8"))
    (seen,) = (node for node in tree.body if isinstance(node, ast.If))
    homes = {name.name: node.module for node in seen.body for name in node.names}
    # Those of metrics may be missing: their one line is that of the registry.
    for name in set(otgan.__all__) - {"__version__"} - (METRICS.keys() - homes.keys()):
        assert getattr(otgan, name) is getattr(importlib.import_module(homes.pop(name)), name)
    for name, package in homes.items():
        assert package == "otgan"
        assert getattr(otgan, name) is importlib.import_module(f"otgan.{name}")


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match=r"module 'otgan' has no attribute 'wasserstein'"):
        _ = otgan.wasserstein


def test_the_command_is_declared():
    (command,) = importlib.metadata.EntryPoints(
        importlib.metadata.EntryPoint(name, value, "console_scripts")
        for name, value in PROJECT["scripts"].items()
    )
    assert callable(command.load())


def test_the_wheel_holds_the_package_and_nothing_else():
    included = {file.distribution_path for file in WheelBuilder(str(ROOT)).recurse_included_files()}
    assert {"otgan/__init__.py", "otgan/py.typed"} <= included
    files = (path for path in (ROOT / "otgan").rglob("*") if path.is_file() and path.suffix != ".pyc")
    assert included == {str(path.relative_to(ROOT)) for path in files}


def test_the_sdist_can_be_tested():
    included = {file.distribution_path for file in SdistBuilder(str(ROOT)).recurse_included_files()}
    assert {"tests/conftest.py", "constraints.txt", "Makefile", "README.md", "LICENSE"} <= included
    assert not any(path.startswith((".venv", "out/", "docs/_build")) for path in included)


@pytest.mark.parametrize("requirement", list(requirements()))
def test_a_tested_version_is_pinned_and_within_the_range(requirement):
    pinned = {canonicalize_name(pin.name): pin.specifier for pin in map(Requirement, constraints())}
    (specifier,) = pinned[canonicalize_name(requirement.name)]
    assert specifier.operator == "=="
    assert Version(specifier.version) in requirement.specifier


def test_constraints_are_exact_sorted_and_name_no_place():
    lines = constraints()
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.]+", line) for line in lines)
    assert lines == sorted(lines, key=lambda line: canonicalize_name(line.partition("==")[0]))
    assert "torch==2.13.0" in lines


@pytest.mark.parametrize("name", ["README.md", "docs/install.md"])
def test_every_extra_is_in_the_table(name):
    cells = re.findall(r"^\| (`[^|]+?) \|", (ROOT / name).read_text(encoding="utf-8"), re.MULTILINE)
    named = {extra for cell in cells for extra in re.findall(r"`(\w+)`", cell)}
    assert PROJECT["optional-dependencies"].keys() <= named


def test_every_python_that_is_promised_is_named():
    named = {line.rpartition(" ")[2] for line in PROJECT["classifiers"] if "Python :: 3." in line}
    assert named == {"3.11", "3.12", "3.13", "3.14"}
    assert PROJECT["requires-python"] == ">=3.11"


def test_the_citation_is_of_this_version_and_in_the_format():
    # Of version 1.2.0 of the Citation File Format: the keys that it asks for, and those of its others that are used here.
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation.keys() >= {"cff-version", "message", "title", "authors"}
    assert citation.keys() <= {
        *(
            "cff-version",
            "message",
            "title",
            "authors",
            "type",
            "version",
            "date-released",
            "license",
            "keywords",
        ),
        *("abstract", "doi", "identifiers", "repository-code", "url", "preferred-citation", "references"),
    }
    assert citation["cff-version"] == "1.2.0"
    assert citation["type"] == "software"
    assert str(citation["version"]) == otgan.__version__
    assert f"## [{citation['version']}] - {citation['date-released']}" in changelog()
    assert citation["license"] == PROJECT["license"]
    assert citation["authors"] == PROJECT["authors"]
    assert len(citation["keywords"]) == len(set(citation["keywords"])) > 0
    assert all(isinstance(citation[name], str) and citation[name] for name in ("message", "title"))


def test_the_changelog_has_each_kind_of_change_once_in_order():
    releases = re.split(r"^## ", changelog(), flags=re.MULTILINE)[1:]
    names = [
        re.match(r"\[(.+?)\](?: - \d{4}-\d\d-\d\d)?$", release.splitlines()[0])[1] for release in releases
    ]
    assert names[0] == "Unreleased"
    assert names[1] == otgan.__version__
    for release in releases:
        kinds = re.findall(r"^### (\w+)$", release, re.MULTILINE)
        assert kinds == [kind for kind in KINDS if kind in kinds]


def test_the_first_two_targets_of_make_open_the_readme():
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert targets[:2] == ["demo", "test"]
    commands = re.findall(r"^\$ (.+)$", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert commands[:2] == ["make demo", "make test"]
