//! `weights`: backbones' weights in the workspace, for `--pretrained` and for embeddings without training.

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand};
use serde_json::json;

use crate::data::counted::counted;
use crate::data::foreign;
use crate::eval::model::About;
use crate::eval::weights::export::{self, Format};
use crate::eval::weights::{self, Imported, Wishes, short};
use crate::nn::ops::Normalisation;
use crate::nn::weights::names::Naming;

use super::args::Usage;
use super::evaluate::Chosen;
use super::run_care::agreed;
use super::{Context, words};

/// The verbs of `weights`.
#[derive(Debug, Subcommand)]
pub(super) enum WeightsVerb {
    /// Read a file of weights (.pth, .pt, .bin, .ckpt, .safetensors), see whose they are, and keep them in the workspace
    #[command(
        after_help = "Examples:\n  caretta weights import resnet50-11ad3fa6.pth\n  caretta weights import MegaDescriptor-T-224/pytorch_model.bin --name megadescriptor-t\n  caretta weights import megadescriptor-t.bin --mean .5,.5,.5 --std .5,.5,.5"
    )]
    Import(ImportArgs),
    /// List the imported weights
    #[command(after_help = "Example:\n  caretta weights ls --json")]
    Ls,
    /// Remove imported weights from the workspace
    #[command(after_help = "Example:\n  caretta weights rm resnet50-11ad3fa6 --yes")]
    Rm(RmArgs),
    /// Write a model for other programs: its weights as safetensors with the names of torchvision or timm, or all of it as ONNX
    #[command(
        after_help = "Examples:\n  caretta weights export arcface-resnet50 --output turtles.safetensors\n  caretta weights export efficientnet-lite0-57934424 --names timm --output lite0.safetensors\n  caretta weights export arcface-resnet50 --output turtles.onnx"
    )]
    Export(ExportArgs),
    /// See whether imported weights are as they were, and make a network
    #[command(after_help = "Examples:\n  caretta weights verify\n  caretta weights verify resnet50-11ad3fa6")]
    Verify(VerifyArgs),
}

#[derive(Debug, Args)]
pub(super) struct ImportArgs {
    /// The file; nothing in it is ever run
    file: PathBuf,
    /// What commands are to call the weights [default: the file's name]
    #[arg(long)]
    name: Option<String>,
    /// What the network's batch norms add to the variance [default: what networks with such names do]
    #[arg(long, value_name = "X", value_parser = epsilon)]
    epsilon: Option<f32>,
    /// What was subtracted from red, green, blue (on the scale of 0 to 1) when the network was trained [default: what the
    /// file or a config.json beside it says, else ImageNet's]
    #[arg(long, value_name = "R,G,B", value_parser = colours, requires = "std")]
    mean: Option<Colours>,
    /// What they were then divided by
    #[arg(long, value_name = "R,G,B", value_parser = colours, requires = "mean")]
    std: Option<Colours>,
}

#[derive(Debug, Args)]
pub(super) struct RmArgs {
    /// Their names
    #[arg(required = true)]
    names: Vec<String>,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
}

#[derive(Debug, Args)]
pub(super) struct VerifyArgs {
    /// Their names [default: all]
    names: Vec<String>,
}

#[derive(Debug, Args)]
pub(super) struct ExportArgs {
    /// A run's id or folder, the name of imported weights, or a file of weights
    model: PathBuf,
    /// safetensors (the weights) or onnx (the network; how photos are prepared is in its metadata) [default: by --output's
    /// ending]
    #[arg(long, value_parser = PossibleValuesParser::new(export::FORMATS.iter().map(|f| f.name)))]
    #[arg(hide_possible_values = true, value_name = "FORMAT")]
    format: Option<String>,
    /// Whose names the parameters get in safetensors: torchvision or timm [default: torchvision]
    #[arg(long, value_parser = PossibleValuesParser::new(["torchvision", "timm"]))]
    #[arg(hide_possible_values = true, value_name = "LIBRARY")]
    names: Option<String>,
    /// Side of the photos that an ONNX network takes, in pixels [default: what it was trained with; weights: 224]
    #[arg(long, value_name = "PIXELS", value_parser = size)]
    size: Option<u32>,
    /// The file; one that is there is replaced
    #[arg(long, value_name = "FILE")]
    output: PathBuf,
}

/// One number a colour; a name of its own, because clap takes an array for a flag that is given several times.
type Colours = [f32; 3];

