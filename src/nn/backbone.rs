//! Backbones: what turns a photo into features, each a row of a table.
//!
//! Architectures and parameter names are torchvision's, so that its weights fit. To add one, add a row to `table.rs`; a
//! block that does not exist yet is a variant of [`Block`] and a struct in `block.rs`.

mod table;

pub use table::BACKBONES;

use super::block::{Inverted, InvertedSpec, Residual};
use super::error::{NnError, Result};
use super::layer::ConvNorm;
use super::map::FeatureMap;
use super::ops::{Activation, Backend, ConvSpec, NormSpec, PoolKind, PoolSpec, global_average, pool2d};
use super::param::{Builder, Place, Store};
use super::pass::Pass;
use super::swin::Swin;

/// An architecture.
#[derive(Debug)]
pub struct Backbone {
    /// Its name in torchvision (or timm).
    pub name: &'static str,
    stem: Stem,
    /// Of the convolutions outside the blocks.
    activation: Activation,
    norm: NormSpec,
    names: Names,
    scale: Scale,
    stages: &'static [Stage],
    /// Channels of a last 1x1 convolution.
    tail: Option<usize>,
}

/// The first layers.
#[derive(Clone, Copy, Debug)]
enum Stem {
    /// 7x7 convolution, stride 2, and a 3x3 maximum, stride 2.
    SevenAndPool(usize),
    /// 3x3 convolution, stride 2.
    Three(usize),
    /// Patches of 4x4 pixels as tokens.
    Patches(usize),
}

/// How torchvision names the parameters of a stage's block, stages counted from 1 and blocks from 0.
#[derive(Clone, Copy, Debug)]
enum Names {
    /// `layer1.0`.
    Layers,
    /// `features.1.0`.
    Features,
    /// `features.1`: a stage is a block.
    Flat,
    /// `features.1.0`, `features.3.0`: between the stages patches are merged, by `features.2`.
    Odd,
}

impl Names {
    fn block(self, stage: usize, block: usize) -> String {
        match self {
            Names::Layers => format!("layer{stage}.{block}"),
            Names::Features => format!("features.{stage}.{block}"),
            Names::Flat => format!("features.{stage}"),
            Names::Odd => format!("features.{}.{block}", 2 * stage - 1),
        }
    }
}

/// By what a member of a family is wider and deeper than the table (Tan and Le 2019, compound scaling).
#[derive(Clone, Copy, Debug)]
struct Scale {
    width: f64,
    depth: f64,
}

impl Scale {
    const NONE: Scale = Scale { width: 1.0, depth: 1.0 };

    fn channels(self, width: usize) -> usize {
        in_eights(width as f64 * self.width)
    }

    fn blocks(self, depth: usize) -> usize {
        (depth as f64 * self.depth).ceil() as usize
    }
}

/// The nearest multiple of eight, at least eight and at least nine tenths of `channels` (torchvision's `_make_divisible`).
fn in_eights(channels: f64) -> usize {
    let nearest = ((channels + 4.0) as usize / 8 * 8).max(8);
    if (nearest as f64) < 0.9 * channels { nearest + 8 } else { nearest }
}

/// Blocks of one width in a row; the first has the stride.
#[derive(Clone, Copy, Debug)]
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
    /// Expansion, depthwise window, squeeze and excite, projection (Sandler et al. 2018).
    Inverted(Inversion),
    /// Attention within windows (Liu et al. 2021); the stride is the merging of patches before it.
    Window { heads: usize },
}

/// What inverted bottlenecks differ in.
#[derive(Clone, Copy, Debug)]
struct Inversion {
    wide: Wide,
    kernel: usize,
    squeeze: Option<Squeeze>,
    activation: Activation,
}

/// Channels of the depthwise window.
#[derive(Clone, Copy, Debug)]
enum Wide {
    /// So many times the block's input.
    Times(usize),
    Channels(usize),
}

/// Squeeze and excite.
#[derive(Clone, Copy, Debug)]
enum Squeeze {
    /// To a quarter of the block's input; SiLU and sigmoid (EfficientNet).
    OfInput,
    /// To a quarter of the window's channels, in eights; ReLU and hard sigmoid (MobileNetV3).
    OfWide,
}

