"""Addresses at which no Dask scheduler is: one deadline, one message, and nothing that keeps the process alive."""

import http.server
import os
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path

import pytest

from nbhelpers.experiments import parallel
from nbhelpers.experiments.parallel import in_parallel

pytestmark = pytest.mark.network

WORDS = {
    "silent": None,
    "garbage": b"\xff" * 100_000,
    "a frame of 2**62 bytes": (8).to_bytes(8, "little") + (2**62).to_bytes(8, "little"),
    "2**50 frames": (2**50).to_bytes(8, "little") * 2,
    "half a frame": (1).to_bytes(8, "little") + (1000).to_bytes(8, "little") + b"x",
    "goodbye": b"",
}
"""What a server says to everybody who calls; the last one hangs up."""


@contextmanager
def server(words):
    """The address of a socket that says this."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        lines = []

        def answer():
            while True:
                try:
                    line, _ = listening.accept()
                except OSError:
                    return
                if words:
                    line.sendall(words)
                if words == b"":
                    line.close()
                lines.append(line)

        threading.Thread(target=answer, daemon=True).start()
        yield f"tcp://127.0.0.1:{listening.getsockname()[1]}"
        listening.shutdown(socket.SHUT_RDWR)
        for line in lines:
            line.close()


@contextmanager
def website():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler) as site:
        threading.Thread(target=site.serve_forever, daemon=True).start()
        yield f"tcp://127.0.0.1:{site.server_port}"
        site.shutdown()


@pytest.fixture
def hurried(monkeypatch):
    monkeypatch.setattr(parallel, "PATIENCE", 1)


def refused(address):
    with pytest.raises(OSError, match=f"no Dask scheduler answers at {address} .*start one with `dask scheduler`"):
        in_parallel(abs, [(1,)], describe="x", cluster=address)


@pytest.mark.parametrize("words", WORDS.values(), ids=WORDS)
def test_what_is_no_scheduler_is_told_in_time(words, hurried):
    with server(words) as address:
        refused(address)


def test_a_website_is_no_scheduler(hurried, capfd):
    with website() as address:
        refused(address)


@pytest.mark.parametrize(
    "address",
    ["ftp://127.0.0.1:9", "tls://127.0.0.1:9", "tcp://no.such.host.invalid:8786", "tcp://", "nowhere", "inproc://x/1"],
)
def test_an_address_that_leads_nowhere_is_named(address, hurried):
    refused(address)


COMMAND = """
import sys
import shrunken
from nbhelpers.experiments import parallel

parallel.PATIENCE = 1
sys.exit(shrunken.main())
"""


@pytest.mark.slow
@pytest.mark.parametrize("words", [None, b"\xff" * 100_000], ids=["silent", "garbage"])
def test_a_command_ends_with_one_line(words, tmp_path):
    path = os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    environment = os.environ | {"PYTHONPATH": path, "TQDM_DISABLE": "1"}
    with server(words) as address:
        places = ["--workspace", str(tmp_path), "--out", str(tmp_path / "out.json"), "--cluster", address]
        command = [sys.executable, "-c", COMMAND, "reproduce", "--dataset", "scenes", "--retrain", *places]
        ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert ended.returncode == 2
    assert ended.stderr.startswith(f"nbhelpers: no Dask scheduler answers at {address} ")
    assert ended.stderr.count("\n") == 1
