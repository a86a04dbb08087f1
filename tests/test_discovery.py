"""What Network.of finds of a model by itself, what it asks for, and what it refuses."""

import numpy as np
import pytest
import torch
import torchvision
from torch import nn
from torch.nn import functional as F

from nbhelpers import Form, Network, record
from nbhelpers.images import ImageSet
from nbhelpers.networks.network import IMAGENET_MEAN, IMAGENET_STD

HALF = {"mean": (0.5,) * 3, "std": (0.5,) * 3}


def some(side=32, n=4):
    pixels = np.random.default_rng(0).integers(0, 256, (n, 3, side, side)).astype(np.uint8)
    return ImageSet(pixels, np.arange(n) % 2, ("a", "b"), "held_out")


class Stages(nn.Module):
    """A residual network with three stages and a head of one's own, that says nothing of itself."""

    def __init__(self, channels=3, outputs=4, head=None):
        super().__init__()
        torch.manual_seed(0)
        widths = (8, 16, 24)
        self.stem = nn.Sequential(nn.Conv2d(channels, 8, 3, 2, 1), nn.ReLU())
        self.stages = nn.ModuleList(
            nn.Sequential(Block(8 if i == 0 else widths[i - 1], w)) for i, w in enumerate(widths)
        )
        self.head = head or nn.Linear(24, outputs)

    def forward(self, x):
        x = self.stem(x)
        for stage in self.stages:
            x = stage(x)
        return self.finish(x)

    def finish(self, x):
        return self.head(x.mean((2, 3)))


class Block(nn.Module):
    def __init__(self, before, after):
        super().__init__()
        self.first, self.second = nn.Conv2d(before, after, 1), nn.Conv2d(after, after, 3, 2, 1)
        self.around = nn.Conv2d(before, after, 1, 2)

    def forward(self, x):
        return torch.relu(self.second(torch.relu(self.first(x))) + self.around(x))


# Stages, heads and forms


def test_stages_are_found_where_grids_change_and_never_inside_a_block(capsys):
    network = Network.of(Stages(), size=64, **HALF)
    assert capsys.readouterr().out == f"{network!r}\n"
    assert network.places == {place: place for place in ("stem", "stages.0", "stages.1", "stages.2")}
    assert network.head_place == "head"
    assert network.grids == {"stem": (32, 32), "stages.0": (16, 16), "stages.1": (8, 8), "stages.2": (4, 4)}
    assert {form.kind for form in network.forms.values()} == {"grid"}


def vit(**other):
    sizes = {"image_size": 32, "patch_size": 8, "num_layers": 6, "num_heads": 2, "hidden_dim": 16, "mlp_dim": 32}
    return torchvision.models.VisionTransformer(**sizes | {"num_classes": 3} | other)


def swin():
    return torchvision.models.SwinTransformer([2, 2], 8, [1, 2, 1], [1, 2, 2], [4, 4], num_classes=3)


def convnext():
    setting = torchvision.models.convnext.CNBlockConfig
    return torchvision.models.ConvNeXt([setting(8, 16, 1), setting(16, 24, 1), setting(24, None, 1)], num_classes=3)


TORCHVISION = {
    "resnet18": (
        torchvision.models.resnet18,
        {"relu": (32, 32), "layer1": (16, 16), "layer2": (8, 8), "layer3": (4, 4), "layer4": (2, 2)},
        "fc",
        "grid",
    ),
    "squeezenet": (
        torchvision.models.squeezenet1_1,
        {"features.1": (31, 31), "features.4": (15, 15), "features.7": (7, 7), "features.12": (3, 3)},
        "classifier.1",
        "grid",
    ),
    "mobilenet_v2": (
        torchvision.models.mobilenet_v2,
        {
            "features.1": (32, 32),
            "features.3": (16, 16),
            "features.6": (8, 8),
            "features.13": (4, 4),
            "features.18": (2, 2),
        },
        "classifier.1",
        "grid",
    ),
    "vit": (vit, {f"encoder.layers.encoder_layer_{i}": (4, 4) for i in (1, 2, 3, 5)}, "heads.head", "tokens after 1"),
    "swin": (
        swin,
        {"features.1": (32, 32), "features.3": (16, 16), "permute": (8, 8)},
        "head",
        "channels last",
    ),
    "convnext": (
        convnext,
        {"features.2.0": (16, 16), "features.4.0": (8, 8), "features.5": (4, 4)},
        "classifier.2",
        "grid",
    ),
}


