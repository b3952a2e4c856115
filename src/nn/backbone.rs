//! Backbones: what turns a photo into features, each a row of a table.
//!
//! Architectures and parameter names are torchvision's, so that its weights fit. To add one, add a row; a block that
//! does not exist yet is a variant of [`Block`] and a struct in `block.rs`.

use super::block::{Inverted, Residual};
use super::error::{NnError, Result};
use super::layer::ConvNorm;
use super::map::FeatureMap;
use super::ops::{Activation, Backend, ConvSpec, PoolKind, PoolSpec, global_average, pool2d};
use super::param::{Builder, Store};
use super::pass::Pass;
use super::swin::Swin;

/// An architecture.
#[derive(Debug)]
pub struct Backbone {
    /// Its name in torchvision.
    pub name: &'static str,
    stem: Stem,
    stages: &'static [Stage],
    /// Channels of a last 1x1 convolution.
    tail: Option<usize>,
}

/// The first layers.
#[derive(Debug)]
enum Stem {
    /// 7x7 convolution, stride 2, and a 3x3 maximum, stride 2.
    SevenAndPool(usize),
    /// 3x3 convolution, stride 2.
    Three(usize),
    /// Patches of 4x4 pixels as tokens.
    Patches(usize),
}

/// Blocks of one width in a row; the first has the stride.
#[derive(Debug)]
struct Stage {
    block: Block,
    width: usize,
    depth: usize,
    stride: usize,
}

#[derive(Clone, Copy, Debug)]
enum Block {
    /// Two 3x3 convolutions (He et al. 2016).
    Basic,
    /// 1x1, 3x3 with the stride, 1x1 to four times the width (torchvision's "v1.5").
    Bottleneck,
    /// Expansion, depthwise window, squeeze and excite, projection (Tan and Le 2019).
    Inverted { expand: usize, kernel: usize },
    /// Attention within windows (Liu et al. 2021); a stride is the merging of patches before it.
    Window { heads: usize },
}

impl Block {
    /// Channels that a block of this width gives.
    fn channels(self, width: usize) -> usize {
        match self {
            Block::Bottleneck => 4 * width,
            _ => width,
        }
    }
}

const fn stage(block: Block, width: usize, depth: usize, stride: usize) -> Stage {
    Stage { block, width, depth, stride }
}

const fn inverted(expand: usize, kernel: usize, stride: usize, width: usize, depth: usize) -> Stage {
    stage(Block::Inverted { expand, kernel }, width, depth, stride)
}

const fn resnet(name: &'static str, stages: &'static [Stage]) -> Backbone {
    Backbone { name, stem: Stem::SevenAndPool(64), stages, tail: None }
}

/// Every backbone there is.
pub static BACKBONES: &[Backbone] = &[
    resnet(
        "resnet18",
        &[
            stage(Block::Basic, 64, 2, 1),
            stage(Block::Basic, 128, 2, 2),
            stage(Block::Basic, 256, 2, 2),
            stage(Block::Basic, 512, 2, 2),
        ],
    ),
    resnet(
        "resnet34",
        &[
            stage(Block::Basic, 64, 3, 1),
            stage(Block::Basic, 128, 4, 2),
            stage(Block::Basic, 256, 6, 2),
            stage(Block::Basic, 512, 3, 2),
        ],
    ),
    resnet(
        "resnet50",
        &[
            stage(Block::Bottleneck, 64, 3, 1),
            stage(Block::Bottleneck, 128, 4, 2),
            stage(Block::Bottleneck, 256, 6, 2),
            stage(Block::Bottleneck, 512, 3, 2),
        ],
    ),
    Backbone {
        name: "efficientnet_b0",
        stem: Stem::Three(32),
        stages: &[
            inverted(1, 3, 1, 16, 1),
            inverted(6, 3, 2, 24, 2),
            inverted(6, 5, 2, 40, 2),
            inverted(6, 3, 2, 80, 3),
            inverted(6, 5, 1, 112, 3),
            inverted(6, 5, 2, 192, 4),
            inverted(6, 3, 1, 320, 1),
        ],
        tail: Some(1280),
    },
    Backbone {
        name: "swin_t",
        stem: Stem::Patches(96),
        stages: &[
            stage(Block::Window { heads: 3 }, 96, 2, 1),
            stage(Block::Window { heads: 6 }, 192, 2, 2),
            stage(Block::Window { heads: 12 }, 384, 6, 2),
            stage(Block::Window { heads: 24 }, 768, 2, 2),
        ],
        tail: None,
    },
];

