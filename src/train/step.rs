//! One training step: photos in, weights moved, figures out.
//!
//! Everything random in a step comes from the run's seed and the step's number, so that a step can be made again.

use dfdx::prelude::{Backward, Gradients, MeanTo};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use sha2::{Digest, Sha256};

use crate::loss::Outcome;
use crate::loss::arcface::{Angular, arcface};
use crate::loss::contrastive::{Pair, Weighting, contrastive};
use crate::loss::cross_entropy::cross_entropy;
use crate::loss::mining::Batch;
use crate::loss::triplet::{Margin, triplet};
use crate::nn::average::Average;
use crate::nn::backbone::Backbone;
use crate::nn::error::NnError;
use crate::nn::head::HeadKind;
use crate::nn::init::Init;
use crate::nn::layer::Linear;
use crate::nn::network::{Architecture, Network};
use crate::nn::ops::{Backend, Rows};
use crate::nn::optim::{Optimiser, Rule};
use crate::nn::param::{Param, ParamId, Place, Role};
use crate::nn::pass::{Freeze, Pass};
use crate::run::config::{Config, Method, Mining, OptimiserConfig, OptimiserKind};

use super::error::Result;
use super::schedule::Schedule;

use gradient::Computed;

/// Name of ArcFace's centres among the parameters, as in the course's model.
const CENTRES: &str = "arcface.weight";
/// Where the layer that tells individuals apart lies among the parameters: its `weight` and `bias`.
const CLASSIFIER: &str = "classifier";

/// What the network is trained for.
#[derive(Clone, Copy, Debug)]
enum Objective {
    /// All pairs of a batch, else those that the sampler has put together.
    Siamese {
        margin: f32,
        all_pairs: bool,
    },
    Triplet {
        margin: f32,
        soft: bool,
        mining: Mining,
    },
    Arcface {
        angular: Angular,
        /// Steps in which the margin rises from 0.
        warmup: f64,
        centres: ParamId,
    },
    CrossEntropy {
        smoothing: f32,
        classifier: Linear,
    },
}

/// A batch of photos on its way into a step.
#[derive(Clone, Copy, Debug)]
pub struct StepInput<'a> {
    /// Photos.
    pub count: usize,
    /// `count` x side x side x 3 bytes.
    pub pixels: &'a [u8],
    /// Whose they are, as numbers below the number of individuals.
    pub labels: &'a [usize],
    /// Which photo each is; one that is there twice counts as one.
    pub photos: &'a [usize],
    /// The pairs to compare (Siamese, unless it is all).
    pub pairs: &'a [Pair],
}

/// What a step reports.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepFigures {
    /// Loss of the batch.
    pub loss: f32,
    /// Share of triplets whose loss is not zero.
    pub active: Option<f32>,
    /// Mean angle to the right centre, in degrees.
    pub angle: Option<f32>,
    /// Learning rate.
    pub lr: f32,
    /// Norm of the gradient before clipping; NaN when it was not computed.
    pub grad_norm: f32,
}

impl StepFigures {
    /// Loss or gradient, where it is no number: the step then moved nothing.
    pub fn not_finite(&self) -> Option<&'static str> {
        if !self.loss.is_finite() { Some("loss") } else { (!self.grad_norm.is_finite()).then_some("gradient") }
    }
}

/// A network, its loss, its optimiser.
pub struct Trainer<D: Backend> {
    /// The network.
    pub network: Network<D>,
    /// The optimiser with its state.
    pub optimiser: Optimiser<D>,
    /// The average of the weights that stands for the network wherever it is judged or saved; none where the weights do.
    pub average: Option<Average<D>>,
    objective: Objective,
    schedule: Schedule,
    /// Largest norm of the gradient; 0 is off.
    clip: f32,
    side: usize,
    /// Photos that go through the network at once.
    part: usize,
    seed: u64,
}

/// The network that a configuration describes, without its values.
///
/// # Errors
/// When the backbone has no row in the table.
pub fn architecture(config: &Config) -> Result<Architecture> {
    let backbone = Backbone::named(&config.model.backbone)?;
    let head = match config.method {
        Method::Siamese | Method::Triplet => HeadKind::Mlp,
        Method::Arcface | Method::CrossEntropy => HeadKind::LinearNorm,
    };
    Ok(Architecture { backbone: backbone.name, head, dimensions: config.model.embedding_dim })
}

