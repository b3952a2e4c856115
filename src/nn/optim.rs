//! Optimisers whose state can be saved: SGD with momentum and AdamW.
//!
//! dfdx keeps the moments of its own optimisers private, so that a run could not be resumed exactly.

use dfdx::prelude::Gradients;

use super::error::{NnError, Result};
use super::map::Flat;
use super::ops::{AdamStep, Backend, SgdStep};
use super::param::{Param, ParamId, Role, Shape, Store};

const OP: &str = "optimiser";

/// Which rule moves the weights.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rule {
    /// Momentum and decoupled weight decay.
    Sgd {
        /// Share of the last movement that goes on.
        momentum: f32,
    },
    /// Loshchilov and Hutter 2019, with torch's moments (0.9, 0.999) and epsilon (1e-8).
    AdamW,
}

impl Rule {
    /// Names of the values that it keeps for each parameter.
    fn moments(self) -> &'static [&'static str] {
        match self {
            Rule::Sgd { .. } => &["velocity"],
            Rule::AdamW => &["first", "second"],
        }
    }
}

/// An optimiser and its state for one [`Store`].
pub struct Optimiser<D: Backend> {
    rule: Rule,
    /// Shrinks weights (not gains and biases) by `lr * decay` a step.
    pub weight_decay: f32,
    step: u64,
    /// What it moves, and the share of the learning rate with which.
    trained: Vec<(ParamId, f32)>,
    /// For each trained parameter, the rule's moments.
    moments: Vec<Vec<Flat<D>>>,
}

impl<D: Backend> Optimiser<D> {
    /// An optimiser at step 0 for every trained parameter of `store`, each with the share of the learning rate that
    /// `share` gives it; one of share 0 stays as it is.
    ///
    /// # Errors
    /// When the device has no memory.
    pub fn new(store: &Store<D>, rule: Rule, weight_decay: f32, share: impl Fn(&Param<D>) -> f32) -> Result<Self> {
        let learns = |id: &ParamId| store.get(*id).role != Role::Running;
        let trained = store.ids().filter(learns).map(|id| (id, share(store.get(id))));
        let trained: Vec<_> = trained.filter(|(_, share)| *share > 0.0).collect();
        let zeros = |(id, _): &(ParamId, f32)| -> Result<Vec<Flat<D>>> {
            rule.moments().iter().map(|_| zeros_like(store, *id)).collect()
        };
        let moments = trained.iter().map(zeros).collect::<Result<_>>()?;
        Ok(Optimiser { rule, weight_decay, step: 0, trained, moments })
    }

    /// Steps made.
    pub fn step_count(&self) -> u64 {
        self.step
    }

    /// The Euclidean norm of all gradients together. A parameter without a gradient counts as zero.
    ///
    /// # Errors
    /// When the device fails.
    pub fn gradient_norm(&self, store: &Store<D>, gradients: &mut Gradients<f32, D>) -> Result<f64> {
        let mut sums = D::Squares::default();
        let mut add = |id: ParamId| {
            let gradient = gradients.get_or_alloc_mut(store.value(id))?;
            store.device().add_squares(gradient, &mut sums)
        };
        self.trained.iter().try_for_each(|(id, _)| add(*id)).map_err(|e| NnError::device(OP, e))?;
        Ok(store.device().total_of_squares(sums).map_err(|e| NnError::device(OP, e))?.sqrt())
    }

    /// Moves every trained parameter by one step at its share of the learning rate `lr`, its gradient times `gradient_scale`.
    ///
    /// # Errors
    /// When the device fails.
    pub fn update(
        &mut self,
        store: &mut Store<D>,
        gradients: &mut Gradients<f32, D>,
        lr: f32,
        gradient_scale: f32,
    ) -> Result<()> {
        self.step += 1;
        let device = store.device().clone();
        for ((id, share), moments) in self.trained.iter().zip(&mut self.moments) {
            let lr = lr * share;
            let decays = store.get(*id).role == Role::Weight;
            let weight_decay = if decays { self.weight_decay } else { 0.0 };
            let gradient = gradients.get_or_alloc_mut(store.value(*id)).map_err(|e| NnError::device(OP, e))?;
            let weight = store.value_mut(*id);
            let moved = match (self.rule, &mut moments[..]) {
                (Rule::Sgd { momentum }, [velocity]) => {
                    device.sgd(weight, gradient, velocity, SgdStep { lr, momentum, weight_decay, gradient_scale })
                }
                (Rule::AdamW, [first, second]) => {
                    let (beta1, beta2, epsilon) = (0.9, 0.999, 1e-8);
                    let step = AdamStep { lr, beta1, beta2, epsilon, weight_decay, gradient_scale, step: self.step };
                    device.adam(weight, gradient, first, second, step)
                }
                (rule, moments) => unreachable!("{rule:?} with {} moments", moments.len()),
            };
            moved.map_err(|e| NnError::device(OP, e))?;
        }
        Ok(())
    }

    /// The state: name, shape and values (torchvision's order) of every moment, in the order of the parameters.
    ///
    /// # Errors
    /// When the device fails.
    pub fn export(&self, store: &Store<D>) -> Result<Vec<(String, Shape, Vec<f32>)>> {
        let mut state = Vec::new();
        for ((id, _), moments) in self.trained.iter().zip(&self.moments) {
            let param = store.get(*id);
            for (kind, moment) in self.rule.moments().iter().zip(moments) {
                let values = store.device().unpack_param(&param.shape, moment);
                let values = values.map_err(|e| NnError::device(OP, e))?;
                state.push((format!("optimiser.{kind}.{}", param.name), param.shape, values));
            }
        }
        Ok(state)
    }

    /// Replaces the state by what `take` finds under the names of [`Optimiser::export`].
    ///
    /// # Errors
    /// When `take` has no values of a name and count, or the device no memory.
    pub fn import(
        &mut self,
        store: &Store<D>,
        step: u64,
        mut take: impl FnMut(&str, &Shape) -> Result<Vec<f32>>,
    ) -> Result<()> {
        let device = store.device();
        for ((id, _), moments) in self.trained.iter().zip(&mut self.moments) {
            let param = store.get(*id);
            for (kind, moment) in self.rule.moments().iter().zip(moments) {
                let values = take(&format!("optimiser.{kind}.{}", param.name), &param.shape)?;
                let packed = device.pack_param(&param.shape, values);
                let length = packed.len();
                *moment = device.try_tensor_from_vec(packed, (length,)).map_err(|e| NnError::device(OP, e))?;
            }
        }
        self.step = step;
        Ok(())
    }
}

fn zeros_like<D: Backend>(store: &Store<D>, id: ParamId) -> Result<Flat<D>> {
    let device = store.device();
    let shape = store.get(id).shape;
    let packed = device.pack_param(&shape, vec![0.0; shape.count()]);
    let length = packed.len();
    device.try_tensor_from_vec(packed, (length,)).map_err(|e| NnError::device(OP, e))
}
