//! Every backbone of the table trains on synthetic turtles and embeds them: one that only loads is not done.

use dfdx::prelude::Cpu;
use image::imageops::FilterType;

use crate::data::formats::as_written;
use crate::data::synth::{SynthPlan, draw};
use crate::nn::backbone::BACKBONES;
use crate::run::config::{Config, Method};
use crate::train::schedule::Schedule;
use crate::train::step::{StepInput, Trainer};

/// As small as the strides allow.
const SIDE: u32 = 32;

/// Two photos of each of two turtles, one after the other.
fn turtles() -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    let plan = SynthPlan { individuals: 2, encounters: 1, photos: 2, width: 64, height: 48, seed: 3 };
    draw(&plan, dir.path(), &|_, _| true).unwrap();
    let manifest = as_written(dir.path()).unwrap();
    let mut files: Vec<_> = (0..manifest.photos.len()).map(|photo| manifest.full_path(photo)).collect();
    files.sort();
    assert_eq!(files.len(), 4, "{files:?}");
    let pixels = |path: &std::path::PathBuf| {
        image::open(path).unwrap().resize_exact(SIDE, SIDE, FilterType::Triangle).into_rgb8().into_raw()
    };
    files.iter().flat_map(pixels).collect()
}

/// Embeds, makes two steps, embeds again.
fn trains_and_embeds(backbone: &str) {
    let pixels = turtles();
    let mut config = Config::preset(Method::Arcface);
    for (path, value) in [
        ("model.backbone", backbone),
        ("model.embedding_dim", "16"),
        ("data.image_size", &SIDE.to_string()),
        ("loss.scale", "16"),
    ] {
        config.set(path, value).unwrap();
    }
    let schedule = Schedule { peak: 0.001, warmup: 0, total: 100, final_share: 1.0 };
    let mut trainer = Trainer::new(&Cpu::default(), &config, 2, schedule).unwrap();
    let input = StepInput { count: 4, pixels: &pixels, labels: &[0, 0, 1, 1], photos: &[0, 1, 2, 3], pairs: &[] };
    let before = trainer.network.embed(4, SIDE as usize, &pixels).unwrap();
    for _ in 0..2 {
        let figures = trainer.step(&input).unwrap();
        assert!(figures.not_finite().is_none() && figures.grad_norm > 0.0, "{figures:?}");
    }
    let after = trainer.network.embed(4, SIDE as usize, &pixels).unwrap();
    for row in after.chunks_exact(16) {
        assert!((row.iter().map(|v| v * v).sum::<f32>() - 1.0).abs() < 1e-5);
    }
    let farthest = after.iter().zip(&before).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(farthest > 1e-3, "training moved no embedding");
    assert_ne!(after[..16], after[48..], "one embedding for all");
}

macro_rules! each {
    ($($name:ident)*) => {
        $(#[test]
        fn $name() {
            trains_and_embeds(stringify!($name));
        })*

        #[test]
        fn none_is_left_out() {
            let tried = [$(stringify!($name)),*];
            assert!(BACKBONES.iter().all(|b| tried.contains(&b.name)));
        }
    };
}

each! {
    resnet18 resnet34 resnet50 resnet101
    efficientnet_b0 efficientnet_b1 efficientnet_b2 efficientnet_b3 efficientnet_lite0
    mobilenet_v3_large swin_t
}