/// What a training after `config` leaves of its network as it is.
///
/// # Errors
/// When the backbone has no row in the table, or no stage of that name.
pub fn freeze(config: &Config) -> Result<Freeze> {
    let stages = match &config.model.freeze_until {
        Some(stage) => Backbone::named(&config.model.backbone)?.stage_named(stage)? + 1,
        None => 0,
    };
    Ok(Freeze { stages, norms: config.model.freeze_norm })
}

/// The share of the learning rate at which a parameter learns in a backbone of so many stages (Howard and Ruder 2018,
/// discriminative fine-tuning); 0: not at all.
fn lr_share(config: &OptimiserConfig, freeze: Freeze, stages: usize, place: Place, role: Role) -> f32 {
    match place {
        Place::Head => 1.0,
        Place::Stage(number) if number < freeze.stages => 0.0,
        Place::Stage(_) if freeze.norms && role == Role::BatchNorm => 0.0,
        Place::Stage(number) => {
            config.backbone_lr_share * config.stage_lr_decay.powi(stages.saturating_sub(number + 1) as i32)
        }
    }
}

impl<D: Backend> Trainer<D> {
    /// A trainer at step 0 for so many individuals.
    ///
    /// # Errors
    /// When the configuration names no backbone or the device has no memory.
    pub fn new(device: &D, config: &Config, individuals: usize, schedule: Schedule) -> Result<Self> {
        Trainer::built(device, config, architecture(config)?, individuals, schedule)
    }

    fn built(
        device: &D,
        config: &Config,
        architecture: Architecture,
        individuals: usize,
        schedule: Schedule,
    ) -> Result<Self> {
        let seed = config.train.seed;
        let backbone = Backbone::named(architecture.backbone)?;
        let mut network = Network::new(device, architecture, seed)?;
        let (margin, scale) = (config.loss.margin, config.loss.scale);
        let objective = match config.method {
            Method::Siamese => Objective::Siamese { margin, all_pairs: config.batch.per_individual > 1 },
            Method::Triplet => Objective::Triplet { margin, soft: config.loss.soft_margin, mining: config.loss.mining },
            Method::Arcface => {
                let (width, sub_centres) = (config.model.embedding_dim, config.loss.sub_centres);
                let rows = individuals * sub_centres;
                let centres = network.add_matrix(CENTRES, rows, width, Init::xavier_uniform(rows, width), seed)?;
                let per_epoch = schedule.total as f64 / f64::from(config.train.epochs.max(1));
                let warmup = f64::from(config.loss.margin_warmup_epochs) * per_epoch;
                Objective::Arcface { angular: Angular { margin, scale, sub_centres }, warmup, centres }
            }
            Method::CrossEntropy => Objective::CrossEntropy {
                smoothing: config.loss.label_smoothing,
                classifier: network.add_linear(CLASSIFIER, individuals, seed)?,
            },
        };
        let rule = match config.optimiser.kind {
            OptimiserKind::Sgd => Rule::Sgd { momentum: config.optimiser.momentum },
            OptimiserKind::Adamw => Rule::AdamW,
        };
        network.freeze = freeze(config)?;
        let (kept, stages) = (network.freeze, backbone.stages());
        let share = |param: &Param<D>| lr_share(&config.optimiser, kept, stages, param.place, param.role);
        let optimiser = Optimiser::new(&network.store, rule, config.optimiser.weight_decay, share)?;
        // running statistics move where the norms do that they belong to
        let role = |param: &Param<D>| if param.role == Role::Running { Role::BatchNorm } else { param.role };
        let moves = |param: &Param<D>| lr_share(&config.optimiser, kept, stages, param.place, role(param)) > 0.0;
        let decay = Some(config.train.ema_decay).filter(|decay| *decay > 0.0);
        let average = decay.map(|decay| Average::of(&network.store, decay, moves)).transpose()?;
        let (clip, side) = (config.optimiser.clip, config.data.image_size as usize);
        // a sampler never gives more than asked for, a test may
        let part = if config.batch.accumulate > 1 { config.batch.size } else { usize::MAX };
        Ok(Trainer { network, optimiser, average, objective, schedule, clip, side, part, seed })
    }

    /// Makes the step after those made. When loss or gradient are no numbers nothing moves, and the figures say so.
    ///
    /// # Errors
    /// When the batch has nothing to learn from, or the device fails.
    pub fn step(&mut self, input: &StepInput) -> Result<StepFigures> {
        let step = self.optimiser.step_count();
        let lr = self.schedule.at(step);
        let Computed { loss, active, angle, slopes } = self.gradient(input, step, self.part)?;
        let mut figures = StepFigures { loss, active, angle, lr, grad_norm: f32::NAN };
        let Some((mut gradients, statistics)) = slopes else { return Ok(figures) };
        let norm = self.optimiser.gradient_norm(&self.network.store, &mut gradients)? as f32;
        figures.grad_norm = norm;
        if norm.is_finite() {
            self.apply(&mut gradients, lr, norm)?;
            self.network.store.absorb(statistics)?;
            if let Some(average) = &mut self.average {
                average.follow(&self.network.store, self.optimiser.step_count())?;
            }
        }
        Ok(figures)
    }