fn colours(text: &str) -> Result<Colours, String> {
    let numbers: Option<Vec<f32>> = text.split(',').map(|number| number.trim().parse().ok()).collect();
    numbers.and_then(|n| n.try_into().ok()).ok_or_else(|| "give three numbers, such as 0.5,0.5,0.5".into())
}

/// The same limits as a run's.
fn size(text: &str) -> Result<u32, String> {
    let limits = crate::run::config::field::find("data.image_size").and_then(|field| field.parse(text));
    limits.map_err(|e| e.to_string())?;
    text.parse().map_err(|_| "give a whole number".into())
}

fn epsilon(text: &str) -> Result<f32, String> {
    text.parse().ok().filter(|x: &f32| *x > 0.0 && *x <= 0.1).ok_or_else(|| "give a number such as 1e-3".into())
}

pub(super) fn weights(context: &Context, verb: &WeightsVerb) -> Result<u8> {
    match verb {
        WeightsVerb::Import(args) => import(context, args),
        WeightsVerb::Ls => list(context),
        WeightsVerb::Rm(args) => remove(context, args),
        WeightsVerb::Export(args) => export(context, args),
        WeightsVerb::Verify(args) => verify(context, args),
    }
}

fn import(context: &Context, args: &ImportArgs) -> Result<u8> {
    let normalisation = args.mean.zip(args.std).map(|(mean, deviation)| Normalisation { mean, deviation });
    if let Some(Normalisation { mean, deviation }) = normalisation.filter(|by| !by.is_usable()) {
        return Err(Usage(format!(
            "--mean {mean:?} --std {deviation:?}: colours are numbers from 0 to 1 here; divide what is meant for 0 to 255 by 255"
        ))
        .into());
    }
    let wishes = Wishes { name: args.name.as_deref(), epsilon: args.epsilon, normalisation };
    let (imported, new) = weights::import(&context.workspace, &args.file, wishes)?;
    context.answer(&json!({ "weights": imported, "new": new }), || words_of_import(&imported, new))?;
    Ok(0)
}

/// What an import found and did.
fn words_of_import(imported: &Imported, new: bool) -> String {
    let Imported { name, about, source, .. } = imported;
    let mut lines = vec![format!(
        "{name}: {} by {}'s names, an embedding of {} numbers{}",
        about.backbone,
        source.naming,
        about.embedding_dim,
        if new { "" } else { "; it was here already" }
    )];
    lines.push(format!("from {}, SHA-256 {}", foreign::line(&source.file), source.sha256));
    if !source.unwrapped.is_empty() {
        lines.push(format!("a training checkpoint: the weights lay under {}", source.unwrapped.join(" / ")));
    }
    if !source.prefix.is_empty() {
        lines.push(format!("before every name stood {}", foreign::line(&source.prefix)));
    }
    if let Some(converted) = &source.converted {
        lines.push(format!("{converted} brought to 32 bits"));
    }
    if let Some((theirs, ours)) = source.epsilons {
        lines.push(format!(
            "its batch norms add {theirs} to the variance, ours {ours}: the difference is in the running variances now, so \
             embeddings are exactly the same"
        ));
    }
    if let Some((theirs, ours)) = source.windows {
        lines.push(format!(
            "its windows have {theirs} places a side, ours {ours}: the tables of biases were resized as timm does, and \
             embeddings differ from those of its own window; training evens it out"
        ));
    }
    if let Some(told) = &source.normalised_by {
        let preprocessing = &about.preprocessing;
        lines.push(format!(
            "photos are normalised {}: (RGB / 255 - {:?}) / {:?}",
            foreign::line(told),
            preprocessing.mean,
            preprocessing.deviation
        ));
    }
    if !source.unused.is_empty() {
        let first: Vec<_> = source.unused.iter().take(6).map(|name| foreign::line(name)).collect();
        let more =
            source.unused.len().checked_sub(6).filter(|&n| n > 0).map_or(String::new(), |n| format!(" and {n} more"));
        let count = counted(source.unused.len(), "tensor");
        lines.push(format!("{count} not used by the backbone: {}{more}", first.join(", ")));
    }
    if let Some(remark) = Naming::named(&source.naming).and_then(|n| n.remark) {
        lines.push(format!("note: {remark}"));
    }
    let next = format!(
        "Next: caretta train arcface --backbone {} --pretrained --data-dir PHOTOS\n  or: caretta embed --model-path {name} \
         --data-dir PHOTOS --output-dir DIR",
        about.backbone
    );
    words::wrapped(&lines.join("\n")) + "\n" + &next
}

