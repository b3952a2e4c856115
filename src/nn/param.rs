//! The parameters of a network: one flat list that layers point into.
//!
//! Names arise where a layer is built and are torchvision's; whoever wants every parameter (initialisation,
//! optimiser, files, summary) walks the list. Values lie in the device's order; files hold torchvision's.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use sha2::{Digest, Sha256};

use super::error::{NnError, Result};
use super::init::Init;
use super::map::Flat;
use super::ops::{Backend, ConvSpec};
use super::pass::BatchStatistics;

/// Place of a parameter in its [`Store`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParamId(usize);

/// What a parameter is, as far as its order in memory depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Weights of a convolution: O x I/groups x H x W.
    Conv(ConvSpec),
    /// One value a channel (norms, biases): C.
    Channels(usize),
    /// Rows x columns, in that order on every device (the individuals' centres of ArcFace).
    Matrix(usize, usize),
    /// A linear layer, kept as a 1x1 convolution and written as rows x columns.
    Linear(ConvSpec),
}

impl Shape {
    /// Sizes in torchvision's order, as files state them.
    pub fn sizes(&self) -> Vec<usize> {
        match *self {
            Shape::Conv(s) => {
                vec![s.out_channels, s.in_channels / s.groups, s.kernel[0], s.kernel[1]]
            }
            Shape::Channels(c) => vec![c],
            Shape::Matrix(rows, columns) => vec![rows, columns],
            Shape::Linear(s) => vec![s.out_channels, s.in_channels],
        }
    }

    /// Values in a file.
    pub fn count(&self) -> usize {
        self.sizes().iter().product()
    }
}

/// How training treats a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Trained, with weight decay.
    Weight,
    /// Trained, without weight decay: norms and biases.
    Gain,
    /// The same, of a batch norm: what a frozen one keeps beside its statistics.
    BatchNorm,
    /// Not trained by gradients: running statistics.
    Running,
}

/// Where in a network a parameter is, as far as training treats parts of it differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the backbone: 0 is its stem, 1 its first stage.
    Stage(usize),
    /// After the backbone: the head, and what a loss trains along.
    Head,
}

/// One parameter.
pub struct Param<D: Backend> {
    /// torchvision's name.
    pub name: String,
    /// What it is.
    pub shape: Shape,
    /// How training treats it.
    pub role: Role,
    /// Where in the network it is.
    pub place: Place,
    /// Values in the device's order.
    pub(in crate::nn) value: Flat<D>,
    ready: D::Ready,
}

/// All parameters of a network on device `D`, in the order in which its layers were built.
pub struct Store<D: Backend> {
    device: D,
    params: Vec<Param<D>>,
    /// Parameters get no values: only their names and shapes are asked for.
    outline: bool,
}

impl<D: Backend> Store<D> {
    /// A store without parameters.
    pub fn new(device: &D) -> Self {
        Store { device: device.clone(), params: Vec::new(), outline: false }
    }

    /// A store whose parameters have names and shapes and no values, which take time to draw.
    pub fn outline(device: &D) -> Self {
        Store { outline: true, ..Store::new(device) }
    }

    /// The device that the values lie on.
    pub fn device(&self) -> &D {
        &self.device
    }

    /// All parameters.
    pub fn iter(&self) -> impl Iterator<Item = &Param<D>> {
        self.params.iter()
    }

    /// All parameters with their places.
    pub fn ids(&self) -> impl Iterator<Item = ParamId> + use<D> {
        (0..self.params.len()).map(ParamId)
    }

    /// The parameter at `id`.
    pub fn get(&self, id: ParamId) -> &Param<D> {
        &self.params[id.0]
    }

    /// The values at `id`, to read in an operation.
    pub(in crate::nn) fn value(&self, id: ParamId) -> &Flat<D> {
        &self.params[id.0].value
    }

    /// The values at `id`, to change in place.
    pub(in crate::nn) fn value_mut(&mut self, id: ParamId) -> &mut Flat<D> {
        let param = &mut self.params[id.0];
        param.ready = D::Ready::default();
        &mut param.value
    }

    /// Where the device keeps what it has made of the values at `id`.
    pub(in crate::nn) fn ready(&self, id: ParamId) -> &D::Ready {
        &self.params[id.0].ready
    }

    /// A matrix parameter as a dfdx tensor: its gradient appears under [`Store::value`].
    pub fn matrix(&self, id: ParamId) -> Flat<D> {
        self.params[id.0].value.clone()
    }

    /// A copy of the values at `id` in memory of its own: devices change values where they lie.
    pub(in crate::nn) fn copy(&self, id: ParamId) -> Result<Flat<D>> {
        self.packed(&self.get(id).shape, self.export(id)?)
    }