    /// What `look` finds of the network as it is judged: with the average of its weights, where there is one.
    pub fn judged<T>(&mut self, look: impl FnOnce(&Network<D>) -> T) -> T {
        let Trainer { network, average, .. } = self;
        let mut swap = |network: &mut Network<D>| {
            if let Some(average) = average {
                average.swap(&mut network.store);
            }
        };
        swap(network);
        let found = look(network);
        swap(network);
        found
    }

    /// Does the work of a step on `count` blank photos and moves nothing: whether the device has the memory.
    ///
    /// # Errors
    /// When it has not, or fails.
    pub fn rehearse(&self, count: usize) -> Result<(), NnError> {
        let device = self.network.store.device();
        let mut pass = Pass::training(device);
        let pixels = vec![0; count * self.side * self.side * 3];
        let rows = self.rows(&mut pass, count, &pixels)?;
        let fail = |e: D::Err| NnError::device("rehearsal", e);
        let mut gradients = rows.try_mean().and_then(|loss| loss.try_backward()).map_err(fail)?;
        self.optimiser.gradient_norm(&self.network.store, &mut gradients)?;
        // a card is still at it
        device.try_synchronize().map_err(fail)
    }

    /// Whether every weight, statistic and moment is a number. Copies them all: for once a run.
    pub fn is_finite(&self) -> bool {
        let store = &self.network.store;
        let finite = |values: Vec<f32>| values.iter().all(|v| v.is_finite());
        // a device that has failed has no numbers
        store.ids().all(|id| store.export(id).is_ok_and(finite))
            && self.optimiser.export(store).is_ok_and(|all| all.into_iter().all(|(_, _, values)| finite(values)))
    }

    fn apply(&mut self, gradients: &mut Gradients<f32, D>, lr: f32, norm: f32) -> Result<()> {
        let scale = if self.clip > 0.0 && norm > self.clip { self.clip / norm } else { 1.0 };
        Ok(self.optimiser.update(&mut self.network.store, gradients, lr, scale)?)
    }

    /// What the loss looks at, a row a photo: unit embeddings, or the logits of the individuals.
    fn rows(&self, pass: &mut Pass<D>, count: usize, pixels: &[u8]) -> Result<Rows<D>, NnError> {
        match &self.objective {
            Objective::CrossEntropy { classifier, .. } => {
                self.network.logits_traced(pass, classifier, count, self.side, pixels)
            }
            _ => self.network.embed_traced(pass, count, self.side, pixels),
        }
    }

    fn loss(&self, rows: Rows<D>, input: &StepInput, step: u64) -> Result<Outcome<D>> {
        let read = |rows: &Rows<D>| self.network.store.device().read(rows).map_err(|e| NnError::device("mining", e));
        Ok(match self.objective {
            Objective::Siamese { margin, all_pairs: false } => contrastive(rows, input.pairs, margin, Weighting::Even)?,
            Objective::Siamese { margin, all_pairs: true } => {
                let values = read(&rows)?;
                let pairs = Batch::new(&values, input.labels, input.photos).pairs(margin);
                contrastive(rows, &pairs, margin, Weighting::Kinds)?
            }
            Objective::Triplet { margin, soft, mining } => {
                let values = read(&rows)?;
                let batch = Batch::new(&values, input.labels, input.photos);
                let triplets = match mining {
                    Mining::All => batch.all(),
                    Mining::SemiHard => batch.semi_hard(margin),
                    Mining::Hard => batch.hard(margin, &mut stream(self.seed, "mining", step)),
                    Mining::BatchHard => batch.batch_hard(),
                };
                triplet(rows, &triplets, if soft { Margin::Soft } else { Margin::Hinge(margin) })?
            }
            Objective::Arcface { angular, warmup, centres } => {
                let share = if warmup > 0.0 { (step as f64 / warmup).min(1.0) } else { 1.0 };
                let angular = Angular { margin: (f64::from(angular.margin) * share) as f32, ..angular };
                arcface(rows, &self.network.store.matrix(centres), input.labels, angular)?
            }
            Objective::CrossEntropy { smoothing, .. } => cross_entropy(rows, input.labels, smoothing)?,
        })
    }
}