fn list(context: &Context) -> Result<u8> {
    let mut known = Vec::new();
    for weights in weights::known(&context.workspace)? {
        match weights {
            Ok(weights) => known.push(weights),
            Err(error) => words::say(&error.to_string()),
        }
    }
    context.answer(&json!({ "weights": known }), || {
        if known.is_empty() {
            return "No weights yet. Next: caretta weights import FILE".into();
        }
        let row = |w: &Imported| {
            let identity = short(&w.source.identity).to_owned();
            let imported = w.source.imported.local();
            vec![w.name.clone(), w.about.backbone.clone(), imported, w.source.file.clone(), identity]
        };
        words::table(&["weights", "backbone", "imported", "from", "hash"], &known.iter().map(row).collect::<Vec<_>>())
    })?;
    Ok(0)
}

fn remove(context: &Context, args: &RmArgs) -> Result<u8> {
    let found = args.names.iter().map(|n| weights::find(&context.workspace, n)).collect::<Result<Vec<_>, _>>()?;
    let names: Vec<&str> = found.iter().map(|w| w.name.as_str()).collect();
    if !args.yes && !agreed(&format!("Remove the weights {}? [y/N] ", names.join(", ")))? {
        bail!("nothing was removed");
    }
    found.iter().try_for_each(weights::remove)?;
    context.answer(&json!({ "removed": names }), || format!("removed: {}", names.join(", ")))?;
    Ok(0)
}

fn export(context: &Context, args: &ExportArgs) -> Result<u8> {
    let given = foreign::path(&args.output);
    let format = match &args.format {
        Some(name) => export::FORMATS.iter().find(|f| f.name == name),
        None => Format::of(&args.output),
    };
    let Some(format) = format else {
        let known: Vec<_> = export::FORMATS.iter().map(|f| format!(".{}", f.name)).collect();
        return Err(
            Usage(format!("--output {given}: let the name end in {}, or give --format", known.join(" or "))).into()
        );
    };
    if args.names.is_some() && !format.has_names {
        return Err(Usage(format!("--names: {} has torchvision's", format.name)).into());
    }
    if args.size.is_some() && format.has_names {
        return Err(Usage(format!("--size: {} holds weights, which fit photos of any size", format.name)).into());
    }
    let Some(naming) = Naming::named(args.names.as_deref().unwrap_or("torchvision")) else {
        return Err(Usage("--names: there are torchvision and timm".into()).into());
    };
    let mut chosen = Chosen::of(context, &args.model, None)?;
    let mut model = chosen.load(&dfdx::prelude::Cpu::default())?;
    format.export(&model, &export::Wishes { naming, side: args.size }, &args.output)?;
    model.about.preprocessing.image_size = args.size.unwrap_or(model.about.preprocessing.image_size);
    let About { backbone, head, preprocessing, embedding_dim } = &model.about;
    let answer = json!({
        "model": chosen.name, "identity": model.identity, "format": format.name, "file": given,
        "names": format.has_names.then_some(naming.name),
        "backbone": backbone, "head": head, "embedding_dim": embedding_dim, "preprocessing": preprocessing,
    });
    context.answer(&answer, || {
        let head = match head.as_str() {
            "pooled" => String::new(),
            head if format.has_names => format!("; the {head} head's tensors begin with embedding."),
            head => format!(" with its {head} head"),
        };
        let names = if format.has_names { format!(" by {}'s names", naming.name) } else { String::new() };
        format!(
            "{given}: {} of {}{names}{head}\nphotos {} pixels, {}; (RGB / 255 - {:?}) / {:?}; an embedding has unit length",
            backbone,
            chosen.name,
            preprocessing.image_size,
            preprocessing.resize,
            preprocessing.mean,
            preprocessing.deviation
        )
    })?;
    Ok(0)
}

fn verify(context: &Context, args: &VerifyArgs) -> Result<u8> {
    let found = if args.names.is_empty() {
        weights::known(&context.workspace)?
    } else {
        args.names.iter().map(|name| weights::find(&context.workspace, name)).collect()
    };
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    for weights in found {
        match weights.and_then(|w| weights::verify(&w).map(|()| w)) {
            Ok(weights) => good.push(weights.name),
            Err(error) => bad.push(error.to_string()),
        }
    }
    bad.iter().for_each(|error| words::say(error));
    context.answer(&json!({ "good": good, "bad": bad }), || match (good.len(), bad.len()) {
        (0, 0) => "No weights yet. Next: caretta weights import FILE".into(),
        (good, 0) => format!("{} as imported", counted(good, "file")),
        (good, bad) => format!("{} as imported, {bad} not", counted(good, "file")),
    })?;
    Ok(u8::from(!bad.is_empty()))
}
