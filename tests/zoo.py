"""Real architectures with random weights, small and lively, as their libraries build them: the matrix of networks."""

import os
from collections.abc import Callable

import torch
from torch import nn
from torchvision import models

os.environ["HF_HUB_OFFLINE"] = "1"

OUTPUTS = 6


def small(model: Callable[..., nn.Module], **settings: object) -> Callable[[], nn.Module]:
    return lambda: model(num_classes=OUTPUTS, **settings)


def of_timm(name: str, **settings: object) -> Callable[[], nn.Module]:
    def build() -> nn.Module:
        import timm

        return timm.create_model(name, num_classes=OUTPUTS, **settings)

    return build


def of_transformers(family: str, **settings: object) -> Callable[[], nn.Module]:
    def build() -> nn.Module:
        import transformers

        config = getattr(transformers, f"{family}Config")(num_labels=OUTPUTS, **settings)
        return getattr(transformers, f"{family}ForImageClassification")(config)

    return build


def narrow(family: Callable[[], nn.Module]) -> nn.Module:
    """With fewer numbers between the last layers, which have up to 4,096 each and most of the weights."""
    with torch.device("meta"):
        model = family()
    linear = [i for i, module in enumerate(model.classifier) if isinstance(module, nn.Linear)]
    model = model.to_empty(device="cpu")
    for parameter in model.parameters():
        nn.init.zeros_(parameter)
    sizes = [model.classifier[linear[0]].in_features, 32, 32, OUTPUTS]
    for i, before, after in zip(linear, sizes, sizes[1:], strict=False):
        model.classifier[i] = nn.Linear(before, after)
    return model


def mobilenet_v3() -> nn.Module:
    from torchvision.models.mobilenetv3 import InvertedResidualConfig as Block

    blocks = [
        Block(8, 3, 16, 8, True, "RE", 2, 1, 1.0),
        Block(8, 3, 24, 16, False, "HS", 2, 1, 1.0),
        Block(16, 5, 32, 16, True, "HS", 1, 1, 1.0),
    ]
    return models.MobileNetV3(blocks, last_channel=32, num_classes=OUTPUTS)


def efficientnet(fused: bool) -> nn.Module:
    from torchvision.models.efficientnet import FusedMBConvConfig, MBConvConfig

    first = FusedMBConvConfig(2, 3, 1, 8, 8, 1) if fused else MBConvConfig(1, 3, 1, 8, 8, 1)
    return models.EfficientNet(
        [first, MBConvConfig(4, 3, 2, 8, 16, 2), MBConvConfig(4, 5, 2, 16, 24, 1)],
        dropout=0.1,
        num_classes=OUTPUTS,
        last_channel=32,
    )


def regnet() -> nn.Module:
    from torchvision.models.regnet import BlockParams

    parameters = BlockParams.from_init_params(depth=6, w_0=8, w_a=8.0, w_m=2.0, group_width=8, se_ratio=0.25)
    return models.RegNet(parameters, num_classes=OUTPUTS, stem_width=8)


def convnext() -> nn.Module:
    from torchvision.models.convnext import CNBlockConfig

    blocks = [CNBlockConfig(8, 16, 1), CNBlockConfig(16, 32, 2), CNBlockConfig(32, None, 1)]
    return models.ConvNeXt(blocks, num_classes=OUTPUTS)


def swin(version: int) -> nn.Module:
    from torchvision.models import swin_transformer as room

    parts = {"block": room.SwinTransformerBlockV2, "downsample_layer": room.PatchMergingV2} if version == 2 else {}
    return models.SwinTransformer([4, 4], 16, [2, 2], [2, 4], [4, 4], num_classes=OUTPUTS, **parts)


def maxvit() -> nn.Module:
    sizes = {
        "stem_channels": 16,
        "partition_size": 2,
        "block_channels": [16, 32],
        "block_layers": [1, 1],
        "head_dim": 8,
    }
    return models.MaxVit(input_size=(64, 64), **sizes, stochastic_depth_prob=0.0, num_classes=OUTPUTS)


