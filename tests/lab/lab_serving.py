"""A JupyterLab of its own: nothing of the user's Jupyter, no token, no news."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from jupyter_server.serverapp import list_running_servers

OPTIONS = (
    "--ServerApp.ip=127.0.0.1",
    "--ServerApp.port=0",  # any free one
    "--ServerApp.open_browser=False",
    "--ServerApp.allow_root=True",
    "--IdentityProvider.token=",
    "--LabApp.expose_app_in_browser=True",  # as window.jupyterapp
    "--LabApp.extension_manager=readonly",  # the other one asks a package index
)
SETTINGS = {
    # Every cell is in the page, also those that are out of sight.
    "@jupyterlab/notebook-extension/tracker": {"windowingMode": "none"},
    # Neither a question about news nor a look for updates.
    "@jupyterlab/apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
}


@contextmanager
def serve_lab(folder: Path, own: Path) -> Iterator[str]:
    """Where a JupyterLab serves ``folder``, such as http://127.0.0.1:40123/. Its own files go to ``own``."""
    for name, settings in SETTINGS.items():
        path = own / "settings" / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(settings), encoding="utf-8")
    users = {name: value for name, value in os.environ.items() if not name.startswith(("JUPYTER", "IPYTHON"))}
    environment = users | {
        "JUPYTER_CONFIG_DIR": str(own / "config"),
        "JUPYTER_DATA_DIR": str(own / "data"),
        "JUPYTER_RUNTIME_DIR": str(own / "runtime"),
        "JUPYTERLAB_SETTINGS_DIR": str(own / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(own / "workspaces"),
        "IPYTHONDIR": str(own / "ipython"),
        "OMP_NUM_THREADS": "1",  # many small tensors gain nothing from more
    }
    command = [sys.executable, "-m", "jupyterlab", *OPTIONS, f"--ServerApp.root_dir={folder}"]
    with (own / "log").open("w") as log:
        server = subprocess.Popen(command, env=environment, stdout=log, stderr=subprocess.STDOUT)
        try:
            yield _address(server, own)
        finally:
            server.terminate()  # it ends its kernels first
            server.wait()


def _address(server: subprocess.Popen, own: Path, patience: float = 120) -> str:
    begin = time.monotonic()
    while server.poll() is None and time.monotonic() < begin + patience:
        for running in list_running_servers(str(own / "runtime")):
            return running["url"]
        time.sleep(0.2)
    raise OSError(f"JupyterLab does not start; it says:\n{(own / 'log').read_text()}")
