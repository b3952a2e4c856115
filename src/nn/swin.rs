//! The blocks of Swin transformers (Liu et al. 2021): tokens are the places of a map, a linear layer over them is a 1x1
//! convolution, and attention stays within windows that every second block shifts by half.
//!
//! Structure, names and borders are torchvision's: a map is filled up with zeros to whole windows after the norm, so that
//! what lies beyond it is attended to as a token of zeros, and only then shifted. timm, where MegaDescriptor comes from,
//! shifts first and takes smaller windows for smaller maps; the two agree, to rounding, where every stage is whole windows
//! (sides that are multiples of 224) and for no other. The window is 7 for every side, and so the table of biases is 169
//! x heads. Stochastic depth is not part of it, as in [`super::block::Inverted`].

use super::error::Result;
use super::init::Init;
use super::layer::Linear;
use super::map::FeatureMap;
use super::ops::{
    Activation, Backend, ConvSpec, LayerNorm, WindowSpec, activate, add, layer_norm, merge_patches, reframe,
    window_attention,
};
use super::param::{Builder, ParamId, Role, Shape, Store};
use super::pass::Pass;

/// Places along a window's side.
const WINDOW: usize = 7;
/// Pixels along the side of a first token.
const PATCH: usize = 4;
/// The hidden layer's width as a multiple of a token's.
const HIDDEN: usize = 4;
/// Added to the variance by torchvision's and timm's layer norms.
const EPSILON: f32 = 1e-5;
/// torch draws weights from a normal distribution of this deviation, cut at 2: a hundred deviations away.
const INIT: Init = Init::Normal(0.02);

/// Adds the parameters of a layer norm below `builder`: `weight`, `bias`.
///
/// # Errors
/// When the device has no memory.
fn norm<D: Backend>(builder: &mut Builder<D>, channels: usize) -> Result<LayerNorm> {
    let mut add =
        |name: &str, value: f32| builder.param(name, Shape::Channels(channels), Role::Gain, Init::Constant(value));
    Ok(LayerNorm { gain: add("weight", 1.0)?, bias: add("bias", 0.0)?, epsilon: EPSILON })
}

/// A linear layer over the tokens of a map, `weight` (outputs x inputs) and, where asked for, `bias` below `builder`.
fn projection<D: Backend>(builder: &mut Builder<D>, [inputs, outputs]: [usize; 2], has_bias: bool) -> Result<Linear> {
    let bias = has_bias.then_some(Init::Constant(0.0));
    Linear::with(builder, Shape::Linear, ConvSpec::new(inputs, outputs, 1), INIT, bias)
}

/// A block: attention within windows, then a hidden layer at every token, each beside a skip.
#[derive(Clone, Copy, Debug)]
pub struct WindowBlock {
    norms: [LayerNorm; 2],
    attention: WindowSpec,
    table: ParamId,
    qkv: Linear,
    proj: Linear,
    hidden: [Linear; 2],
}

impl WindowBlock {
    fn new<D: Backend>(builder: &mut Builder<D>, width: usize, heads: usize, shifted: bool) -> Result<Self> {
        let attention = WindowSpec { heads, window: WINDOW, shift: if shifted { WINDOW / 2 } else { 0 } };
        let first = norm(&mut builder.at("norm1"), width)?;
        let mut below = builder.at("attn");
        let shape = Shape::Matrix(attention.differences(), heads);
        // no weight decay, as in the paper's own recipe
        let table = below.param("relative_position_bias_table", shape, Role::Gain, INIT)?;
        let qkv = projection(&mut below.at("qkv"), [width, 3 * width], true)?;
        let proj = projection(&mut below.at("proj"), [width, width], true)?;
        let second = norm(&mut builder.at("norm2"), width)?;
        let mut below = builder.at("mlp");
        let hidden = [
            projection(&mut below.at(0), [width, HIDDEN * width], true)?,
            projection(&mut below.at(3), [HIDDEN * width, width], true)?,
        ];
        Ok(WindowBlock { norms: [first, second], attention, table, qkv, proj, hidden })
    }

