//! Layers: an operation together with the places of its parameters.
//!
//! A layer holds no values and knows no device; [`Store`] has both.

use super::error::Result;
use super::init::Init;
use super::map::FeatureMap;
use super::ops::{
    Activation, Backend, BatchNorm, ConvNormed, ConvSpec, NormSpec, activate, batch_norm, conv_norm, conv2d,
    global_average, scale_channels,
};
use super::param::{Builder, ParamId, Role, Shape, Store};
use super::pass::Pass;

/// Adds the parameters of a batch norm below `builder`: `weight`, `bias`, `running_mean`, `running_var`.
///
/// # Errors
/// When the device has no memory.
pub fn norm<D: Backend>(builder: &mut Builder<D>, channels: usize, spec: NormSpec) -> Result<BatchNorm> {
    let shape = Shape::Channels(channels);
    let mut add = |name: &str, role: Role, value: f32| builder.param(name, shape, role, Init::Constant(value));
    Ok(BatchNorm {
        gain: add("weight", Role::BatchNorm, 1.0)?,
        bias: add("bias", Role::BatchNorm, 0.0)?,
        mean: add("running_mean", Role::Running, 0.0)?,
        variance: add("running_var", Role::Running, 1.0)?,
        spec,
    })
}

/// A convolution without bias, its batch norm, and an activation.
#[derive(Clone, Copy, Debug)]
pub struct ConvNorm {
    spec: ConvSpec,
    weight: ParamId,
    norm: BatchNorm,
    activation: Activation,
}

impl ConvNorm {
    /// The convolution's parameters below `conv`, the norm's below `norm`.
    ///
    /// # Errors
    /// When the device has no memory.
    pub fn new<D: Backend>(
        builder: &mut Builder<D>,
        [conv, norm_name]: [&str; 2],
        spec: ConvSpec,
        norm_spec: NormSpec,
        activation: Activation,
    ) -> Result<Self> {
        let fan_out = spec.out_channels * spec.kernel[0] * spec.kernel[1] / spec.groups;
        let init = Init::kaiming_fan_out(fan_out);
        let weight = builder.at(conv).param("weight", Shape::Conv(spec), Role::Weight, init)?;
        let norm = norm(&mut builder.at(norm_name), spec.out_channels, norm_spec)?;
        Ok(ConvNorm { spec, weight, norm, activation })
    }

    /// `activation(norm(conv(x)) + residual)`.
    ///
    /// # Errors
    /// As the operations.
    pub fn forward<D: Backend>(
        &self,
        pass: &mut Pass<D>,
        store: &Store<D>,
        x: &FeatureMap<D>,
        residual: Option<&FeatureMap<D>>,
    ) -> Result<FeatureMap<D>> {
        self.forward_scaled(pass, store, x, None, residual)
    }

    /// `activation(norm(conv(scale x)) + residual)`, the scale one of [`SqueezeExcite::scales`].
    ///
    /// # Errors
    /// As the operations.
    pub fn forward_scaled<D: Backend>(
        &self,
        pass: &mut Pass<D>,
        store: &Store<D>,
        x: &FeatureMap<D>,
        scale: Option<&FeatureMap<D>>,
        residual: Option<&FeatureMap<D>>,
    ) -> Result<FeatureMap<D>> {
        let ConvNorm { ref spec, weight, ref norm, activation } = *self;
        if pass.keeps_nothing() {
            return conv_norm(pass, store, x, ConvNormed { spec, weight, norm, activation }, scale, residual);
        }
        let scaled = scale.map(|scale| scale_channels(pass, x, scale)).transpose()?;
        let y = conv2d(pass, store, scaled.as_ref().unwrap_or(x), spec, weight, None)?;
        batch_norm(pass, store, &y, residual, norm, activation)
    }
}

/// A linear layer with bias: a 1x1 convolution of maps of one place.
#[derive(Clone, Copy, Debug)]
pub struct Linear {
    spec: ConvSpec,
    weight: ParamId,
    bias: Option<ParamId>,
}

impl Linear {
    /// `weight` (outputs x inputs) and `bias` below `builder`.
    ///
    /// # Errors
    /// When the device has no memory.
    pub fn new<D: Backend>(builder: &mut Builder<D>, inputs: usize, outputs: usize) -> Result<Self> {
        let init = Init::linear(inputs);
        Self::with(builder, Shape::Linear, ConvSpec::new(inputs, outputs, 1), init, Some(init))
    }

    /// `weight`, written as `shape` has it, and below it `bias` where it begins as something: also a convolution.
    ///
    /// # Errors
    /// When the device has no memory.
    pub fn with<D: Backend>(
        builder: &mut Builder<D>,
        shape: fn(ConvSpec) -> Shape,
        spec: ConvSpec,
        init: Init,
        bias: Option<Init>,
    ) -> Result<Self> {
        let weight = builder.param("weight", shape(spec), Role::Weight, init)?;
        let bias = bias.map(|init| builder.param("bias", Shape::Channels(spec.out_channels), Role::Gain, init));
        Ok(Linear { spec, weight, bias: bias.transpose()? })
    }

    /// N x inputs x 1 x 1 to N x outputs x 1 x 1.
    ///
    /// # Errors
    /// As the operations.
    pub fn forward<D: Backend>(
        &self,
        pass: &mut Pass<D>,
        store: &Store<D>,
        x: &FeatureMap<D>,
    ) -> Result<FeatureMap<D>> {
        conv2d(pass, store, x, &self.spec, self.weight, self.bias)
    }
}

/// Squeeze and excite (Hu et al. 2018): each channel scaled by what the means of all channels say.
#[derive(Clone, Copy, Debug)]
pub struct SqueezeExcite {
    reduce: Linear,
    expand: Linear,
    activations: [Activation; 2],
}

impl SqueezeExcite {
    /// torchvision's `fc1` and `fc2`: 1x1 convolutions with bias, each with its activation.
    ///
    /// # Errors
    /// When the device has no memory.
    pub fn new<D: Backend>(
        builder: &mut Builder<D>,
        channels: usize,
        squeezed: usize,
        activations: [Activation; 2],
    ) -> Result<Self> {
        let mut add = |name: &str, spec: ConvSpec| -> Result<_> {
            let init = Init::kaiming_fan_out(spec.out_channels);
            Linear::with(&mut builder.at(name), Shape::Conv, spec, init, Some(Init::Constant(0.0)))
        };
        Ok(SqueezeExcite {
            reduce: add("fc1", ConvSpec::new(channels, squeezed, 1))?,
            expand: add("fc2", ConvSpec::new(squeezed, channels, 1))?,
            activations,
        })
    }

    /// `second(expand(first(reduce(mean(x)))))`, what each channel is to be scaled by; the activations being SiLU and sigmoid in EfficientNet.
    ///
    /// # Errors
    /// As the operations.
    pub fn scales<D: Backend>(&self, pass: &mut Pass<D>, store: &Store<D>, x: &FeatureMap<D>) -> Result<FeatureMap<D>> {
        let mut s = global_average(pass, x)?;
        for (layer, activation) in [self.reduce, self.expand].into_iter().zip(self.activations) {
            s = layer.forward(pass, store, &s)?;
            s = activate(pass, &s, activation)?;
        }
        Ok(s)
    }
}