@pytest.mark.parametrize("name", TORCHVISION)
def test_torchvision(name):
    make, grids, head, form = TORCHVISION[name]
    torch.manual_seed(0)
    network = Network.of(make(), size=32 if name == "vit" else 64)
    assert network.grids == grids and network.head_place == head
    assert str(network.forms[next(iter(grids))]) == form
    assert network.mean.flatten().tolist() == pytest.approx(IMAGENET_MEAN)
    assert network.std.flatten().tolist() == pytest.approx(IMAGENET_STD)
    assert f"head: {head}" in repr(network) and "torchvision" in repr(network)


@pytest.mark.slow
def test_a_network_of_torchvision_with_a_scaling_of_its_own_is_told_by_its_size():
    with torch.device("meta"):
        small, large = (torchvision.models.get_model(f"efficientnet_v2_{size}") for size in "sl")
    from nbhelpers.networks.told import what_it_says

    assert what_it_says(small).mean == pytest.approx(IMAGENET_MEAN)
    assert what_it_says(large).mean == (0.5,) * 3
    narrow = torchvision.models.EfficientNet(
        [torchvision.models.efficientnet.MBConvConfig(1, 3, 1, 8, 8, 1)], 0.0, num_classes=3
    )
    assert what_it_says(narrow).mean is None, "which of the two, it does not say"


def timm_models():
    timm = pytest.importorskip("timm")
    tokens = {"img_size": 32, "patch_size": 8, "embed_dim": 24, "depth": 8}
    return {
        "resnet10t": (lambda: timm.create_model("resnet10t", num_classes=3), 5, "fc"),
        "vit": (lambda: timm.create_model("vit_tiny_patch16_224", num_heads=2, num_classes=3, **tokens), 4, "head"),
        "reg4": (
            lambda: timm.create_model(
                "vit_small_patch14_reg4_dinov2", num_heads=2, num_classes=3, **tokens | {"img_size": 48}
            ),
            4,
            "head",
        ),
        "mixer": (
            lambda: timm.create_model("mixer_s32_224", num_classes=3, img_size=128),
            4,
            "head",
        ),
        "swin": (
            lambda: timm.create_model(
                "swin_tiny_patch4_window7_224",
                num_classes=3,
                img_size=64,
                window_size=4,
                embed_dim=8,
                depths=(1, 1, 1),
                num_heads=(1, 2, 2),
            ),
            3,
            "head.fc",
        ),
        "convnext": (
            lambda: timm.create_model("convnext_atto", num_classes=3, depths=(1, 1, 1, 1), dims=(8, 12, 20, 24)),
            4,
            "head.fc",
        ),
        "convolution as head": (
            lambda: timm.create_model("resnetv2_50", num_classes=3, layers=(1, 1, 1), channels=(32, 64, 96)),
            4,
            "head.fc",
        ),
        "several linear layers": (
            lambda: timm.create_model("inception_next_atto", num_classes=3, depths=(1, 1, 1), dims=(8, 12, 20)),
            3,
            "head.fc2",
        ),
    }


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["resnet10t", "vit", "reg4", "mixer", "swin", "convnext", "convolution as head", "several linear layers"]
)
def test_timm(name):
    make, count, head = timm_models()[name]
    torch.manual_seed(0)
    model = make().eval()
    side = {"vit": 32, "reg4": 48, "mixer": 128}.get(name, 64)
    told = getattr(model, "patch_embed", None)
    network = Network.of(model, **({} if told is not None and hasattr(told, "img_size") else {"size": side}))
    assert len(network.layers) == count and network.head_place == head and network.size == (side, side)
    config = model.pretrained_cfg
    assert network.mean.flatten().tolist() == pytest.approx(config["mean"])
    x = torch.rand(2, 3, side, side)
    with torch.no_grad():
        wanted = model((x - network.mean) / network.std)
        np.testing.assert_allclose(network(x), wanted, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["deit_tiny_distilled_patch16_224", "levit_128s"])
def test_a_mean_of_two_heads_is_refused(name):
    timm = pytest.importorskip("timm")
    with pytest.raises(ValueError, match=r"no head: .*a mean of two heads"):
        Network.of(timm.create_model(name, num_classes=3))


