//! The blocks that backbones repeat.

use super::error::Result;
use super::layer::{ConvNorm, SqueezeExcite};
use super::map::FeatureMap;
use super::ops::{Activation, Backend, ConvSpec};
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
    pub fn basic<D: Backend>(builder: &mut Builder<D>, channels: usize, width: usize, stride: usize) -> Result<Self> {
        let specs = [ConvSpec::new(channels, width, 3).stride(stride), ConvSpec::new(width, width, 3)];
        Self::new(builder, &specs)
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
    ) -> Result<Self> {
        let specs = [
            ConvSpec::new(channels, width, 1),
            ConvSpec::new(width, width, 3).stride(stride),
            ConvSpec::new(width, 4 * width, 1),
        ];
        Self::new(builder, &specs)
    }

    fn new<D: Backend>(builder: &mut Builder<D>, specs: &[ConvSpec]) -> Result<Self> {
        let mut branch = Vec::new();
        for (number, spec) in (1..).zip(specs) {
            let names = [format!("conv{number}"), format!("bn{number}")];
            branch.push(ConvNorm::new(builder, [&names[0], &names[1]], *spec, Activation::Relu)?);
        }
        let channels = specs.first().map_or(0, |s| s.in_channels);
        let out = specs.last().map_or(0, |s| s.out_channels);
        let stride = specs.iter().map(|s| s.stride[0]).product();
        let skip = if stride == 1 && channels == out {
            None
        } else {
            let spec = ConvSpec::new(channels, out, 1).stride(stride);
            Some(ConvNorm::new(builder, ["downsample.0", "downsample.1"], spec, Activation::Identity)?)
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

/// EfficientNet's inverted bottleneck.
#[derive(Debug)]
pub struct Inverted {
    expand: Option<ConvNorm>,
    depthwise: ConvNorm,
    squeeze: SqueezeExcite,
    project: ConvNorm,
    /// Input and output have the same sizes and are added.
    residual: bool,
}

impl Inverted {
    /// `sizes`: channels in, channels out, expansion, window, stride. Stochastic depth is not part of it: embeddings
    /// are fine-tuned from few photos, and torch's own is off in evaluation.
    ///
    /// # Errors
    /// When the device has no memory.
    pub fn new<D: Backend>(
        builder: &mut Builder<D>,
        [channels, out, expand, kernel, stride]: [usize; 5],
    ) -> Result<Self> {
        let wide = channels * expand;
        let mut number = 0;
        let mut next = || {
            number += 1;
            format!("block.{}", number - 1)
        };
        let act = Activation::Silu;
        let expansion = if expand == 1 {
            None
        } else {
            Some(ConvNorm::new(&mut builder.at(next()), ["0", "1"], ConvSpec::new(channels, wide, 1), act)?)
        };
        let window = ConvSpec::new(wide, wide, kernel).stride(stride).groups(wide);
        let depthwise = ConvNorm::new(&mut builder.at(next()), ["0", "1"], window, act)?;
        let squeeze = SqueezeExcite::new(&mut builder.at(next()), wide, (channels / 4).max(1))?;
        let last = ConvSpec::new(wide, out, 1);
        let project = ConvNorm::new(&mut builder.at(next()), ["0", "1"], last, Activation::Identity)?;
        Ok(Inverted { expand: expansion, depthwise, squeeze, project, residual: stride == 1 && channels == out })
    }

    /// `project(squeeze(depthwise(expand(x)))) + x`, the last where the sizes allow.
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
        y = self.squeeze.forward(pass, store, &y)?;
        self.project.forward(pass, store, &y, self.residual.then_some(x))
    }
}
