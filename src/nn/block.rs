//! The blocks that backbones repeat.

use super::error::Result;
use super::layer::{ConvNorm, SqueezeExcite};
use super::map::FeatureMap;
use super::ops::{Activation, Backend, ConvSpec, NormSpec};
use super::param::{Builder, Store};
use super::pass::Pass;

/// Convolutions beside a skip: ResNet's basic block and its bottleneck.
#[derive(Debug)]
pub struct Residual {
    /// The last one adds the skip.
    branch: Vec<ConvNorm>,
    /// A 1x1 convolution where the sizes differ.
    skip: Option<ConvNorm>,
}

impl Residual {
    /// Two 3x3 convolutions.
    ///
    /// # Errors
    /// When the device has no memory.
    pub fn basic<D: Backend>(
        builder: &mut Builder<D>,
        channels: usize,
        width: usize,
        stride: usize,
        norm: NormSpec,
    ) -> Result<Self> {
        let specs = [ConvSpec::new(channels, width, 3).stride(stride), ConvSpec::new(width, width, 3)];
        Self::new(builder, &specs, norm)
    }

    /// 1x1, 3x3 with the stride, 1x1 to four times the width.
    ///
    /// # Errors
    /// When the device has no memory.
    pub fn bottleneck<D: Backend>(
        builder: &mut Builder<D>,
        channels: usize,
        width: usize,
        stride: usize,
        norm: NormSpec,
    ) -> Result<Self> {
        let specs = [
            ConvSpec::new(channels, width, 1),
            ConvSpec::new(width, width, 3).stride(stride),
            ConvSpec::new(width, 4 * width, 1),
        ];
        Self::new(builder, &specs, norm)
    }

    fn new<D: Backend>(builder: &mut Builder<D>, specs: &[ConvSpec], norm: NormSpec) -> Result<Self> {
        let mut branch = Vec::new();
        for (number, spec) in (1..).zip(specs) {
            let names = [format!("conv{number}"), format!("bn{number}")];
            branch.push(ConvNorm::new(builder, [&names[0], &names[1]], *spec, norm, Activation::Relu)?);
        }
        let channels = specs.first().map_or(0, |s| s.in_channels);
        let out = specs.last().map_or(0, |s| s.out_channels);
        let stride = specs.iter().map(|s| s.stride[0]).product();
        let skip = if stride == 1 && channels == out {
            None
        } else {
            let spec = ConvSpec::new(channels, out, 1).stride(stride);
            Some(ConvNorm::new(builder, ["downsample.0", "downsample.1"], spec, norm, Activation::Identity)?)
        };
        Ok(Residual { branch, skip })
    }

    /// `relu(branch(x) + skip(x))`.
    ///
    /// # Errors
    /// As the operations.
    pub fn forward<D: Backend>(
        &self,
        pass: &mut Pass<D>,
        store: &Store<D>,
        x: &FeatureMap<D>,
    ) -> Result<FeatureMap<D>> {
        let skip = match &self.skip {
            Some(skip) => skip.forward(pass, store, x, None)?,
            None => x.clone(),
        };
        let mut y = x.clone();
        for (i, conv) in self.branch.iter().enumerate() {
            let residual = (i + 1 == self.branch.len()).then_some(&skip);
            y = conv.forward(pass, store, &y, residual)?;
        }
        Ok(y)
    }
}

/// The inverted bottleneck of MobileNet and EfficientNet.
#[derive(Debug)]
pub struct Inverted {
    /// Where the block is wider than its input.
    expand: Option<ConvNorm>,
    depthwise: ConvNorm,
    squeeze: Option<SqueezeExcite>,
    project: ConvNorm,
    /// Input and output have the same sizes and are added.
    residual: bool,
}

/// What an inverted bottleneck is.
#[derive(Clone, Copy, Debug)]
pub struct InvertedSpec {
    /// Channels in.
    pub channels: usize,
    /// Channels of the depthwise window.
    pub wide: usize,
    /// Channels out.
    pub out: usize,
    /// Side of the window.
    pub kernel: usize,
    /// Step of the window.
    pub stride: usize,
    /// Squeeze and excite: channels between, and the two activations.
    pub squeeze: Option<(usize, [Activation; 2])>,
    /// After the expansion and the window.
    pub activation: Activation,
    /// Of every convolution.
    pub norm: NormSpec,
}

impl Inverted {
    /// Torchvision's numbers below `block`, which count only what is there. Stochastic depth is not part of it:
    /// embeddings are fine-tuned from few photos, and torch's own is off in evaluation.
    ///
    /// # Errors
    /// When the device has no memory.
    pub fn new<D: Backend>(builder: &mut Builder<D>, spec: &InvertedSpec) -> Result<Self> {
        let InvertedSpec { channels, wide, out, kernel, stride, norm, .. } = *spec;
        let mut number = 0;
        let mut next = || {
            number += 1;
            format!("block.{}", number - 1)
        };
        let conv = |builder: &mut Builder<D>, name: String, conv: ConvSpec, act: Activation| {
            ConvNorm::new(&mut builder.at(name), ["0", "1"], conv, norm, act)
        };
        let expand = if wide == channels {
            None
        } else {
            Some(conv(builder, next(), ConvSpec::new(channels, wide, 1), spec.activation)?)
        };
        let window = ConvSpec::new(wide, wide, kernel).stride(stride).groups(wide);
        let depthwise = conv(builder, next(), window, spec.activation)?;
        let squeeze = match spec.squeeze {
            None => None,
            Some((squeezed, activations)) => {
                Some(SqueezeExcite::new(&mut builder.at(next()), wide, squeezed, activations)?)
            }
        };
        let project = conv(builder, next(), ConvSpec::new(wide, out, 1), Activation::Identity)?;
        Ok(Inverted { expand, depthwise, squeeze, project, residual: stride == 1 && channels == out })
    }

    /// `project(squeeze(depthwise(expand(x)))) + x`, the sum where the sizes allow it.
    ///
    /// # Errors
    /// As the operations.
    pub fn forward<D: Backend>(
        &self,
        pass: &mut Pass<D>,
        store: &Store<D>,
        x: &FeatureMap<D>,
    ) -> Result<FeatureMap<D>> {
        let mut y = match &self.expand {
            Some(expand) => expand.forward(pass, store, x, None)?,
            None => x.clone(),
        };
        y = self.depthwise.forward(pass, store, &y, None)?;
        let scale = self.squeeze.as_ref().map(|squeeze| squeeze.scales(pass, store, &y)).transpose()?;
        self.project.forward_scaled(pass, store, &y, scale.as_ref(), self.residual.then_some(x))
    }
}
