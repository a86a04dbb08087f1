"""The package, its environments and its files agree with each other, and the core alone works."""

import re
import subprocess
import sys
from importlib.metadata import packages_distributions, version
from pathlib import Path
from zipfile import ZipFile

import environments
import pytest
import yaml
from environments import PROJECT, ROOT, brought, required
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version
from rattler import MatchSpec

import nbhelpers
from nbhelpers.extras import EXTRAS, require

MADE = ("book", "test")  # the extras that the Makefile and environment.yml install
CONDA_NAMES = {"pytorch": "torch", "python-kaleido": "kaleido"}  # conda-forge's name -> PyPI's, where they differ


def ranges() -> dict[str, SpecifierSet]:
    return {line.name: line.specifier for line in required(*MADE)}


def pins() -> dict[str, Version]:
    pairs = [
        line.split("==")
        for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
        if not line.startswith("#")
    ]
    assert all(len(pair) == 2 for pair in pairs), "every line of constraints.txt reads name==version"
    return {canonicalize_name(name): Version(pinned) for name, pinned in pairs}


# Names and ranges


def test_pins_lie_in_the_ranges_of_pyproject() -> None:
    for name, allowed in ranges().items():
        assert pins()[canonicalize_name(name)] in allowed, name


def test_all_that_an_installation_brings_is_pinned_and_installed_so() -> None:
    names = brought(required(*MADE))
    assert names <= set(pins())
    assert {name: Version(version(name)).public for name in names} == {name: pins()[name].public for name in names}


def test_conda_environment_names_the_same_packages_and_ranges() -> None:
    listed = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))["dependencies"]
    conda = [MatchSpec(line, strict=True) for line in listed if isinstance(line, str)]
    (pip,) = [entry["pip"] for entry in listed if isinstance(entry, dict)]
    found = {spec.name.normalized: SpecifierSet(spec.version or "") for spec in conda}
    assert found.pop("python") == SpecifierSet(PROJECT["requires-python"])
    assert found.pop("pip") == SpecifierSet()
    found = {CONDA_NAMES.get(name, name): allowed for name, allowed in found.items()}
    assert "-e ." in pip
    found |= {line.name: line.specifier for line in (Requirement(line) for line in pip if line != "-e .")}
    assert found == ranges()


def test_the_core_asks_for_five_libraries() -> None:
    assert {line.name for line in required()} == {"numpy", "scipy", "torch", "scikit-learn", "tqdm", "threadpoolctl"}
    assert set(PROJECT["optional-dependencies"]) == {"figures", "data", "cluster", "stills", "book", "test", "dev"}


@pytest.mark.parametrize("extra", EXTRAS)
def test_the_modules_of_an_extra_are_those_of_its_distributions(extra: str) -> None:
    owners = packages_distributions()
    names = {canonicalize_name(name) for module in EXTRAS[extra] for name in owners[module]}
    core, all_of_it = ({canonicalize_name(line.name) for line in lines} for lines in (required(), required(extra)))
    assert names == all_of_it - core


def test_an_extra_that_is_there_is_not_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    require("figures")
    monkeypatch.setitem(sys.modules, "plotly", None)
    with pytest.raises(ImportError, match=r"'figures'.*\(plotly\): pip install 'nbhelpers\[figures\]'"):
        require("figures")


# The wheel


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(target)]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    (path,) = target.glob("*.whl")
    return path


def test_wheel_holds_the_package_and_its_data(wheel: Path) -> None:
    held = set(ZipFile(wheel).namelist())
    source = [path for path in (ROOT / "nbhelpers").rglob("*") if path.is_file() and path.suffix != ".pyc"]
    assert {path.relative_to(ROOT).as_posix() for path in source} <= held
    assert "nbhelpers/_data/registry.json" in held
    assert not [name for name in held if not name.startswith("nbhelpers")]