/// The random numbers of one purpose in one step.
fn stream(seed: u64, purpose: &str, step: u64) -> ChaCha8Rng {
    let mut hash = Sha256::new();
    hash.update(seed.to_le_bytes());
    hash.update(purpose.as_bytes());
    hash.update(step.to_le_bytes());
    ChaCha8Rng::from_seed(hash.finalize().into())
}

mod gradient;

#[cfg(test)]
mod every_backbone;
#[cfg(test)]
mod golden_tests;

#[cfg(test)]
mod tests {
    use super::*;
    use dfdx::prelude::Cpu;

    const SIDE: usize = 32;

    fn config(method: Method) -> Config {
        let mut config = Config::preset(method);
        for (path, value) in [
            ("model.backbone", "resnet18"),
            ("model.embedding_dim", "16"),
            ("data.image_size", "32"),
            ("optimiser.lr", "0.001"),
        ] {
            config.set(path, value).unwrap();
        }
        config
    }

    fn trainer(config: &Config) -> Trainer<Cpu> {
        let schedule = Schedule { peak: config.optimiser.lr, warmup: 0, total: 100, final_share: 1.0 };
        Trainer::new(&Cpu::default(), config, 2, schedule).unwrap()
    }

    /// Two individuals, each a colour of its own.
    fn photos() -> (Vec<u8>, Vec<usize>, Vec<Pair>) {
        let labels = vec![0, 0, 1, 1];
        let pixel = |label: usize, i: usize| if i % 3 == label { 200 } else { (i * 31 % 90) as u8 };
        let pixels = (0..4).flat_map(|p| (0..SIDE * SIDE * 3).map(move |i| pixel(p / 2, i + p * 7 * 3))).collect();
        let pair = |left, right, same| Pair { left, right, same };
        (pixels, labels, vec![pair(0, 1, true), pair(2, 3, true), pair(0, 2, false), pair(1, 3, false)])
    }

    #[test]
    fn every_method_learns_two_colours() {
        let (pixels, labels, pairs) = photos();
        for method in Method::ALL {
            let mut trainer = trainer(&config(method));
            let input = StepInput { count: 4, pixels: &pixels, labels: &labels, photos: &[0, 1, 2, 3], pairs: &pairs };
            let figures: Vec<_> = (0..12).map(|_| trainer.step(&input).unwrap()).collect();
            let (first, last) = (figures[0], figures[11]);
            assert!(last.loss < 0.5 * first.loss, "{method:?}: {first:?} to {last:?}");
            assert_eq!(first.active.is_some(), method == Method::Triplet);
            assert_eq!(first.angle.is_some(), method == Method::Arcface);
            assert!(first.grad_norm > 0.0 && first.not_finite().is_none());
            let rows = trainer.network.embed(4, SIDE, &pixels).unwrap();
            for row in rows.chunks_exact(16) {
                assert!((row.iter().map(|v| v * v).sum::<f32>() - 1.0).abs() < 1e-5);
            }
        }
    }

    #[test]
    fn the_margin_rises_from_nothing_over_its_epochs() {
        let (pixels, labels, pairs) = photos();
        let input = StepInput { count: 4, pixels: &pixels, labels: &labels, photos: &[0, 1, 2, 3], pairs: &pairs };
        let loss = |margin: &str, epochs: &str, step: u64| {
            let mut config = config(Method::Arcface);
            config.set("loss.margin", margin).unwrap();
            config.set("loss.margin_warmup_epochs", epochs).unwrap();
            // 100 steps in 20 epochs
            trainer(&config).gradient(&input, step, usize::MAX).unwrap().loss
        };
        assert_eq!(loss("0.4", "2", 0), loss("1e-30", "0", 0));
        assert_eq!(loss("0.4", "2", 5), loss("0.2", "0", 5));
        assert_eq!(loss("0.4", "2", 10), loss("0.4", "0", 0));
        assert_eq!(loss("0.4", "2", 99), loss("0.4", "0", 99));
        assert!(loss("0.4", "0", 0) > loss("0.2", "0", 0));
    }