    /// Trained values of the network, padding not counted.
    pub fn trained_count(&self) -> usize {
        self.params.iter().filter(|p| p.role != Role::Running).map(|p| p.shape.count()).sum()
    }

    /// The values at `id` in torchvision's order.
    ///
    /// # Errors
    /// When the device fails.
    pub fn export(&self, id: ParamId) -> Result<Vec<f32>> {
        let param = self.get(id);
        self.device.unpack_param(&param.shape, &param.value).map_err(|e| NnError::device("export", e))
    }

    /// Replaces the values at `id` by `values` in torchvision's order.
    ///
    /// # Errors
    /// When the count does not fit or the device has no memory.
    pub fn import(&mut self, id: ParamId, values: Vec<f32>) -> Result<()> {
        let shape = self.get(id).shape;
        if values.len() != shape.count() {
            return Err(NnError::shape("import", format!("{} values for {:?}", values.len(), shape.sizes())));
        }
        *self.value_mut(id) = self.packed(&shape, values)?;
        Ok(())
    }

    /// Adds a parameter, its values drawn from `init`'s distribution on the stream that belongs to its name: the
    /// values of a parameter depend on the seed and its name only.
    ///
    /// # Errors
    /// When the device has no memory.
    fn add(
        &mut self,
        (name, place): (String, Place),
        shape: Shape,
        role: Role,
        init: Init,
        seed: u64,
    ) -> Result<ParamId> {
        if self.outline {
            let value = self.device.try_tensor_from_vec(vec![0.0], (1,)).map_err(|e| NnError::device("outline", e))?;
            self.params.push(Param { name, shape, role, place, value, ready: D::Ready::default() });
            return Ok(ParamId(self.params.len() - 1));
        }
        let mut hash = Sha256::new();
        hash.update(seed.to_le_bytes());
        hash.update(name.as_bytes());
        let mut rng = ChaCha8Rng::from_seed(hash.finalize().into());
        let values = init.draw(shape.count(), &mut rng);
        let value = self.packed(&shape, values)?;
        self.params.push(Param { name, shape, role, place, value, ready: D::Ready::default() });
        Ok(ParamId(self.params.len() - 1))
    }

    fn packed(&self, shape: &Shape, values: Vec<f32>) -> Result<Flat<D>> {
        let packed = self.device.pack_param(shape, values);
        let length = packed.len();
        self.device.try_tensor_from_vec(packed, (length,)).map_err(|e| NnError::device("pack", e))
    }

    /// Moves the running statistics towards those of a pass: `running = (1 - momentum) running + momentum batch`,
    /// the variance unbiased, as torch does.
    ///
    /// # Errors
    /// When the device fails.
    pub fn absorb(&mut self, statistics: Vec<BatchStatistics<D>>) -> Result<()> {
        let device = self.device.clone();
        for BatchStatistics { mean, variance, momentum } in statistics {
            for (id, batch) in [mean, variance] {
                device
                    .blend(self.value_mut(id), &batch, momentum)
                    .map_err(|e| NnError::device("running statistics", e))?;
            }
        }
        Ok(())
    }
}

/// Builds layers: knows the prefix of their names, their place, the seed, and the store that their parameters go to.
pub struct Builder<'a, D: Backend> {
    store: &'a mut Store<D>,
    prefix: String,
    place: Place,
    seed: u64,
}

impl<'a, D: Backend> Builder<'a, D> {
    /// A builder at the root of the names, for what is in no backbone.
    pub fn new(store: &'a mut Store<D>, seed: u64) -> Self {
        Builder { store, prefix: String::new(), place: Place::Head, seed }
    }

    /// The same for the backbone's stage `number`, of which 0 is the stem.
    pub fn stage(&mut self, number: usize) -> Builder<'_, D> {
        Builder { store: self.store, prefix: self.prefix.clone(), place: Place::Stage(number), seed: self.seed }
    }

    /// A builder below `part`: `layer1` then `0` gives `layer1.0.`.
    pub fn at(&mut self, part: impl std::fmt::Display) -> Builder<'_, D> {
        let prefix = format!("{}{part}.", self.prefix);
        Builder { store: self.store, prefix, place: self.place, seed: self.seed }
    }

    /// Adds the parameter `name` below this builder's prefix.
    ///
    /// # Errors
    /// When the device has no memory.
    pub fn param(&mut self, name: &str, shape: Shape, role: Role, init: Init) -> Result<ParamId> {
        self.store.add((format!("{}{name}", self.prefix), self.place), shape, role, init, self.seed)
    }
}