def test_wheel_states_version_licence_and_command(wheel: Path) -> None:
    def text(name: str) -> str:
        (path,) = [path for path in packed.namelist() if re.fullmatch(rf"nbhelpers-[^/]*\.dist-info/{name}", path)]
        return packed.read(path).decode()

    packed = ZipFile(wheel)
    assert f"\nVersion: {nbhelpers.__version__}\n" in text("METADATA")
    assert text("licenses/LICENSE") == (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "nbhelpers = nbhelpers.__main__:main" in text("entry_points.txt")


# The core alone


@pytest.fixture(scope="module")
def bare(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of a new environment into which the wheel was installed without an extra.

    Of what is installed here, it sees the distributions that the core's own requirements bring, and no others; pip
    would refuse what the wheel asks for beyond them.
    """
    programs = environments.make(tmp_path_factory.mktemp("bare") / "venv", required())
    install = [programs / "python", "-m", "pip", "install", "-q", "--no-index", wheel]
    done = subprocess.run(install, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return programs


def run(python: Path, code: str) -> str:
    done = subprocess.run([python, "-I", "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


CORE_ALONE = """
import numpy as np
from nbhelpers import Activations, KappaCurve, RegionImportance, SampleProjection, knowledge_points, regional_features

rng = np.random.default_rng(0)
labels, regions = np.arange(60) % 3, rng.random((60, 8, 4, 4))
regions[np.arange(60), labels, 0, 0] += 9  # only the first region tells the category
features = regions.mean(axis=(2, 3))
a = Activations(9 * features[:, :3], features, labels, ("one", "two", "three"), {"late": regions})
samples = SampleProjection().fit(a.features, a.logits)
late = regional_features(a, samples, grid=4)["late"]
points = knowledge_points(late.h, samples.directions_, samples.weights_, labels, late.kappa)
print(samples.transform(features).shape, KappaCurve(kappa_max=1000.0)(1.0) > 1, points.masks.shape)
print(RegionImportance().fit(regions, a.logits).weights_.argmax(axis=1).max())
"""

OWN_NETWORK = """
import numpy as np
from torch import nn
from nbhelpers import ImageSet, Network, pgd, record, region_shapley, tail_of

body = nn.Sequential(nn.Conv2d(3, 4, 4, 4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))
network = Network(body, {"late": "1"}, head="4").eval()
pixels = np.random.default_rng(0).integers(0, 256, (4, 3, 8, 8), dtype=np.uint8)
a = record(network, ImageSet(pixels, [0, 1, 0, 1], ("one", "two"), "held_out"), ("late",))
attacked = pgd(network, pixels / np.float32(255), a.labels, 2 / 255, 1 / 255)
phi, *_ = region_shapley(tail_of(network, "late"), a.regions["late"], a.labels)
print(a.regions["late"].shape, attacked.shape[1:], phi.shape)
"""


@pytest.mark.slow
def test_the_core_alone_goes_from_activations_to_knowledge_points(bare: Path) -> None:
    assert run(bare / "python", CORE_ALONE) == "(60, 3) True (60, 16)\n0\n"


@pytest.mark.slow
def test_a_network_of_ones_own_needs_no_extra(bare: Path) -> None:
    assert run(bare / "python", OWN_NETWORK) == "(4, 4, 2, 2) (4, 3, 8, 8) (4, 4)\n"


@pytest.mark.slow
def test_nothing_beyond_the_core_is_there(bare: Path) -> None:
    names = [module for modules in EXTRAS.values() for module in modules]
    code = f"from importlib.util import find_spec; print([name for name in {names} if find_spec(name)])"
    assert run(bare / "python", code) == "[]\n"


@pytest.mark.slow
def test_what_is_missing_is_told_by_name(bare: Path) -> None:
    wanted = {
        "from nbhelpers import show": "figures",
        "from nbhelpers.show import sample_space": "figures",
        "from nbhelpers import datasets": "data",
        "from nbhelpers import build": "data",
        "from nbhelpers import train": "data",
        "from nbhelpers import Study": "data",
    }
    trying = "try:\n        exec(line)\n    except ImportError as error:\n        print(error)"
    code = f"for line in {list(wanted)}:\n    {trying}"
    for told, extra in zip(run(bare / "python", code).splitlines(), wanted.values(), strict=True):
        assert f"'{extra}'" in told and f"pip install 'nbhelpers[{extra}]'" in told


@pytest.mark.slow
@pytest.mark.parametrize("command", [["nbhelpers"], ["python", "-m", "nbhelpers"]], ids=["script", "module"])
def test_the_command_line_says_in_one_line_what_is_missing(bare: Path, command: list[str]) -> None:
    done = subprocess.run([bare / command[0], *command[1:], "datasets"], capture_output=True, text=True, cwd=bare)
    assert done.returncode == 2 and done.stdout == ""
    assert re.fullmatch(r"nbhelpers: .*'data'.*pip install 'nbhelpers\[data\]'\n", done.stderr)


# Tools


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
