"""Downloads from a server on this machine: verified, whole or not at all, and clear when there is no network."""

import hashlib
import http.server
import threading
from functools import partial

import pytest

from nbhelpers.datasets.download import fetch

CONTENT = b"the data set" * 1000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("NBHELPERS_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def server(tmp_path, monkeypatch):
    """The address of a server of one file, ``data.zip``."""
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    served = tmp_path / "served"
    served.mkdir()
    (served / "data.zip").write_bytes(CONTENT)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=served)) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()
        thread.join()


def test_a_download_is_stored_in_the_cache(cache, server):
    path = fetch(f"{server}/data.zip", SHA256, "data.zip")
    assert path == cache / "data.zip" and path.read_bytes() == CONTENT
    assert [file.name for file in cache.iterdir()] == ["data.zip"], "no temporary file is left"


def test_what_is_in_the_cache_is_not_fetched_again(cache):
    cache.mkdir()
    (cache / "data.zip").write_bytes(CONTENT)
    assert fetch("http://127.0.0.1:9/data.zip", SHA256, "data.zip").read_bytes() == CONTENT


def test_a_damaged_file_in_the_cache_is_replaced(cache, server):
    cache.mkdir()
    (cache / "data.zip").write_bytes(CONTENT[:100])
    assert fetch(f"{server}/data.zip", SHA256, "data.zip").read_bytes() == CONTENT


def test_another_file_than_expected_is_not_kept(cache, server):
    with pytest.raises(OSError, match=r"could not download .*data.zip: .*hash"):
        fetch(f"{server}/data.zip", "0" * 64, "data.zip")
    assert list(cache.iterdir()) == []


def test_a_missing_page_is_an_error(cache, server):
    with pytest.raises(OSError, match="404"):
        fetch(f"{server}/other.zip", SHA256, "data.zip")
    assert list(cache.iterdir()) == []


def test_with_no_network_the_message_says_what_to_put_where(cache):
    with pytest.raises(OSError) as failure:
        fetch("http://127.0.0.1:9/data.zip", SHA256, "data.zip")
    message = str(failure.value)
    assert "could not download http://127.0.0.1:9/data.zip" in message
    assert f"get data.zip (sha256 {SHA256}) elsewhere and put it at {cache / 'data.zip'}" in message
