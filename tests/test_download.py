"""Downloads from a server on this machine: verified, whole or not at all, and clear when there is no network."""

import hashlib
import http.server
import re
import threading
from functools import partial

import pytest

from nbhelpers.datasets.download import Original, fetch

pytestmark = pytest.mark.network

CONTENT = b"the data set" * 30_000
STEP = 2**16
"""Downloads are written in pieces of this size; what came of the last one is lost when a connection breaks."""


def published(url: str, content: bytes = CONTENT) -> Original:
    return Original(url, hashlib.sha256(content).hexdigest(), len(content), "list.txt")


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
    fetch([published(f"{server}/data.zip")])
    assert (cache / "data.zip").read_bytes() == CONTENT
    assert [file.name for file in cache.iterdir()] == ["data.zip"], "no temporary file is left"


def test_what_is_in_the_cache_is_not_fetched_again(cache):
    cache.mkdir()
    (cache / "data.zip").write_bytes(CONTENT)
    fetch([published("http://127.0.0.1:9/data.zip")])
    assert [file.name for file in cache.iterdir()] == ["data.zip"]


def test_a_damaged_file_in_the_cache_is_replaced(cache, server):
    cache.mkdir()
    (cache / "data.zip").write_bytes(CONTENT[:100])
    fetch([published(f"{server}/data.zip")])
    assert (cache / "data.zip").read_bytes() == CONTENT


def test_another_file_than_expected_is_not_kept(cache, server):
    with pytest.raises(OSError, match=r"data.zip.*hash"):
        fetch([published(f"{server}/data.zip", b"another")])
    assert list(cache.iterdir()) == []


def test_a_missing_page_is_an_error(cache, server):
    with pytest.raises(OSError, match="404"):
        fetch([published(f"{server}/other.zip")])
    assert list(cache.iterdir()) == []


# Going on where a connection broke -----------------------------------------------------------------------------------


class _Broken(http.server.BaseHTTPRequestHandler):
    """Serves CONTENT, and breaks the connection after ``server.allowed`` bytes of it, if that is given."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        start = int(asked[1]) if asked else 0
        self.server.asked.append(start)
        if asked and self.server.ranges and start >= len(CONTENT):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(CONTENT)}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        if asked and self.server.ranges:
            self.send_response(206)
            first = start + self.server.shift
            self.send_header("Content-Range", f"bytes {first}-{len(CONTENT) - 1}/{len(CONTENT)}")
        else:
            start = 0
            self.send_response(200)
        body = CONTENT[start:]
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: self.server.allowed])
        self.close_connection = True

    def log_message(self, *_):
        pass


@pytest.fixture
def broken(monkeypatch):
    """A server whose ``ranges``, ``allowed`` and ``shift`` a test may change; ``asked`` is where each request began."""
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Broken) as running:
        running.asked, running.ranges, running.allowed, running.shift = [], True, None, 0
        running.url = f"http://127.0.0.1:{running.server_port}/data.zip"
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def test_a_broken_download_goes_on_where_it_stopped(cache, broken):
    broken.allowed = 2 * STEP
    for held in (2 * STEP, 4 * STEP):
        with pytest.raises(OSError, match=f"broke after {held} of {len(CONTENT)}"):
            fetch([published(broken.url)])
        assert [(file.name, file.stat().st_size) for file in cache.iterdir()] == [("data.zip.part", held)]
    fetch([published(broken.url)])
    assert (cache / "data.zip").read_bytes() == CONTENT
    assert broken.asked == [0, 2 * STEP, 4 * STEP] and [file.name for file in cache.iterdir()] == ["data.zip"]


def test_a_server_that_cannot_go_on_starts_over(cache, broken):
    broken.allowed, broken.ranges = STEP, False
    with pytest.raises(OSError, match=f"broke after {STEP}"):
        fetch([published(broken.url)])
    broken.allowed = None
    fetch([published(broken.url)])
    assert (cache / "data.zip").read_bytes() == CONTENT
    assert broken.asked == [0, STEP]


def test_a_server_that_goes_on_elsewhere_is_not_believed(cache, broken):
    broken.shift = 7
    cache.mkdir()
    (cache / "data.zip.part").write_bytes(CONTENT[:100])
    fetch([published(broken.url)])
    assert (cache / "data.zip").read_bytes() == CONTENT
    assert broken.asked == [100, 0]


@pytest.mark.parametrize("more", [b"", b"and more"])
def test_a_part_that_has_all_is_handed_over_or_begun_anew(cache, broken, more):
    """The server answers 416 to both: there is nothing after the last byte."""
    cache.mkdir()
    (cache / "data.zip.part").write_bytes(CONTENT + more)
    fetch([published(broken.url)])
    assert (cache / "data.zip").read_bytes() == CONTENT
    assert broken.asked == [len(CONTENT)] if not more else [len(CONTENT) + len(more), 0]
    assert [file.name for file in cache.iterdir()] == ["data.zip"]


def test_a_finished_part_with_a_wrong_hash_is_deleted(cache, broken):
    cache.mkdir()
    (cache / "data.zip.part").write_bytes(b"x" + CONTENT[1:5000])
    with pytest.raises(OSError, match=r"data.zip.*hash"):
        fetch([published(broken.url)])
    assert list(cache.iterdir()) == []
    fetch([published(broken.url)])
    assert (cache / "data.zip").read_bytes() == CONTENT, "the next call starts over"


def test_a_missing_page_leaves_the_part(cache, server):
    cache.mkdir()
    (cache / "other.zip.part").write_bytes(CONTENT[:100])
    with pytest.raises(OSError, match="404"):
        fetch([published(f"{server}/other.zip")])
    assert [file.name for file in cache.iterdir()] == ["other.zip.part"]


# Several files -------------------------------------------------------------------------------------------------------


def test_all_files_of_a_set_are_fetched(cache, server, tmp_path):
    (tmp_path / "served" / "more.zip").write_bytes(b"more")
    fetch([published(f"{server}/data.zip"), published(f"{server}/more.zip", b"more")])
    assert [(cache / name).read_bytes() for name in ("data.zip", "more.zip")] == [CONTENT, b"more"]


def test_with_no_network_the_message_says_what_to_put_where(cache):
    originals = [
        Original("http://127.0.0.1:9/a.zip", "a" * 64, 252_872_794, "a"),
        Original("http://127.0.0.1:9/b.zip", "b" * 64, 13_510_573_713, "b"),
    ]
    with pytest.raises(OSError, match=r"could not download http://127.0.0.1:9/a.zip") as failure:
        fetch(originals)
    assert str(failure.value).splitlines()[-2:] == [
        f"  {cache / 'a.zip'} (253 MB from http://127.0.0.1:9/a.zip, sha256 {'a' * 64})",
        f"  {cache / 'b.zip'} (13,511 MB from http://127.0.0.1:9/b.zip, sha256 {'b' * 64})",
    ]
