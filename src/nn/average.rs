//! An exponential moving average of a network's values: calmer than the last ones, and often better (Polyak and Juditsky
//! 1992; timm's `ModelEma`).
//!
//! After every step `average = decay average + (1 - decay) value`, of weights and running statistics alike. The decay
//! rises with the steps made, `min(decay, (1 + steps) / (10 + steps))` as TensorFlow's, so that a short run is no average
//! of its random beginning.

use super::error::{NnError, Result};
use super::map::Flat;
use super::ops::Backend;
use super::param::{Param, ParamId, Shape, Store};

/// The average of the values that a training moves.
pub struct Average<D: Backend> {
    decay: f32,
    values: Vec<(ParamId, Flat<D>)>,
}

impl<D: Backend> Average<D> {
    /// An average that begins with what `store` holds now, of the parameters that `moves` names; what stays as it is
    /// needs none.
    ///
    /// # Errors
    /// When the device has no memory.
    pub fn of(store: &Store<D>, decay: f32, moves: impl Fn(&Param<D>) -> bool) -> Result<Self> {
        let moving = store.ids().filter(|id| moves(store.get(*id)));
        let values = moving.map(|id| Ok((id, store.copy(id)?))).collect::<Result<_>>()?;
        Ok(Average { decay, values })
    }

    /// Begins anew with what `store` holds now.
    ///
    /// # Errors
    /// When the device has no memory.
    pub fn restart(&mut self, store: &Store<D>) -> Result<()> {
        for (id, value) in &mut self.values {
            *value = store.copy(*id)?;
        }
        Ok(())
    }

    /// The decay after so many steps.
    fn decay_after(&self, steps: u64) -> f32 {
        self.decay.min((1.0 + steps as f32) / (10.0 + steps as f32))
    }

    /// Moves towards what `store` holds after `steps` steps.
    ///
    /// # Errors
    /// When the device fails.
    pub fn follow(&mut self, store: &Store<D>, steps: u64) -> Result<()> {
        let share = 1.0 - self.decay_after(steps);
        let device = store.device();
        for (id, value) in &mut self.values {
            device.blend(value, store.value(*id), share).map_err(|e| NnError::device("average", e))?;
        }
        Ok(())
    }

    /// Changes places with what `store` holds: a network then computes with the average, until it is called again.
    pub fn swap(&mut self, store: &mut Store<D>) {
        for (id, value) in &mut self.values {
            std::mem::swap(value, store.value_mut(*id));
        }
    }

    /// Name, shape and average (torchvision's order) of every parameter that moves.
    ///
    /// # Errors
    /// When the device fails.
    pub fn export(&self, store: &Store<D>) -> Result<Vec<(String, Shape, Vec<f32>)>> {
        let one = |(id, value): &(ParamId, Flat<D>)| {
            let param = store.get(*id);
            let values = store.device().unpack_param(&param.shape, value);
            Ok((param.name.clone(), param.shape, values.map_err(|e| NnError::device("average", e))?))
        };
        self.values.iter().map(one).collect()
    }

    /// The parameters that move.
    pub fn ids(&self) -> impl Iterator<Item = ParamId> + '_ {
        self.values.iter().map(|(id, _)| *id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::head::HeadKind;
    use crate::nn::network::{Architecture, Network};
    use dfdx::prelude::Cpu;

    #[test]
    fn it_is_timms_with_a_decay_that_rises() {
        let architecture = Architecture { backbone: "resnet18", head: HeadKind::LinearNorm, dimensions: 8 };
        let mut network = Network::new(&Cpu::default(), architecture, 1).unwrap();
        let names = ["conv1.weight", "bn1.running_var", "embedding.0.bias"];
        let ids: Vec<_> =
            network.store.ids().filter(|id| names.contains(&network.store.get(*id).name.as_str())).collect();
        assert_eq!(ids.len(), 3);
        let mut average = Average::of(&network.store, 0.6, |p| names.contains(&p.name.as_str())).unwrap();
        let mut expected: Vec<Vec<f64>> =
            ids.iter().map(|id| network.store.export(*id).unwrap().into_iter().map(f64::from).collect()).collect();
        for step in 1..=12u64 {
            // 2/11, 3/12, ... below 0.6, which it reaches at step 12.5
            let decay = (step + 1) as f64 / (step + 10) as f64;
            let decay = if step < 12 { decay } else { decay.min(0.6) };
            for (id, expected) in ids.iter().zip(&mut expected) {
                let values: Vec<f32> = network.store.export(*id).unwrap().iter().map(|v| v * 0.9 + 0.1).collect();
                for (e, v) in expected.iter_mut().zip(&values) {
                    *e = decay * *e + (1.0 - decay) * f64::from(*v);
                }
                network.store.import(*id, values).unwrap();
            }
            average.follow(&network.store, step).unwrap();
        }
        assert_eq!(average.decay_after(1000), 0.6);
        let exported = average.export(&network.store).unwrap();
        for ((name, _, values), expected) in exported.iter().zip(&expected) {
            let apart = values.iter().zip(expected).map(|(a, b)| (f64::from(*a) - b).abs()).fold(0.0, f64::max);
            assert!(apart < 1e-6, "{name}: {apart}");
        }
        // in its place and back
        let live = network.store.export(ids[0]).unwrap();
        average.swap(&mut network.store);
        assert_eq!(network.store.export(ids[0]).unwrap(), exported[0].2);
        average.swap(&mut network.store);
        assert_eq!(network.store.export(ids[0]).unwrap(), live);
    }
}