impl Backbone {
    /// The backbone of that name.
    ///
    /// # Errors
    /// When there is none; the error lists those that are.
    pub fn named(name: &str) -> Result<&'static Backbone> {
        BACKBONES.iter().find(|b| b.name == name).ok_or_else(|| {
            let known: Vec<_> = BACKBONES.iter().map(|b| b.name).collect();
            // as papers and other libraries write them: ResNet-50, EfficientNetB0
            let plain =
                |name: &str| name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
            let meant = known.iter().find(|&&k| plain(k) == plain(name)).map_or("", |&k| k);
            NnError::UnknownBackbone { name: name.to_owned(), known: known.join(", "), meant }
        })
    }

    /// Length of the pooled feature.
    pub fn features(&self) -> usize {
        let last = self.stages.last().map_or(0, |s| s.block.channels(s.width));
        self.tail.unwrap_or(last)
    }

    /// The activation of the convolutions outside the blocks.
    fn activation(&self) -> Activation {
        match self.stem {
            Stem::SevenAndPool(_) => Activation::Relu,
            Stem::Three(_) => Activation::Silu,
            Stem::Patches(_) => Activation::Gelu,
        }
    }

    /// Adds the layers' parameters below `builder`.
    ///
    /// # Errors
    /// When the device has no memory.
    pub fn build<D: Backend>(&self, builder: &mut Builder<D>) -> Result<Layers> {
        let act = self.activation();
        let mut layers = Vec::new();
        let mut channels = match self.stem {
            Stem::SevenAndPool(width) => {
                let spec = ConvSpec::new(3, width, 7).stride(2);
                layers.push(Layer::Conv(ConvNorm::new(builder, ["conv1", "bn1"], spec, act)?));
                layers.push(Layer::Pool(PoolSpec {
                    kind: PoolKind::Max,
                    kernel: [3, 3],
                    stride: [2, 2],
                    padding: [1, 1],
                }));
                width
            }
            Stem::Three(width) => {
                let spec = ConvSpec::new(3, width, 3).stride(2);
                layers.push(Layer::Conv(ConvNorm::new(&mut builder.at("features.0"), ["0", "1"], spec, act)?));
                width
            }
            Stem::Patches(width) => {
                layers.push(Layer::Swin(Swin::embed(&mut builder.at("features.0"), width)?));
                width
            }
        };
        for (number, stage) in (1..).zip(self.stages) {
            if let (Block::Window { .. }, 2) = (stage.block, stage.stride) {
                let mut builder = builder.at(format!("features.{}", 2 * number - 2));
                layers.push(Layer::Swin(Swin::merge(&mut builder, channels)?));
            }
            for index in 0..stage.depth {
                let stride = if index == 0 { stage.stride } else { 1 };
                let name = match stage.block {
                    Block::Inverted { .. } => format!("features.{number}.{index}"),
                    Block::Window { .. } => format!("features.{}.{index}", 2 * number - 1),
                    _ => format!("layer{number}.{index}"),
                };
                let mut builder = builder.at(name);
                layers.push(match stage.block {
                    Block::Basic => Layer::Residual(Residual::basic(&mut builder, channels, stage.width, stride)?),
                    Block::Bottleneck => {
                        Layer::Residual(Residual::bottleneck(&mut builder, channels, stage.width, stride)?)
                    }
                    Block::Inverted { expand, kernel } => {
                        let sizes = [channels, stage.width, expand, kernel, stride];
                        Layer::Inverted(Box::new(Inverted::new(&mut builder, sizes)?))
                    }
                    Block::Window { heads } => {
                        Layer::Swin(Swin::block(&mut builder, stage.width, heads, index % 2 == 1)?)
                    }
                });
                channels = stage.block.channels(stage.width);
            }
        }
        if let Stem::Patches(_) = self.stem {
            layers.push(Layer::Swin(Swin::norm(builder, channels)?));
        }
        if let Some(tail) = self.tail {
            let mut builder = builder.at(format!("features.{}", self.stages.len() + 1));
            layers.push(Layer::Conv(ConvNorm::new(&mut builder, ["0", "1"], ConvSpec::new(channels, tail, 1), act)?));
        }
        Ok(Layers(layers))
    }
}

#[derive(Debug)]
enum Layer {
    Conv(ConvNorm),
    Pool(PoolSpec),
    Residual(Residual),
    Inverted(Box<Inverted>),
    Swin(Swin),
}

/// The layers of a backbone, in order.
#[derive(Debug)]
pub struct Layers(Vec<Layer>);

impl Layers {
    /// Photos N x 3 x S x S to pooled features N x F x 1 x 1.
    ///
    /// # Errors
    /// As the operations; photos may be too small for the strides.
    pub fn forward<D: Backend>(
        &self,
        pass: &mut Pass<D>,
        store: &Store<D>,
        photos: &FeatureMap<D>,
    ) -> Result<FeatureMap<D>> {
        let mut x = photos.clone();
        for layer in &self.0 {
            x = match layer {
                Layer::Conv(conv) => conv.forward(pass, store, &x, None)?,
                Layer::Pool(spec) => pool2d(pass, &x, spec)?,
                Layer::Residual(block) => block.forward(pass, store, &x)?,
                Layer::Inverted(block) => block.forward(pass, store, &x)?,
                Layer::Swin(layer) => layer.forward(pass, store, &x)?,
            };
        }
        global_average(pass, &x)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::param::Role;
    use dfdx::prelude::Cpu;

    /// Counts of torchvision 0.29's models without their classifiers.
    #[test]
    fn parameter_counts_are_torchvisions() {
        let expected = [
            ("resnet18", 11_176_512, 512),
            ("resnet34", 21_284_672, 512),
            ("resnet50", 23_508_032, 2048),
            ("efficientnet_b0", 4_007_548, 1280),
            ("swin_t", 27_519_354, 768),
        ];
        for (name, count, features) in expected {
            let mut store = Store::new(&Cpu::default());
            let backbone = Backbone::named(name).unwrap();
            backbone.build(&mut Builder::new(&mut store, 0)).unwrap();
            assert_eq!((store.trained_count(), backbone.features()), (count, features), "{name}");
            assert_eq!(store.iter().filter(|p| p.role == Role::Running).count() % 2, 0);
        }
    }

    #[test]
    fn an_unknown_name_lists_the_known_ones() {
        let error = Backbone::named("resnet5O").err().unwrap().to_string();
        assert!(error.contains("resnet50") && error.contains("efficientnet_b0"), "{error}");
    }
}