RESNET = {"block": models.resnet.Bottleneck, "layers": [1, 1, 1, 1]}
PATCHES = {"img_size": 32, "patch_size": 8, "embed_dim": 24, "depth": 3, "num_heads": 3}
WINDOWS = {"img_size": 32, "window_size": 4, "embed_dim": 16, "depths": (2, 2), "num_heads": (2, 4)}
STAGES = {"depths": (1, 1, 1, 1), "dims": (8, 16, 32, 64)}
TOKENS = {"image_size": 32, "patch_size": 8, "hidden_size": 24, "num_hidden_layers": 3, "num_attention_heads": 3}

TORCHVISION = {
    "AlexNet": (64, lambda: narrow(models.AlexNet)),
    "VGG": (32, lambda: narrow(models.vgg11)),
    "ResNet": (64, small(models.ResNet, block=models.resnet.BasicBlock, layers=[1, 1, 1, 1])),
    "ResNet with bottlenecks": (64, small(models.ResNet, **RESNET)),
    "ResNeXt": (64, small(models.ResNet, **RESNET, groups=4, width_per_group=8)),
    "Wide ResNet": (64, small(models.ResNet, **RESNET, width_per_group=96)),
    "SqueezeNet": (64, small(models.SqueezeNet, version="1_0")),
    "DenseNet": (64, small(models.DenseNet, growth_rate=8, block_config=(2, 2, 2, 2), num_init_features=16)),
    "GoogLeNet": (64, small(models.GoogLeNet, init_weights=False)),
    "Inception v3": (96, small(models.Inception3, init_weights=False, aux_logits=False)),
    "MobileNet v2": (64, small(models.MobileNetV2, width_mult=0.25)),
    "MobileNet v3": (64, mobilenet_v3),
    "MNASNet": (64, small(models.MNASNet, alpha=0.35)),
    "ShuffleNet v2": (
        64,
        small(models.ShuffleNetV2, stages_repeats=[1, 2, 1], stages_out_channels=[8, 16, 24, 32, 64]),
    ),
    "EfficientNet": (64, lambda: efficientnet(fused=False)),
    "EfficientNet v2": (64, lambda: efficientnet(fused=True)),
    "RegNet": (64, regnet),
    "ConvNeXt": (64, convnext),
    "ViT": (
        32,
        small(
            models.VisionTransformer, image_size=32, patch_size=8, num_layers=3, num_heads=2, hidden_dim=16, mlp_dim=32
        ),
    ),
    "Swin": (32, lambda: swin(1)),
    "Swin v2": (32, lambda: swin(2)),
    "MaxViT": (64, maxvit),
}

