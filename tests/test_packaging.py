"""The package, its environments and its files agree with each other."""

import re
import subprocess
import sys
from importlib.metadata import metadata, requires, version
from pathlib import Path
from zipfile import ZipFile

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version
from rattler import MatchSpec

ROOT = Path(__file__).resolve().parents[1]
EXTRAS = ("", "book", "test")  # what the Makefile and environment.yml install
CONDA_NAMES = {"pytorch": "torch"}  # conda-forge's name -> PyPI's, where they differ


def _needs(name: str, extras: tuple[str, ...]) -> list[Requirement]:
    """What an installed package requires on this platform."""
    lines = map(Requirement, requires(name) or [])
    return [
        line for line in lines if not line.marker or any(line.marker.evaluate({"extra": extra}) for extra in extras)
    ]


def _required() -> dict[str, SpecifierSet]:
    return {line.name: line.specifier for line in _needs("nbhelpers", EXTRAS)}


def _pins() -> dict[str, Version]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pairs = [line.split("==") for line in lines if not line.startswith("#")]
    assert all(len(pair) == 2 for pair in pairs), "every line of constraints.txt reads name==version"
    return {canonicalize_name(name): Version(pinned) for name, pinned in pairs}


def test_pins_lie_in_the_ranges_of_pyproject() -> None:
    pins = _pins()
    for name, allowed in _required().items():
        assert pins[canonicalize_name(name)] in allowed, name


def test_all_that_an_installation_brings_is_pinned_and_installed_so() -> None:
    pins = _pins()
    todo = _needs("nbhelpers", EXTRAS)
    seen = set()
    while todo:
        needed = todo.pop()
        name, extras = canonicalize_name(needed.name), ("", *sorted(needed.extras))
        if (name, extras) not in seen:
            seen.add((name, extras))
            assert name in pins, f"{name} has no line in constraints.txt"
            assert Version(version(name)).public == pins[name].public, name
            todo += _needs(name, extras)


def test_conda_environment_names_the_same_packages_and_ranges() -> None:
    listed = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))["dependencies"]
    conda = [MatchSpec(line, strict=True) for line in listed if isinstance(line, str)]
    (pip,) = [entry["pip"] for entry in listed if isinstance(entry, dict)]
    found = {spec.name.normalized: SpecifierSet(spec.version or "") for spec in conda}
    assert found.pop("python") == SpecifierSet(metadata("nbhelpers")["Requires-Python"])
    assert found.pop("pip") == SpecifierSet()
    found = {CONDA_NAMES.get(name, name): allowed for name, allowed in found.items()}
    assert "-e ." in pip
    found |= {line.name: line.specifier for line in (Requirement(line) for line in pip if line != "-e .")}
    assert found == _required()


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> ZipFile:
    target = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(target)]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    (path,) = target.glob("*.whl")
    return ZipFile(path)


def test_wheel_holds_the_package_and_its_data(wheel: ZipFile) -> None:
    held = set(wheel.namelist())
    source = [path for path in (ROOT / "nbhelpers").rglob("*") if path.is_file() and path.suffix != ".pyc"]
    assert {path.relative_to(ROOT).as_posix() for path in source} <= held
    assert "nbhelpers/_data/registry.json" in held
    assert not [name for name in held if not name.startswith("nbhelpers")]


def test_wheel_states_version_licence_and_command(wheel: ZipFile) -> None:
    def text(name: str) -> str:
        (path,) = [path for path in wheel.namelist() if re.fullmatch(rf"nbhelpers-[^/]*\.dist-info/{name}", path)]
        return wheel.read(path).decode()

    assert f"\nVersion: {version('nbhelpers')}\n" in text("METADATA")
    assert text("licenses/LICENSE") == (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "nbhelpers = nbhelpers.experiments.cli:main" in text("entry_points.txt")


@pytest.mark.parametrize("command", [["check"], ["format", "--check"]], ids=["lint", "format"])
def test_ruff_finds_nothing(command: list[str]) -> None:
    found = subprocess.run([sys.executable, "-m", "ruff", *command, "."], cwd=ROOT, capture_output=True, text=True)
    assert found.returncode == 0, found.stdout + found.stderr


def test_workflows_and_hooks_run_what_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.M))
    for path in (ROOT / ".github" / "workflows").glob("*.yml"):
        jobs = yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"]
        commands = " ".join(step.get("run", "") for job in jobs.values() for step in job["steps"])
        made = re.findall(r"make ([a-z-]+)", commands)
        assert made and set(made) <= targets, path.name