    #[test]
    fn a_loss_that_is_no_number_moves_nothing() {
        let (pixels, labels, pairs) = photos();
        let mut trainer = trainer(&config(Method::Siamese));
        let id = trainer.network.store.ids().next().unwrap();
        let mut values = trainer.network.store.export(id).unwrap();
        values[0] = f32::NAN;
        trainer.network.store.import(id, values).unwrap();
        let before = crate::nn::weights::identity(&trainer.network).unwrap();
        let input = StepInput { count: 4, pixels: &pixels, labels: &labels, photos: &[0, 1, 2, 3], pairs: &pairs };
        let figures = trainer.step(&input).unwrap();
        assert_eq!(figures.not_finite(), Some("loss"));
        assert_eq!(crate::nn::weights::identity(&trainer.network).unwrap(), before);
        assert_eq!(trainer.optimiser.step_count(), 0);
    }

    #[test]
    fn what_is_frozen_stays_and_the_rest_moves_by_its_share() {
        let (pixels, labels, pairs) = photos();
        let input = StepInput { count: 4, pixels: &pixels, labels: &labels, photos: &[0, 1, 2, 3], pairs: &pairs };
        // how far every parameter moved, by name
        let moved = |sets: &[(&str, &str)]| {
            let mut config = config(Method::Arcface);
            let plain = [("optimiser.kind", "sgd"), ("optimiser.weight_decay", "0"), ("optimiser.clip", "0")];
            plain.iter().chain(sets).for_each(|(path, value)| config.set(path, value).unwrap());
            let mut trainer = trainer(&config);
            let all = |t: &Trainer<Cpu>| -> Vec<Vec<f32>> {
                t.network.store.ids().map(|id| t.network.store.export(id).unwrap()).collect()
            };
            let before = all(&trainer);
            trainer.step(&input).unwrap();
            let after = all(&trainer);
            let names = trainer.network.store.iter().map(|p| (p.name.clone(), p.role, p.place)).collect::<Vec<_>>();
            let way = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from((a - b).abs())).sum::<f64>();
            names.into_iter().zip(before.iter().zip(&after).map(|(a, b)| way(a, b))).collect::<Vec<_>>()
        };
        for ((name, _, place), way) in moved(&[("model.freeze_until", "stage2")]) {
            let stays = matches!(place, Place::Stage(0..=2));
            assert_eq!(way == 0.0, stays, "{name} {way}");
        }
        for ((name, role, place), way) in moved(&[("model.freeze_norm", "true")]) {
            let stays = matches!(role, Role::Running | Role::BatchNorm) && place != Place::Head;
            assert_eq!(way == 0.0, stays, "{name} {way}");
        }
        let shared = [("optimiser.backbone_lr_share", "0.5"), ("optimiser.stage_lr_decay", "0.1")];
        for (((name, role, place), way), (_, alone)) in moved(&shared).into_iter().zip(moved(&[])) {
            let share = match place {
                _ if role == Role::Running => 1.0,
                Place::Head => 1.0,
                Place::Stage(number) => 0.5 * 0.1f64.powi(4 - number as i32),
            };
            assert!((way / alone / share - 1.0).abs() < 0.05 || alone < 1e-6, "{name}: {way} of {alone}");
        }
        let mut config = config(Method::Arcface);
        config.set("model.freeze_until", "stage5").unwrap();
        let told = freeze(&config).unwrap_err().to_string();
        assert!(told.contains("resnet18 has no stage \"stage5\"; it has stem, stage1 to stage4"), "{told}");
    }

    #[test]
    fn clipping_bounds_the_movement() {
        let (pixels, labels, pairs) = photos();
        let input = StepInput { count: 4, pixels: &pixels, labels: &labels, photos: &[0, 1, 2, 3], pairs: &pairs };
        let moved = |clip: &str| {
            let mut config = config(Method::Siamese);
            for (path, value) in [
                ("optimiser.kind", "sgd"),
                ("optimiser.momentum", "0"),
                ("optimiser.weight_decay", "0"),
                ("optimiser.clip", clip),
            ] {
                config.set(path, value).unwrap();
            }
            let mut trainer = trainer(&config);
            let all = |t: &Trainer<Cpu>| -> Vec<f32> {
                let trained =
                    t.network.store.ids().filter(|id| t.network.store.get(*id).role != crate::nn::param::Role::Running);
                trained.flat_map(|id| t.network.store.export(id).unwrap()).collect()
            };
            let before = all(&trainer);
            let norm = trainer.step(&input).unwrap().grad_norm;
            let way = all(&trainer).iter().zip(&before).map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>().sqrt();
            (norm, way / 0.001)
        };
        let (norm, way) = moved("0");
        assert!((way / f64::from(norm) - 1.0).abs() < 0.02, "{norm} {way}");
        let (_, way) = moved("0.05");
        assert!((way - 0.05).abs() < 0.002, "{way}");
    }
}
