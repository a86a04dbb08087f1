"""Recording photographs beside a plain loop of PyTorch over the same files: seconds, and their ratio.

    python tests/benchmarks/bench_recording.py [images]

Both read JPEGs of 500x375 pixels from the disk, cut out the middle, resize it to 224 pixels and send it through a
MobileNet-V2 with random weights, in batches of 32. The loop is what torchvision's reference has: a Dataset behind a
DataLoader with two processes, which decode, resize and normalise, and a hook for each of two layers; it keeps what
record keeps, in lists. Both run in turn in this process, on as many threads as torch takes, and the least of three
counts.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from nbhelpers import Network, datasets, record
from nbhelpers.images import ImageSet
from nbhelpers.networks.architectures import build

SIDE, BATCH, LAYERS = 224, 32, ("block_53", "conv_8")


def photographs(root: Path, count: int) -> Path:
    """Noise that is smooth enough to be as large as a photograph: some 40 kB."""
    rng = np.random.default_rng(0)
    for n in range(count):
        small = rng.integers(0, 256, (75, 100, 3)).astype(np.uint8)
        path = root / "train" / "ab"[n % 2] / f"{n}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(small).resize((500, 375), Image.Resampling.BICUBIC).save(path, quality=90)
    for name in "ab":
        (root / "val" / name).mkdir(parents=True)
        Image.new("RGB", (9, 9)).save(root / "val" / name / "0.png")
    return root


class Files(Dataset):
    """Files as tensors, as torchvision does it."""

    def __init__(self, images: ImageSet, network: Network) -> None:
        self.names = images.images.names
        steps = [transforms.Resize(SIDE), transforms.CenterCrop(SIDE), transforms.ToTensor()]
        self.transform = transforms.Compose(
            [*steps, transforms.Normalize(network.mean.flatten().tolist(), network.std.flatten().tolist())]
        )

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> torch.Tensor:
        return self.transform(Image.open(self.names[index]).convert("RGB"))


def loop(network: Network, images: ImageSet) -> dict[str, np.ndarray]:
    """Logits and two layers by hand."""
    kept: dict[str, list[np.ndarray]] = {name: [] for name in ("logits", *LAYERS)}

    def hook(name: str) -> Callable:
        return lambda _module, _inputs, output: kept[name].append(output.numpy())

    handles = [network.layers[name].register_forward_hook(hook(name)) for name in LAYERS]
    with torch.inference_mode():
        for batch in DataLoader(Files(images, network), BATCH, num_workers=2):
            kept["logits"].append(network.body(batch).numpy())
    for handle in handles:
        handle.remove()
    return {name: np.concatenate(parts) for name, parts in kept.items()}


def seconds(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def main(count: int) -> None:
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, {count} photographs of 500x375 pixels")
    network = build("mobilenet_v2", 2, input_size=SIDE).eval()
    with tempfile.TemporaryDirectory() as folder:
        root = photographs(Path(folder), count)
        times: dict[str, list[float]] = {"loop": [], "record": [], "record to a folder": []}
        looked = seconds(lambda: datasets.load("folder", "train", root=root, side=SIDE, lazy=True))
        images = datasets.load("folder", "train", root=root, side=SIDE, lazy=True)
        runs = {
            "loop": lambda _: loop(network, images),
            "record": lambda _: record(network, images, LAYERS, batch_size=BATCH),
            "record to a folder": lambda n: record(
                network, images, LAYERS, batch_size=BATCH, folder=root / f"kept-{n}"
            ),
        }
        for n in range(3):
            for name, run in runs.items():
                times[name].append(seconds(lambda run=run, n=n: run(n)))
    least = {name: min(values) for name, values in times.items()}
    print(f"looking at the files first: {looked:.1f} s")
    for name, took in least.items():
        print(f"{name:>20}: {took:5.1f} s, ratio {took / least['loop']:.2f} (at most 1.3 wanted)")
    total = (least["record"] + looked) / least["loop"]
    print(f"looking and recording: ratio {total:.2f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 400)
