//! The rows: every architecture there is. Torchvision 0.29's, `efficientnet_lite0` timm 1.0's.
//!
//! Members of a family repeat its first row but for what differs.

use crate::nn::ops::{Activation, NormSpec};

use super::{Backbone, Block, Inversion, Names, Scale, Squeeze, Stage, Stem, Wide};

const fn stage(block: Block, width: usize, depth: usize, stride: usize) -> Stage {
    Stage { block, width, depth, stride }
}

/// ResNets (He et al. 2016) differ in their block and in how many of them a stage has.
const fn resnet(block: Block, depths: [usize; 4]) -> [Stage; 4] {
    [
        stage(block, 64, depths[0], 1),
        stage(block, 128, depths[1], 2),
        stage(block, 256, depths[2], 2),
        stage(block, 512, depths[3], 2),
    ]
}

const RESNET: Backbone = Backbone {
    name: "resnet18",
    stem: Stem::SevenAndPool(64),
    activation: Activation::Relu,
    norm: NormSpec::TORCH,
    names: Names::Layers,
    scale: Scale::NONE,
    stages: &resnet(Block::Basic, [2, 2, 2, 2]),
    tail: None,
};

/// EfficientNet-B0's stages (Tan and Le 2019).
const fn efficientnet(activation: Activation, squeeze: Option<Squeeze>) -> [Stage; 7] {
    const fn row(inversion: Inversion, expand: usize, kernel: usize) -> Block {
        Block::Inverted(Inversion { wide: Wide::Times(expand), kernel, ..inversion })
    }
    let same = Inversion { wide: Wide::Times(1), kernel: 3, squeeze, activation };
    [
        stage(row(same, 1, 3), 16, 1, 1),
        stage(row(same, 6, 3), 24, 2, 2),
        stage(row(same, 6, 5), 40, 2, 2),
        stage(row(same, 6, 3), 80, 3, 2),
        stage(row(same, 6, 5), 112, 3, 1),
        stage(row(same, 6, 5), 192, 4, 2),
        stage(row(same, 6, 3), 320, 1, 1),
    ]
}

const EFFICIENTNET: Backbone = Backbone {
    name: "efficientnet_b0",
    stem: Stem::Three(32),
    activation: Activation::Silu,
    norm: NormSpec::TORCH,
    names: Names::Features,
    scale: Scale::NONE,
    stages: &efficientnet(Activation::Silu, Some(Squeeze::OfInput)),
    tail: Some(1280),
};

/// A stage of MobileNetV3 is one block.
const fn mobile(
    kernel: usize,
    wide: usize,
    width: usize,
    squeeze: bool,
    activation: Activation,
    stride: usize,
) -> Stage {
    let squeeze = if squeeze { Some(Squeeze::OfWide) } else { None };
    stage(Block::Inverted(Inversion { wide: Wide::Channels(wide), kernel, squeeze, activation }), width, 1, stride)
}

/// Howard et al. 2019, table 1, without the last two layers, which are torchvision's classifier.
const MOBILENET: Backbone = {
    use Activation::{Hardswish, Relu};
    Backbone {
        name: "mobilenet_v3_large",
        stem: Stem::Three(16),
        activation: Hardswish,
        norm: NormSpec { epsilon: 1e-3, momentum: 0.01 },
        names: Names::Flat,
        scale: Scale::NONE,
        stages: &[
            mobile(3, 16, 16, false, Relu, 1),
            mobile(3, 64, 24, false, Relu, 2),
            mobile(3, 72, 24, false, Relu, 1),
            mobile(5, 72, 40, true, Relu, 2),
            mobile(5, 120, 40, true, Relu, 1),
            mobile(5, 120, 40, true, Relu, 1),
            mobile(3, 240, 80, false, Hardswish, 2),
            mobile(3, 200, 80, false, Hardswish, 1),
            mobile(3, 184, 80, false, Hardswish, 1),
            mobile(3, 184, 80, false, Hardswish, 1),
            mobile(3, 480, 112, true, Hardswish, 1),
            mobile(3, 672, 112, true, Hardswish, 1),
            mobile(5, 672, 160, true, Hardswish, 2),
            mobile(5, 960, 160, true, Hardswish, 1),
            mobile(5, 960, 160, true, Hardswish, 1),
        ],
        tail: Some(960),
    }
};

/// Swin-T (Liu et al. 2021), without a classifier the layout of MegaDescriptor-T; timm's `swin_tiny_patch4_window7_224`.
const SWIN: Backbone = Backbone {
    name: "swin_t",
    stem: Stem::Patches(96),
    // no convolution lies outside the blocks, and none has a batch norm
    activation: Activation::Identity,
    norm: NormSpec::TORCH,
    names: Names::Odd,
    scale: Scale::NONE,
    stages: &[
        stage(Block::Window { heads: 3 }, 96, 2, 1),
        stage(Block::Window { heads: 6 }, 192, 2, 2),
        stage(Block::Window { heads: 12 }, 384, 6, 2),
        stage(Block::Window { heads: 24 }, 768, 2, 2),
    ],
    tail: None,
};

/// Every backbone there is.
pub static BACKBONES: &[Backbone] = &[
    RESNET,
    Backbone { name: "resnet34", stages: &resnet(Block::Basic, [3, 4, 6, 3]), ..RESNET },
    Backbone { name: "resnet50", stages: &resnet(Block::Bottleneck, [3, 4, 6, 3]), ..RESNET },
    Backbone { name: "resnet101", stages: &resnet(Block::Bottleneck, [3, 4, 23, 3]), ..RESNET },
    EFFICIENTNET,
    Backbone { name: "efficientnet_b1", scale: Scale { width: 1.0, depth: 1.1 }, ..EFFICIENTNET },
    Backbone { name: "efficientnet_b2", scale: Scale { width: 1.1, depth: 1.2 }, ..EFFICIENTNET },
    Backbone { name: "efficientnet_b3", scale: Scale { width: 1.2, depth: 1.4 }, ..EFFICIENTNET },
    Backbone {
        name: "efficientnet_lite0",
        activation: Activation::Relu6,
        // the weights that exist for it (efficientnet-lite0-57934424.pth) were made with this epsilon; timm's row has 1e-5
        norm: NormSpec { epsilon: 1e-3, ..NormSpec::TORCH },
        stages: &efficientnet(Activation::Relu6, None),
        ..EFFICIENTNET
    },
    MOBILENET,
    SWIN,
];
