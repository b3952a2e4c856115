//! `doctor`: what this machine computes with, what is missing, and whether it computes right.

use anyhow::{Result, bail};
use clap::Args;
use serde::Serialize;

use crate::nn::backbone::Backbone;
use crate::nn::ops::device::{AnyDevice, Holder, on_device};
use crate::nn::ops::{Backend, Precision};
use crate::nn::selftest::{self, Allowed, Check};
use crate::run::config::Method;
use crate::train::parity::{Parity, ParityPlan, parity};

use super::args::PrecisionArg;
use super::{Context, words};

/// Arguments of `doctor`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  caretta doctor\n  caretta doctor --device cuda:0 --networks")]
pub(super) struct DoctorArgs {
    /// What to examine: auto (a graphics card where one works), cpu, cuda:N
    #[arg(long, default_value = "auto", value_name = "DEVICE")]
    device: String,
    /// Compare whole networks too: embeddings, and the losses of their first steps
    #[arg(long)]
    networks: bool,
    /// Only this backbone
    #[arg(long, hide = true, value_name = "NAME")]
    network: Option<String>,
    /// Side of their photos
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(32..=512), value_name = "PIXELS")]
    network_side: u32,
    /// Steps of their training
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000), value_name = "N")]
    network_steps: u32,
    /// How exactly they compute
    #[arg(long, hide = true, value_enum, default_value_t = PrecisionArg::Fp32, value_name = "HOW")]
    precision: PrecisionArg,
    /// Learning rate that their training rises to
    #[arg(long, hide = true, default_value_t = LR, value_name = "X")]
    network_lr: f32,
    /// Change their weights by this share: on the CPU, what rounding alone comes to
    #[arg(long, hide = true, default_value_t = 0.0, value_name = "X")]
    nudge: f32,
}

/// Low enough for rounding not to grow to a device's fault within twenty steps: with every weight of the CPU's own network
/// changed by 1e-7, the losses of ResNet-18 differ by 0.2 % at this rate, and by 25 % at thirty times as much.
const LR: f32 = 0.0001;

/// The CPU's and a card's embeddings may differ by so much (fp32), their losses by such a share.
const EMBEDDING: f64 = 1e-3;
const LOSS: f64 = 0.01;
/// The same with maps of bf16.
const EMBEDDING_AMP: f64 = 0.05;
const LOSS_AMP: f64 = 0.1;

/// A pass of the self-test.
#[derive(Serialize)]
struct Tested {
    precision: &'static str,
    checks: Vec<Check>,
}

#[derive(Serialize)]
struct Answer {
    device: String,
    /// What a card would need that is not there.
    missing: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    card: Option<CardFacts>,
    tests: Vec<Tested>,
    networks: Vec<Parity>,
    passed: bool,
}

#[derive(Serialize)]
struct CardFacts {
    name: String,
    compute_capability: String,
    memory_bytes: usize,
    memory_free_bytes: Option<usize>,
    /// Bytes that were in use before this process came.
    memory_used_before_bytes: Option<u64>,
    other_processes: Vec<Holder>,
    utilisation_percent: Option<u32>,
    driver: String,
    cudnn: String,
}

pub(super) fn doctor(context: &Context, args: &DoctorArgs) -> Result<u8> {
    let missing = missing(&args.device);
    // one thing that is missing is the error of opening itself
    if let ([_, _, ..], false) = (&missing[..], args.device == "auto") {
        bail!("{} cannot be used:\n{}", args.device, missing.join("\n"));
    }
    let device = super::args::device(&args.device)?;
    device.set_precision(Precision::Fp32);
    let described = device.describe();
    let card = facts(&device);
    if !context.global.json {
        words::say(&described);
        // the first was said as the reason for using no card
        missing.iter().skip(1).for_each(|what| words::say(what));
        if let Some(card) = &card {
            words::say(&format!(
                "driver for CUDA {}, cuDNN {}, {} of memory, {} free",
                card.driver,
                card.cudnn,
                words::gib(card.memory_bytes as u64),
                card.memory_free_bytes.map_or_else(|| "·".into(), |free| words::gib(free as u64)),
            ));
            for line in held(card) {
                words::say(&line);
            }
        }
    }
    let tests = {
        let set_precision = |precision| device.set_precision(precision);
        on_device!(&device, device => tests(device, card.is_some(), &set_precision))?
    };
    let precision = args.precision.into();
    device.set_precision(precision);
    let networks = if args.networks { on_device!(&device, device => networks(device, args))? } else { Vec::new() };
    let (embedding, loss) = if precision == Precision::Amp { (EMBEDDING_AMP, LOSS_AMP) } else { (EMBEDDING, LOSS) };
    let passed = tests.iter().all(|t| t.checks.iter().all(Check::passed))
        && networks.iter().all(|n| n.embedding <= embedding && n.loss <= loss);
    let answer = Answer { device: described, missing, card, tests, networks, passed };
    context.answer(&answer, || report(&answer))?;
    if !passed {
        bail!("the device does not compute as the CPU does");
    }
    Ok(0)
}