impl Squeeze {
    /// Channels between, and what is applied to them and to the scales.
    fn resolve(self, channels: usize, wide: usize) -> (usize, [Activation; 2]) {
        match self {
            Squeeze::OfInput => ((channels / 4).max(1), [Activation::Silu, Activation::Sigmoid]),
            Squeeze::OfWide => (in_eights((wide / 4) as f64), [Activation::Relu, Activation::Hardsigmoid]),
        }
    }
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

impl Backbone {
    /// The backbone of that name.
    ///
    /// # Errors
    /// When there is none; the error lists those that are.
    pub fn named(name: &str) -> Result<&'static Backbone> {
        BACKBONES.iter().find(|b| b.name == name).ok_or_else(|| {
            // as papers and other libraries write them: ResNet-50, EfficientNetB0
            let plain =
                |name: &str| name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
            let meant = BACKBONES.iter().find(|b| plain(b.name) == plain(name)).map_or("", |b| b.name);
            NnError::UnknownBackbone { name: name.to_owned(), known: Self::names(), meant }
        })
    }

    /// Every backbone's name, with commas between.
    pub fn names() -> String {
        BACKBONES.iter().map(|b| b.name).collect::<Vec<_>>().join(", ")
    }

    /// Length of the pooled feature.
    pub fn features(&self) -> usize {
        let last = |stage: &Stage| stage.block.channels(self.scale.channels(stage.width));
        self.tail.map_or_else(|| self.stages.last().map_or(0, last), |tail| self.scale.channels(tail))
    }

    /// Stages, the stem among them; a last convolution belongs to the last.
    pub fn stages(&self) -> usize {
        self.stages.len() + 1
    }

    /// Number of the stage of that name: `stem` is 0, `stage1` is 1.
    ///
    /// # Errors
    /// When it has no such stage; the error says which it has.
    pub fn stage_named(&self, name: &str) -> Result<usize> {
        let number = match name {
            "stem" => Some(0),
            _ => name.strip_prefix("stage").and_then(|n| n.parse().ok()).filter(|n| (1..self.stages()).contains(n)),
        };
        let unknown = || NnError::UnknownStage { backbone: self.name, name: name.to_owned(), last: self.stages() - 1 };
        number.ok_or_else(unknown)
    }

    /// What its batch norms add to the variance.
    pub fn epsilon(&self) -> f32 {
        self.norm.epsilon
    }

    /// Adds the layers' parameters below `builder`.
    ///
    /// # Errors
    /// When the device has no memory.
    pub fn build<D: Backend>(&self, builder: &mut Builder<D>) -> Result<Layers> {
        let (act, norm) = (self.activation, self.norm);
        let mut layers = Vec::new();
        let mut stem = builder.stage(0);
        let mut channels = match self.stem {
            Stem::SevenAndPool(width) => {
                let spec = ConvSpec::new(3, width, 7).stride(2);
                layers.push((0, Layer::Conv(ConvNorm::new(&mut stem, ["conv1", "bn1"], spec, norm, act)?)));
                let pool = PoolSpec { kind: PoolKind::Max, kernel: [3, 3], stride: [2, 2], padding: [1, 1] };
                layers.push((0, Layer::Pool(pool)));
                width
            }
            Stem::Three(width) => {
                let width = self.scale.channels(width);
                let spec = ConvSpec::new(3, width, 3).stride(2);
                let mut stem = stem.at("features.0");
                layers.push((0, Layer::Conv(ConvNorm::new(&mut stem, ["0", "1"], spec, norm, act)?)));
                width
            }
            Stem::Patches(width) => {
                layers.push((0, Layer::Swin(Swin::embed(&mut stem.at("features.0"), width)?)));
                width
            }
        };
        for (number, stage) in (1..).zip(self.stages) {
            let mut builder = builder.stage(number);
            let width = self.scale.channels(stage.width);
            for index in 0..self.scale.blocks(stage.depth) {
                let stride = if index == 0 { stage.stride } else { 1 };
                if let (Block::Window { .. }, 2) = (stage.block, stride) {
                    let mut builder = builder.at(format!("features.{}", 2 * number - 2));
                    layers.push((number, Layer::Swin(Swin::merge(&mut builder, channels)?)));
                }
                let mut builder = builder.at(self.names.block(number, index));
                let layer = match stage.block {
                    Block::Basic => Layer::Residual(Residual::basic(&mut builder, channels, width, stride, norm)?),
                    Block::Bottleneck => {
                        Layer::Residual(Residual::bottleneck(&mut builder, channels, width, stride, norm)?)
                    }
                    Block::Inverted(Inversion { wide, kernel, squeeze, activation }) => {
                        let wide = match wide {
                            Wide::Times(times) => channels * times,
                            Wide::Channels(wide) => wide,
                        };
                        let squeeze = squeeze.map(|squeeze| squeeze.resolve(channels, wide));
                        let spec =
                            InvertedSpec { channels, wide, out: width, kernel, stride, squeeze, activation, norm };
                        Layer::Inverted(Box::new(Inverted::new(&mut builder, &spec)?))
                    }
                    Block::Window { heads } => Layer::Swin(Swin::block(&mut builder, width, heads, index % 2 == 1)?),
                };
                layers.push((number, layer));
                channels = stage.block.channels(width);
            }
        }
        if let Stem::Patches(_) = self.stem {
            let last = self.stages.len();
            layers.push((last, Layer::Swin(Swin::norm(&mut builder.stage(last), channels)?)));
        }
        if self.tail.is_some() {
            let last = self.stages.len();
            let mut builder = builder.stage(last);
            let mut builder = builder.at(format!("features.{}", last + 1));
            let spec = ConvSpec::new(channels, self.features(), 1);
            layers.push((last, Layer::Conv(ConvNorm::new(&mut builder, ["0", "1"], spec, norm, act)?)));
        }
        Ok(Layers(layers))
    }
}