def of_transformers(name):
    transformers = pytest.importorskip("transformers")
    tokens = {
        "hidden_size": 16,
        "num_hidden_layers": 4,
        "num_attention_heads": 2,
        "intermediate_size": 32,
        "image_size": 32,
        "patch_size": 8,
    }
    stages = {"hidden_sizes": [8, 12, 20, 24], "depths": [1, 1, 1, 1]}
    make, config, sizes = {
        "vit": (transformers.ViTForImageClassification, transformers.ViTConfig, tokens),
        "deit": (transformers.DeiTForImageClassification, transformers.DeiTConfig, tokens),
        "teacher": (transformers.DeiTForImageClassificationWithTeacher, transformers.DeiTConfig, tokens),
        "swin": (
            transformers.SwinForImageClassification,
            transformers.SwinConfig,
            {"image_size": 64, "embed_dim": 8, "depths": [1, 1, 1], "num_heads": [1, 2, 2], "window_size": 4},
        ),
        "resnet": (
            transformers.ResNetForImageClassification,
            transformers.ResNetConfig,
            stages | {"embedding_size": 8},
        ),
        "convnext": (transformers.ConvNextForImageClassification, transformers.ConvNextConfig, stages),
    }[name]
    torch.manual_seed(0)
    return make(config(num_labels=3, **sizes)).eval()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "form", "head", "count"),
    [
        ("vit", "tokens after 1", "classifier", 4),
        ("deit", "tokens after 2", "classifier", 4),
        ("swin", "tokens", "classifier", 3),
        ("resnet", "grid", "classifier.1", 4),
        ("convnext", "grid", "classifier", 4),
    ],
)
def test_transformers(name, form, head, count):
    model = of_transformers(name)
    network = Network.of(model, **HALF, **({"size": 64} if name in ("resnet", "convnext") else {}))
    assert {str(found) for found in network.forms.values()} == {form}
    assert network.head_place == head and len(network.layers) == count
    x = torch.rand(2, 3, *network.size)
    with torch.no_grad():
        np.testing.assert_allclose(network(x), model(2 * x - 1).logits, atol=1e-5)


@pytest.mark.slow
def test_of_several_logits_in_an_output_those_called_so_count():
    """The heads of class and distillation token stand beside their mean."""
    with pytest.raises(ValueError, match="no head"):
        Network.of(of_transformers("teacher"), **HALF)
    with pytest.raises(ValueError, match="not what its head cls_classifier says"):
        Network.of(of_transformers("teacher"), head="cls_classifier", **HALF)


def test_of_a_pair_of_outputs_the_first_counts():
    class Pair(Stages):
        def finish(self, x):
            f = x.mean((2, 3))
            return self.head(f), self.aux(f)

    model = Pair()
    model.aux = nn.Linear(24, 4)
    assert Network.of(model, size=32, **HALF).head_place == "head"


# What is asked for


@pytest.mark.slow
def test_a_model_that_says_nothing_of_its_scaling_is_asked():
    for given in ({}, {"mean": (0.5,) * 3}, {"std": (0.5,) * 3}):
        with pytest.raises(ValueError, match="mean and std"):
            Network.of(Stages(), size=32, **given)
    model = of_transformers("vit")
    with pytest.raises(ValueError, match="image processor"):
        Network.of(model)
    model.config.image_mean, model.config.image_std = [0.1, 0.2, 0.3], [0.4, 0.5, 0.6]
    assert Network.of(model).mean.flatten().tolist() == pytest.approx([0.1, 0.2, 0.3])