/// The self-test in exact products, once more as convolutions usually run, and on a card with maps of bf16.
fn tests<D: Backend>(device: &D, is_card: bool, set_precision: &dyn Fn(Precision)) -> Result<Vec<Tested>> {
    // sums of some hundred products in another order
    const EXACT: f64 = 2e-5;
    /// Ten bits of a factor's fraction are kept.
    const TF32: f64 = 5e-3;
    /// Sixteen bits are.
    const THREE_PRODUCTS: f64 = 1e-4;
    let high = if is_card { TF32 } else { THREE_PRODUCTS };
    let mut each =
        vec![(Precision::Fp32, Allowed::of_convolutions(EXACT)), (Precision::High, Allowed::of_convolutions(high))];
    each.extend(is_card.then_some((Precision::Amp, Allowed::BF16)));
    let tested = |(precision, allowed): (Precision, Allowed)| {
        set_precision(precision);
        Ok(Tested { precision: precision.name(), checks: selftest::run(device, allowed)? })
    };
    each.into_iter().map(tested).collect()
}

fn networks<D: Backend>(device: &D, args: &DoctorArgs) -> Result<Vec<Parity>> {
    let mut all = Vec::new();
    let chosen = args.network.iter().map(|name| Backbone::named(name)).collect::<Result<Vec<_>, _>>()?;
    let chosen: Vec<_> = chosen.iter().map(|backbone| backbone.name).collect();
    // a family each; the others are the same code with other numbers
    let usual = ["resnet18", "efficientnet_b0", "mobilenet_v3_large", "swin_t"];
    for &backbone in if chosen.is_empty() { &usual[..] } else { &chosen[..] } {
        for method in Method::ALL {
            let (side, steps) = (args.network_side as usize, args.network_steps as usize);
            let (lr, nudge) = (args.network_lr, args.nudge);
            all.push(parity(device, &ParityPlan { backbone, method, side, steps, lr, nudge })?);
        }
    }
    Ok(all)
}

/// Who else holds memory on the card, a line each.
fn held(card: &CardFacts) -> Vec<String> {
    let mut lines: Vec<String> = card
        .other_processes
        .iter()
        .map(|holder| {
            let name = holder.name.as_deref().unwrap_or("a process");
            format!("{name}, {}, holds {}", holder.pid, holder.memory.map_or_else(|| "·".into(), words::gib))
        })
        .collect();
    // in a container the others are not seen, but what they hold is
    let before = card.memory_used_before_bytes.filter(|&bytes| bytes > 1 << 30);
    if let (true, Some(before)) = (lines.is_empty(), before) {
        lines.push(format!("{} were in use before this program began", words::gib(before)));
    }
    lines
}

/// All that card `device` would need and has not; nothing for a CPU.
#[cfg(feature = "cuda")]
fn missing(device: &str) -> Vec<String> {
    let ordinal = match device {
        "auto" | "cuda" => Some(0),
        name => name.strip_prefix("cuda:").and_then(|n| n.parse().ok()),
    };
    let all = ordinal.map(crate::nn::ops::cuda::missing).unwrap_or_default();
    all.iter().map(ToString::to_string).collect()
}

#[cfg(not(feature = "cuda"))]
fn missing(_: &str) -> Vec<String> {
    Vec::new()
}

#[cfg(not(feature = "cuda"))]
fn facts(_: &AnyDevice) -> Option<CardFacts> {
    None
}

#[cfg(feature = "cuda")]
fn facts(opened: &AnyDevice) -> Option<CardFacts> {
    use crate::nn::ops::{cuda, device};
    let AnyDevice::Cuda(_) = opened else { return None };
    let card = cuda::card()?;
    let [major, minor] = card.capability;
    Some(CardFacts {
        name: card.name,
        compute_capability: format!("{major}.{minor}"),
        memory_bytes: card.memory,
        memory_free_bytes: cuda::memory().map(|(free, _)| free),
        memory_used_before_bytes: cuda::used_before(),
        other_processes: cuda::others(),
        utilisation_percent: device::card_at(card.ordinal).and_then(|card| card.utilisation),
        driver: cuda::version(card.driver),
        cudnn: format!("{}.{}.{}", card.cudnn / 10_000, card.cudnn % 10_000 / 100, card.cudnn % 100),
    })
}

fn report(answer: &Answer) -> String {
    let mut lines = Vec::new();
    for Tested { precision, checks } in &answer.tests {
        let failed: Vec<&Check> = checks.iter().filter(|c| !c.passed()).collect();
        let worst = checks.iter().map(|c| c.error).fold(0.0, f64::max);
        lines.push(format!(
            "{precision}: {} of {} operations agree with the CPU, largest difference {worst:.1e}",
            checks.len() - failed.len(),
            checks.len()
        ));
        lines.extend(failed.iter().map(|c| format!("  {}: {:.1e}, allowed {:.1e}", c.name, c.error, c.limit)));
    }
    for n in &answer.networks {
        lines.push(format!(
            "{} {}: embeddings differ by {:.1e} at most, losses of {} steps by {:.3} %",
            n.backbone,
            n.method,
            n.embedding,
            n.losses.len(),
            100.0 * n.loss
        ));
    }
    lines.join("\n")
}