/// One of them: a convolution outside the blocks, the first pooling, or a block.
#[derive(Debug)]
pub(super) enum Layer {
    Conv(ConvNorm),
    Pool(PoolSpec),
    Residual(Residual),
    Inverted(Box<Inverted>),
    Swin(Swin),
}

impl Layer {
    /// The layer's output.
    pub(super) fn forward<D: Backend>(
        &self,
        pass: &mut Pass<D>,
        store: &Store<D>,
        x: &FeatureMap<D>,
    ) -> Result<FeatureMap<D>> {
        match self {
            Layer::Conv(conv) => conv.forward(pass, store, x, None),
            Layer::Pool(spec) => pool2d(pass, x, spec),
            Layer::Residual(block) => block.forward(pass, store, x),
            Layer::Inverted(block) => block.forward(pass, store, x),
            Layer::Swin(layer) => layer.forward(pass, store, x),
        }
    }
}

/// The layers of a backbone, in order, each with its stage.
#[derive(Debug)]
pub struct Layers(Vec<(usize, Layer)>);

impl Layers {
    /// The convolutional blocks that repeat, to look at one by itself.
    #[cfg(test)]
    pub(super) fn blocks(&self) -> impl Iterator<Item = &Layer> {
        let layers = self.0.iter().map(|(_, layer)| layer);
        layers.filter(|layer| matches!(layer, Layer::Residual(_) | Layer::Inverted(_)))
    }

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
        let map = self.last_map(pass, store, photos)?;
        global_average(pass, &map)
    }

    /// The same before pooling: N x F x H x W.
    ///
    /// # Errors
    /// As [`Layers::forward`].
    pub fn last_map<D: Backend>(
        &self,
        pass: &mut Pass<D>,
        store: &Store<D>,
        photos: &FeatureMap<D>,
    ) -> Result<FeatureMap<D>> {
        let mut x = photos.clone();
        for (stage, layer) in &self.0 {
            pass.enter(Place::Stage(*stage));
            x = layer.forward(pass, store, &x)?;
        }
        Ok(x)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::param::Role;
    use dfdx::prelude::Cpu;

    /// Counts of the models of torchvision 0.29 (`efficientnet_lite0`: timm 1.0) without their classifiers.
    #[test]
    fn parameter_counts_are_torchvisions() {
        let expected = [
            ("resnet18", 11_176_512, 512),
            ("resnet34", 21_284_672, 512),
            ("resnet50", 23_508_032, 2048),
            ("resnet101", 42_500_160, 2048),
            ("efficientnet_b0", 4_007_548, 1280),
            ("efficientnet_b1", 6_513_184, 1280),
            ("efficientnet_b2", 7_700_994, 1408),
            ("efficientnet_b3", 10_696_232, 1536),
            ("efficientnet_lite0", 3_371_008, 1280),
            ("mobilenet_v3_large", 2_971_952, 960),
            ("swin_t", 27_519_354, 768),
        ];
        assert_eq!(expected.map(|(name, ..)| name).as_slice(), BACKBONES.iter().map(|b| b.name).collect::<Vec<_>>());
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
