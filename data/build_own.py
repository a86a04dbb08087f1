"""Make the two trainings of chapter 6 again, by the chapter's own cells, and keep their weights in half precision.

Run once by the maintainers, some three minutes of one core::

    python data/build_own.py
"""

from __future__ import annotations

import json
import shutil

from build_networks import save_halves
from build_scenes_data import HERE, forget, register
from safetensors.torch import load_file

CHAPTER = HERE.parent / "book" / "chapters" / "06_your_own.ipynb"
COPY, LAST = "copytree(", 'work / "vit"'
"""In the line that reads what is made here, and in the cell that trains last."""


def main() -> None:
    space: dict = {}
    for cell in json.loads(CHAPTER.read_text(encoding="utf-8"))["cells"]:
        if cell["cell_type"] == "code" and "remove-cell" not in cell["metadata"].get("tags", []):
            lines = "".join(cell["source"]).splitlines()
            code = "\n".join(line for line in lines if not line.startswith(COPY))
            exec(compile(code, cell["id"], "exec"), space)
            if LAST in code:
                break
    target = HERE / "own"
    forget(target)
    shutil.rmtree(target, ignore_errors=True)
    for run in sorted(space["work"].glob("*/run.json")):
        kept = target / run.parent.name
        kept.mkdir(parents=True, exist_ok=True)
        (kept / run.name).write_bytes(run.read_bytes())
        for path in sorted(run.parent.glob("*.safetensors")):
            save_halves(load_file(path), kept / path.name)
    ours = {"licence": "MIT", "source": "data/build_own.py"}
    register({path.relative_to(HERE).as_posix(): ours for path in sorted(target.rglob("*.*"))})


if __name__ == "__main__":
    main()