def test_a_size_that_was_guessed_is_asked_for():
    class Flat(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.fc = nn.Conv2d(3, 8, 4, 4), nn.Linear(8 * 64, 3)

        def forward(self, x):
            return self.fc(self.conv(x).flatten(1))

    with pytest.raises(ValueError, match="224 x 224 fails: give size="):
        Network.of(Flat(), **HALF)
    assert Network.of(Flat(), size=32, **HALF).grids == {"conv": (8, 8)}
    with pytest.raises(ValueError, match=r"64 x 64 fails \("):
        Network.of(Flat(), size=64, **HALF)


def test_images_need_not_be_square():
    assert Network.of(Stages(), size=(32, 64), **HALF).grids["stages.2"] == (2, 4)


def test_grey():
    network = Network.of(Stages(channels=1), mean=(0.5,), std=(0.5,), size=32)
    assert "seen in grey" in repr(network)
    with pytest.raises(ValueError, match="channels"):
        Network.of(Stages(channels=1), size=32, **HALF)


# Heads


@pytest.mark.parametrize("after", [lambda z: z.softmax(1), lambda z: 2 * z, lambda z: (z + z.flip(1)) / 2])
def test_what_goes_on_after_its_head_has_none(after):
    class Goes(Stages):
        def finish(self, x):
            return after(super().finish(x))

    with pytest.raises(ValueError, match=r"no head: .*take that away"):
        Network.of(Goes(), size=32, **HALF)


@pytest.mark.slow
def test_a_model_without_a_head_takes_one():
    timm = pytest.importorskip("timm")
    for model, wide in (
        (Stages(head=nn.Identity()), 24),
        (timm.create_model("resnet10t", num_classes=0), 512),
        (vit(num_classes=3), 16),
    ):
        if wide == 16:
            model.heads = nn.Identity()
        options = HALF | {"size": 32}
        with pytest.raises(ValueError, match=r"num_classes=0.*head=nn\.Linear"):
            Network.of(model, **options)
        with pytest.raises(
            ValueError, match=rf"takes \(2, 5\) features of 2 images, but the model gives \(2, {wide}\)"
        ):
            Network.of(model, head=nn.Linear(5, 2), **options)
        network = Network.of(model, head=nn.Linear(wide, 2), **options)
        assert network.head_outputs == 2 and all(place.startswith("body.") for place in network.places)
        assert record(network, some()).features.shape == (4, wide)


@pytest.mark.parametrize(
    "head",
    [
        nn.Linear(24, 4, bias=False),
        nn.Sequential(nn.Linear(24, 12), nn.ReLU(), nn.Linear(12, 4)),
        nn.Sequential(nn.BatchNorm1d(24), nn.Dropout(), nn.Linear(24, 4)),
    ],
    ids=["no bias", "several", "normalised"],
)
def test_heads(head):
    network = Network.of(Stages(head=head), size=32, **HALF)
    a = record(network, some(), ()) if network.head_outputs == 2 else None
    assert a is None
    assert isinstance(network.head, nn.Linear) and network.head_outputs == 4
    picked = record(network.picking([0, 3]), some())
    with torch.no_grad():
        z = network.head(torch.from_numpy(picked.features))
    np.testing.assert_allclose(picked.logits, z[:, [0, 3]], atol=1e-5)


# Overruling


def test_layers_are_overruled_by_name():
    network = Network.of(Stages(), layers={"late": "stages.2", "early": "stem"}, size=32, **HALF)
    assert list(network.layers) == ["early", "late"]
    assert list(Network.of(Stages(), layers=["stages.1"], size=32, **HALF).layers) == ["stages.1"]
    with pytest.raises(ValueError, match=r"no module at 'stages\.7'"):
        Network.of(Stages(), layers=["stages.7"], size=32, **HALF)


def test_a_form_is_overruled_though_layers_are_found():
    forms = {"encoder.layers.encoder_layer_5": Form("tokens", prefix=1, grid=(2, 8))}
    network = Network.of(vit(), forms=forms)
    assert network.grids["encoder.layers.encoder_layer_5"] == (2, 8)
    assert network.grids["encoder.layers.encoder_layer_1"] == (4, 4)


class Shuffled(nn.Module):
    """Tokens whose order is not that of rows."""

    def __init__(self, order):
        super().__init__()
        torch.manual_seed(0)
        self.embed, self.block = nn.Conv2d(3, 16, 8, 8), nn.Sequential(nn.Linear(16, 16), nn.ReLU())
        self.fc, self.order = nn.Linear(16, 3), order

    def forward(self, x):
        return self.fc(self.block(self.embed(x).flatten(2).transpose(1, 2)[:, self.order]).mean(1))


@pytest.mark.parametrize(
    "order",
    [
        torch.arange(36).reshape(6, 6).T.flatten(),
        torch.arange(36).reshape(2, 3, 2, 3).permute(0, 2, 1, 3).flatten(),
        torch.arange(36).flip(0),
    ],
    ids=["columns first", "windows", "backwards"],
)
def test_tokens_in_another_order_than_that_of_rows_are_refused(order):
    with pytest.raises(ValueError, match="do not seem to lie row by row on a grid of 6 x 6"):
        Network.of(Shuffled(order), layers=["block"], size=48, **HALF)
    told = {"block": Form("tokens", prefix=0, grid=(6, 6))}
    assert Network.of(Shuffled(order), layers=["block"], forms=told, size=48, **HALF).grids == {"block": (6, 6)}
    assert Network.of(Shuffled(torch.arange(36)), layers=["block"], size=48, **HALF).grids == {"block": (6, 6)}


def test_what_cannot_be_read_is_left_out_and_told(capsys):
    class Mixed(Shuffled):
        def __init__(self):
            super().__init__(torch.arange(36).flip(0))
            self.deeper = nn.Conv2d(16, 16, 3, 2, 1)

        def forward(self, x):
            x = self.block(self.embed(x).flatten(2).transpose(1, 2)[:, self.order])
            return self.fc(self.deeper(x.transpose(1, 2).unflatten(2, (6, 6))).mean((2, 3)))

    network = Network.of(Mixed(), size=48, **HALF)
    assert list(network.layers) == ["deeper"]
    assert "left out: the layer block cannot be read" in capsys.readouterr().err


def test_as_many_channels_as_rows_are_told_apart_by_wider_images():
    class Last(nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(0)
            self.conv, self.turn, self.fc = nn.Conv2d(3, 8, 4, 4), nn.Identity(), nn.Linear(8, 3)

        def forward(self, x):
            return self.fc(self.turn(self.conv(x).permute(0, 2, 3, 1)).mean((1, 2)))

    network, images = Network(Last().eval(), {"turn": "turn", "conv": "conv"}, "fc"), some(n=2)
    network = network.picking([0, 1])
    regions = record(network, images, ("turn", "conv")).regions
    np.testing.assert_array_equal(regions["turn"], regions["conv"])


# Outputs by name


@pytest.mark.slow
def test_outputs_by_name():
    transformers = pytest.importorskip("transformers")
    names = {0: "cat", 1: "crane", 2: "crane", 3: "dog house"}
    config = transformers.ResNetConfig(
        embedding_size=8, hidden_sizes=[8, 8], depths=[1, 1], id2label=names, label2id={"cat": 0}
    )
    model = transformers.ResNetForImageClassification(config).eval()
    network = Network.of(model, size=32, outputs=["dog house", 1], **HALF)
    assert network.outputs == (3, 1) and network.names == ("cat", "crane", "crane", "dog house")
    assert "4 outputs, 2 of them the categories" in repr(network)
    assert network.picking(["cat", 3]).outputs == (0, 3)
    for outputs, message in (
        (["crane", "cat"], r"name of the outputs \[1, 2\]"),
        (["dog", "cat"], "no output is called 'dog'; it has 'dog house'"),
        (["whale", "cat"], "no output is called 'whale'; the first is 'cat'"),
        (["cat", 0], "differ"),
        ([0, 4], r"0 \.\.\. 3"),
    ):
        with pytest.raises(ValueError, match=message):
            network.picking(outputs)
    with pytest.raises(ValueError, match="does not say what its outputs are called"):
        Network.of(Stages(), size=32, outputs=["cat", "dog"], **HALF)


@pytest.mark.slow
def test_names_that_nobody_gave_are_none():
    assert Network.of(of_transformers("vit"), **HALF).names is None
    assert Network.of(torchvision.models.squeezenet1_1(num_classes=5), size=64).names is None


def test_torchvisions_names():
    network = Network.of(torchvision.models.squeezenet1_1(), size=64, outputs=["tench", "goldfish"])
    assert network.outputs == (0, 1) and len(network.names) == 1000


def test_chance_is_refused_when_a_network_is_found():
    class Random(Stages):
        def finish(self, x):
            return self.head(F.dropout(x.mean((2, 3)), 0.5))

    with pytest.raises(ValueError, match="or on chance"):
        Network.of(Random(), size=32, **HALF)


def test_a_network_without_regions_says_so():
    class Flat(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(3 * 16 * 16, 3)

        def forward(self, x):
            return self.fc(x.flatten(1))

    assert "no layer with regions" in repr(Network.of(Flat(), size=16, **HALF))