TIMM = {
    "ResNet-D": (64, of_timm("resnet18d", channels=(16, 32, 48, 64))),
    "ResNet v2 (BiT)": (64, of_timm("resnetv2_50", layers=(1, 1, 1, 1), channels=(32, 64, 128, 256))),
    "ConvNeXt": (64, of_timm("convnext_atto", **STAGES)),
    "ConvNeXt v2": (64, of_timm("convnextv2_atto", **STAGES)),
    "ViT": (32, of_timm("vit_small_patch16_224", **PATCHES)),
    "ViT with registers": (32, of_timm("vit_small_patch14_reg4_dinov2", **PATCHES)),
    "ViT without a class token": (32, of_timm("vit_base_patch16_gap_224", **PATCHES)),
    "DeiT": (32, of_timm("deit_small_patch16_224", **PATCHES)),
    "DeiT III": (32, of_timm("deit3_small_patch16_224", **PATCHES)),
    "BEiT": (32, of_timm("beit_base_patch16_224", **PATCHES)),
    "Swin": (32, of_timm("swin_tiny_patch4_window7_224", **WINDOWS)),
    "Swin v2": (32, of_timm("swinv2_tiny_window8_256", **WINDOWS)),
    "MaxViT": (
        64,
        of_timm(
            "maxvit_rmlp_pico_rw_256",
            img_size=64,
            embed_dim=(32, 32),
            depths=(1, 1),
            block_type=("M", "M"),
            stem_width=16,
        ),
    ),
    "CoAtNet": (
        64,
        of_timm(
            "coatnet_pico_rw_224", img_size=64, embed_dim=(16, 32, 32, 32), depths=(1, 1, 1, 1), stem_width=(8, 16)
        ),
    ),
    "MLP-Mixer": (64, of_timm("mixer_s32_224", img_size=64)),
    "ResMLP": (64, of_timm("resmlp_12_224", img_size=64)),
    "EfficientNet": (64, of_timm("efficientnet_lite0")),
    "MobileNet v3": (64, of_timm("mobilenetv3_small_050")),
    "RegNet": (64, of_timm("regnety_002")),
    "DenseNet": (64, of_timm("densenet121", growth_rate=8, block_config=(2, 2, 2, 2))),
    "PoolFormer": (64, of_timm("poolformer_s12")),
    "PVT v2": (64, of_timm("pvt_v2_b0", depths=(1, 1, 1, 1), embed_dims=(8, 16, 16, 32), num_heads=(1, 1, 2, 2))),
    "RepVGG": (64, of_timm("repvgg_a0")),
}

TRANSFORMERS = {
    "ViT": (32, of_transformers("ViT", **TOKENS, intermediate_size=48)),
    "DeiT": (32, of_transformers("DeiT", **TOKENS, intermediate_size=48)),
    "DINOv2": (32, of_transformers("Dinov2", **TOKENS, mlp_ratio=2)),
    "Swin": (32, of_transformers("Swin", image_size=32, window_size=4, embed_dim=16, depths=[2, 2], num_heads=[2, 4])),
    "ResNet": (64, of_transformers("ResNet", embedding_size=8, hidden_sizes=[16, 32, 64], depths=[1, 1, 1])),
    "ConvNeXt": (64, of_transformers("ConvNext", hidden_sizes=[8, 16, 32], depths=[1, 1, 1], num_stages=3)),
    "MobileNet v2": (64, of_transformers("MobileNetV2", depth_multiplier=0.25, finegrained_output=False)),
    "RegNet": (
        64,
        of_transformers("RegNet", embedding_size=8, hidden_sizes=[8, 16, 16, 32], depths=[1, 1, 1, 1], groups_width=8),
    ),
}

SCALED = {"mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5)}
"""For models that do not say how their images were scaled: those of transformers leave it to their image processor, and
torchvision's EfficientNets are one class for weights of two scalings."""
GIVEN = {
    *(f"transformers: {family}" for family in TRANSFORMERS),
    *(f"torchvision: EfficientNet{v}" for v in ("", " v2")),
}

LIBRARIES = {"torchvision": TORCHVISION, "timm": TIMM, "transformers": TRANSFORMERS}
NAMES = [f"{library}: {family}" for library, families in LIBRARIES.items() for family in families]


def built(name: str) -> tuple[nn.Module, int]:
    """The network in evaluation mode, and the side of the images that it sees."""
    library, family = name.split(": ")
    side, build = LIBRARIES[library][family]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = build()
        enliven(model, torch.rand(16, 3, side, side))
    return model.eval(), side


@torch.no_grad()
def enliven(model: nn.Module, images: torch.Tensor) -> None:
    """Weights under which every layer tells images apart: as drawn, many a network gives all of them one answer."""
    for parameter in model.parameters():
        if parameter.ndim > 1:
            parameter.normal_(0, (2 / parameter[0].numel()) ** 0.5)
        elif bool((parameter == parameter[0]).all()):  # scales and shifts
            parameter.copy_(1 + 0.1 * torch.randn_like(parameter)) if parameter[0] else parameter.normal_(0, 0.1)
    norms = [m for m in model.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    if norms:
        for norm in norms:
            norm.momentum = 1.0
        model.train()(images)
