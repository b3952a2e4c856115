//! The losses of whole networks and every parameter's gradient, against PyTorch's and pytorch-metric-learning's.
//!
//! `fixtures/backbones/make.py` says what is compared; `nn/parity_tests.rs` holds the networks by themselves.

use dfdx::prelude::{Backward, Cpu};

use crate::loss::contrastive::Pair;
use crate::nn::golden::{Distance, Golden, fill, golden, gradients, photo_bytes};
use crate::nn::ops::Layout;
use crate::nn::pass::Pass;
use crate::run::config::{Config, Method, Mining};
use crate::train::schedule::Schedule;
use crate::train::step::{Objective, StepInput, Trainer};

const LABELS: [usize; 4] = [0, 0, 1, 1];
/// The methods of which there are golden values of whole networks.
const METRIC: &[Method] = &[Method::Siamese, Method::Triplet, Method::Arcface];

/// A trainer whose every parameter is filled by the formula.
fn trainer(backbone: &str, method: Method, golden: &Golden) -> Trainer<Cpu> {
    let mut config = Config::preset(method);
    if method == Method::Siamese {
        config.batch.per_individual = 1; // pairs, as the golden values are
    }
    let (width, margin) = if method == Method::Arcface { ("64", "0.5") } else { ("128", "1") };
    for (path, value) in [
        ("model.backbone", backbone),
        ("model.embedding_dim", width),
        ("data.image_size", &golden.side.to_string()),
        ("loss.margin", margin),
        ("loss.scale", "16"),
    ] {
        config.set(path, value).unwrap();
    }
    let schedule = Schedule { peak: 0.0, warmup: 0, total: 1, final_share: 1.0 };
    let mut trainer = Trainer::new(&Cpu::default(), &config, 2, schedule).unwrap();
    fill(&mut trainer.network.store, golden.variance);
    trainer
}

/// How far the gradients of all methods are from PyTorch's; their losses agree.
fn distance(backbone: &str, methods: &[Method]) -> Distance {
    let golden = golden(backbone);
    let pixels = photo_bytes(&golden.photos, golden.batch, golden.side);
    let all = (0..4).flat_map(|left| (left + 1..4).map(move |right| (left, right)));
    let pairs: Vec<_> = all.map(|(left, right)| Pair { left, right, same: LABELS[left] == LABELS[right] }).collect();
    let input = StepInput { count: 4, pixels: &pixels, labels: &LABELS, photos: &[0, 1, 2, 3], pairs: &pairs };
    let mut sum = Distance::default();
    // one network for both methods of its head: nothing here moves it
    for of_head in methods.chunk_by(|a, b| *a != Method::Arcface && *b != Method::Arcface) {
        let mut trainer = trainer(backbone, of_head[0], &golden);
        for &method in of_head {
            if method == Method::Triplet {
                trainer.objective = Objective::Triplet { margin: 0.3, soft: false, mining: Mining::All };
            }
            let store = &trainer.network.store;
            let mut pass = Pass::training(store.device());
            let rows = trainer.network.embed_traced(&mut pass, input.count, golden.side, &pixels).unwrap();
            let outcome = trainer.loss(rows, &input, 0).unwrap();
            let loss = f64::from(store.device().read(&outcome.loss).unwrap()[0]);
            let expected = golden.losses[method.name()];
            assert!((loss / expected - 1.0).abs() < 1e-4, "{backbone}, {method:?}: {loss} instead of {expected}");
            let mut found = outcome.loss.backward();
            let found = gradients(&golden.gradients[method.name()], store, |_| true, &mut found);
            println!("{backbone}, {method:?}: {:.1e}, {:.2} times PyTorch's", found.farthest, found.multiple());
            sum = sum.and(found);
        }
    }
    sum
}

/// Within 1e-3 where slopes jump only in the head, else as a whole within twice PyTorch's own distance.
macro_rules! each {
    ($($name:ident $methods:expr, $smooth:literal;)*) => {
        $(#[test]
        fn $name() {
            let distance = distance(stringify!($name), $methods);
            assert!(if $smooth { distance.farthest < 1e-3 } else { distance.multiple() < 2.0 }, "{distance:?}");
        })*
    };
}

each! {
    resnet18 METRIC, false;
    resnet34 METRIC, false;
    resnet50 METRIC, false;
    resnet101 &[Method::Arcface], false;
    efficientnet_b0 METRIC, true;
    efficientnet_b1 METRIC, true;
    efficientnet_b2 METRIC, true;
    efficientnet_b3 METRIC, true;
    efficientnet_lite0 METRIC, false;
    mobilenet_v3_large METRIC, false;
    swin_t &[Method::Arcface], true;
}

#[test]
#[ignore = "takes half a minute: the other losses of the two largest networks"]
fn the_largest_with_the_other_losses() {
    let others = [Method::Siamese, Method::Triplet];
    assert!(distance("resnet101", &others).multiple() < 2.0);
    assert!(distance("swin_t", &others).farthest < 1e-3);
}