    fn forward<D: Backend>(&self, pass: &mut Pass<D>, store: &Store<D>, x: &FeatureMap<D>) -> Result<FeatureMap<D>> {
        let size = [x.dims().h, x.dims().w];
        let y = layer_norm(pass, store, x, &self.norms[0])?;
        let y = reframe(pass, &y, size.map(|s| s.next_multiple_of(WINDOW)))?;
        let y = self.qkv.forward(pass, store, &y)?;
        let y = window_attention(pass, store, &y, &self.attention, self.table)?;
        let y = reframe(pass, &y, size)?;
        let y = self.proj.forward(pass, store, &y)?;
        let x = add(pass, &y, x)?;
        let y = layer_norm(pass, store, &x, &self.norms[1])?;
        let y = self.hidden[0].forward(pass, store, &y)?;
        let y = activate(pass, &y, Activation::Gelu)?;
        let y = self.hidden[1].forward(pass, store, &y)?;
        add(pass, &y, &x)
    }
}

/// A layer of a Swin transformer.
#[derive(Clone, Debug)]
pub enum Swin {
    /// Patches of pixels as tokens, normalised.
    Embed(Linear, LayerNorm),
    /// Attention and hidden layer.
    Block(Box<WindowBlock>),
    /// Four tokens as one, half as many channels as they had.
    Merge(LayerNorm, Linear),
    /// The last norm.
    Norm(LayerNorm),
}

impl Swin {
    /// The first layer: photos to tokens of `width` channels; a side's rest that is no whole patch is not seen.
    ///
    /// # Errors
    /// When the device has no memory.
    pub fn embed<D: Backend>(builder: &mut Builder<D>, width: usize) -> Result<Self> {
        let spec = ConvSpec { stride: [PATCH; 2], padding: [0; 2], ..ConvSpec::new(3, width, PATCH) };
        let init = Init::linear(3 * PATCH * PATCH);
        let patches = Linear::with(&mut builder.at(0), Shape::Conv, spec, init, Some(init))?;
        Ok(Swin::Embed(patches, norm(&mut builder.at(2), width)?))
    }

    /// A block of `width` channels; every second one of a stage is shifted.
    ///
    /// # Errors
    /// When the device has no memory.
    pub fn block<D: Backend>(builder: &mut Builder<D>, width: usize, heads: usize, shifted: bool) -> Result<Self> {
        Ok(Swin::Block(Box::new(WindowBlock::new(builder, width, heads, shifted)?)))
    }

    /// Four neighbours of `width` channels as one of twice as many.
    ///
    /// # Errors
    /// When the device has no memory.
    pub fn merge<D: Backend>(builder: &mut Builder<D>, width: usize) -> Result<Self> {
        let reduction = projection(&mut builder.at("reduction"), [4 * width, 2 * width], false)?;
        Ok(Swin::Merge(norm(&mut builder.at("norm"), 4 * width)?, reduction))
    }

    /// The last norm.
    ///
    /// # Errors
    /// When the device has no memory.
    pub fn norm<D: Backend>(builder: &mut Builder<D>, width: usize) -> Result<Self> {
        Ok(Swin::Norm(norm(&mut builder.at("norm"), width)?))
    }

    /// The layer's output.
    ///
    /// # Errors
    /// As the operations.
    pub fn forward<D: Backend>(
        &self,
        pass: &mut Pass<D>,
        store: &Store<D>,
        x: &FeatureMap<D>,
    ) -> Result<FeatureMap<D>> {
        match self {
            Swin::Embed(patches, norm) => {
                let x = patches.forward(pass, store, x)?;
                layer_norm(pass, store, &x, norm)
            }
            Swin::Block(block) => block.forward(pass, store, x),
            Swin::Merge(norm, reduction) => {
                let x = merge_patches(pass, x)?;
                let x = layer_norm(pass, store, &x, norm)?;
                reduction.forward(pass, store, &x)
            }
            Swin::Norm(norm) => layer_norm(pass, store, x, norm),
        }
    }
}
