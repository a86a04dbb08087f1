"""A notebook that is opened alone, as in Colab, installs `nbhelpers` in its first cell and finds its data."""

import os
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import environments
import nbformat
import pytest
import yaml
from environments import required
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted(path for path in (ROOT / "book").rglob("*.ipynb") if "_build" not in path.parts)
TEMPLATE = ROOT / "book" / "about" / "template.ipynb"


def first_cell(path: Path) -> nbformat.NotebookNode:
    """The first cell with code."""
    return next(cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code")


def address() -> str:
    """Where the first cell finds the package: the branch that the workflow publishes, packed by GitHub."""
    repository = yaml.safe_load((ROOT / "book" / "_config.yml").read_text(encoding="utf-8"))["repository"]
    return f"{repository['url']}/archive/{repository['branch']}.zip"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_first_cell_installs_from_the_address_of_the_book(path: Path) -> None:
    cell = first_cell(path)
    assert cell.source == first_cell(TEMPLATE).source
    assert cell.metadata.tags == ["remove-cell"]  # a reader of the site has nothing to install
    assert f'%pip install -q "nbhelpers[figures,data] @ {address()}"' in cell.source.splitlines()[-1]


@pytest.fixture
def stranger(tmp_path: Path) -> Path:
    """The Python of an environment that has what the first cell asks for, and a kernel, but not our package."""
    tools = [Requirement(name) for name in ("ipykernel", "hatchling")]
    return environments.make(tmp_path / "venv", [*required("figures", "data"), *tools]) / "python"


@pytest.mark.slow
def test_a_notebook_alone_runs_from_its_first_cell_to_its_last(stranger: Path, tmp_path: Path) -> None:
    files = subprocess.check_output(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT)
    archive = tmp_path / "published.zip"
    with ZipFile(archive, "w") as packed:
        for name in filter(None, files.decode().split("\0")):
            if name.startswith(("nbhelpers/", "data/", "pyproject", "README", "LICENSE")) and (ROOT / name).is_file():
                packed.write(ROOT / name, f"book-published/{name}")
    alone = tmp_path / "alone"
    alone.mkdir()
    source = TEMPLATE.read_text(encoding="utf-8")
    assert address() in source
    (alone / "chapter.ipynb").write_text(source.replace(address(), archive.as_uri()), encoding="utf-8")
    run = """
import nbformat, nbclient
notebook = nbformat.read("chapter.ipynb", as_version=4)
notebook.cells.append(nbformat.v4.new_code_cell("import nbhelpers; print(nbhelpers.__file__)"))
nbclient.NotebookClient(notebook, timeout=600, kernel_name="python3").execute()
print(notebook.cells[-1].outputs[0].text)
"""
    kernels = tmp_path / "jupyter" / "kernels" / "python3"
    kernels.mkdir(parents=True)
    (kernels / "kernel.json").write_text(
        f'{{"argv": ["{stranger}", "-m", "ipykernel_launcher", "-f", "{{connection_file}}"], "display_name": "alone",'
        ' "language": "python"}',
        encoding="utf-8",
    )
    # What the first cell asks for is there already, and our package is built with what is there.
    # (pip reads the last variable the wrong way round: 0 is what --no-build-isolation means.)
    environment = os.environ | {
        "JUPYTER_PATH": str(tmp_path / "jupyter"),
        "OMP_NUM_THREADS": "1",
        "PIP_NO_INDEX": "1",
        "PIP_NO_BUILD_ISOLATION": "0",
    }
    environment.pop("PYTHONPATH", None)
    found = subprocess.run([sys.executable, "-c", run], cwd=alone, env=environment, capture_output=True, text=True)
    assert found.returncode == 0, found.stderr[-3000:]
    assert str(tmp_path / "venv") in found.stdout  # not the one of this checkout
