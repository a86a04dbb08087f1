"""The cache: computed once, read afterwards, never half written."""

import numpy as np
import pytest

from nbhelpers.files import replace_file
from nbhelpers.networks.store import Store


def once(value):
    """A function that may be called a single time."""
    calls = []

    def compute():
        calls.append(1)
        assert len(calls) == 1, "computed twice"
        return value

    return compute


def test_second_request_reads_what_the_first_computed(tmp_path):
    arrays = {"a": np.arange(6, dtype=np.float32).reshape(2, 3).T, "b": np.array([1, 2])}
    store = Store(tmp_path)
    compute = once(arrays)
    for _ in range(2):
        got = store.arrays({"step": 3}, compute)
        np.testing.assert_array_equal(got["a"], arrays["a"])
        np.testing.assert_array_equal(got["b"], arrays["b"])
    number = once({"kl": 0.25, "names": ["x"]})
    assert store.numbers({"step": 3}, number) == store.numbers({"step": 3}, number) == {"kl": 0.25, "names": ["x"]}


def test_other_descriptions_are_other_results(tmp_path):
    store = Store(tmp_path)
    assert store.numbers({"seed": 1}, lambda: 1) == 1
    assert store.numbers({"seed": 2}, lambda: 2) == 2


def test_order_of_the_description_does_not_matter(tmp_path):
    store = Store(tmp_path)
    assert store.numbers({"a": 1, "b": 2}, lambda: 7) == store.numbers({"b": 2, "a": 1}, lambda: 8) == 7


@pytest.mark.parametrize("kind", ["arrays", "numbers"])
def test_damaged_file_is_computed_anew(tmp_path, kind):
    store = Store(tmp_path)
    value = {"x": np.ones(3)} if kind == "arrays" else [1, 2]
    ask = getattr(store, kind)
    ask({"a": 1}, lambda: value)
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:5])
    np.testing.assert_equal(ask({"a": 1}, lambda: value), value)
    np.testing.assert_equal(ask({"a": 1}, once(None)), value)


def test_failed_write_keeps_the_old_file_and_leaves_nothing_behind(tmp_path):
    path = tmp_path / "result.json"
    path.write_text("old")

    def full_disk(part):
        part.write_text("ne")
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        replace_file(path, full_disk)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_arrays_lie_in_memory_as_they_will_be_read(tmp_path):
    """Else sums over them have other last bits in a run that goes on."""
    turned = np.ones((4, 3), np.float32).T
    computed, read = (Store(tmp_path).arrays({"what": "turned"}, lambda: {"x": turned})["x"] for _ in range(2))
    assert computed.strides == read.strides != turned.strides
