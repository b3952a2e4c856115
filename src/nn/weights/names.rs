//! How other libraries name the parameters of our backbones: a table a library.
//!
//! Ours are torchvision's. A naming only ever goes from ours to the other; the way back is the same list, turned round.
//! The values are the same and lie in the same order: all of these libraries are PyTorch's.

use crate::nn::backbone::Backbone;

/// A library's way to name parameters.
pub struct Naming {
    /// The library, as people call it.
    pub name: &'static str,
    /// Its name for every one of `native`, the parameters of a backbone in the order in which it is built; none where
    /// it has no such architecture.
    translate: fn(native: &[String]) -> Option<Vec<String>>,
    /// What it adds to the variance in batch norms; none: what we do.
    pub epsilon: Option<f32>,
    /// What a person should know of networks that come with these names.
    pub remark: Option<&'static str>,
}

/// All namings, ours first.
pub static NAMINGS: &[Naming] = &[
    Naming { name: "torchvision", translate: |native| Some(native.to_vec()), epsilon: None, remark: None },
    Naming {
        name: "timm",
        translate: timm,
        epsilon: Some(1e-5),
        remark: Some(
            "batch norms are taken to add 1e-5, as most of timm's do; its tf_ family adds 1e-3: then give --epsilon 1e-3",
        ),
    },
    Naming { name: "timm before 0.9", translate: |native| swin(native, 0), epsilon: None, remark: None },
    Naming {
        name: "lukemelas",
        translate: |native| inverted(native, LUKEMELAS),
        epsilon: Some(1e-3),
        remark: Some(
            "it was trained with TensorFlow's padding, which is one pixel off in layers of stride 2: embeddings differ \
             slightly from that package's own, and training evens it out",
        ),
    },
];

impl Naming {
    /// The naming of that name.
    pub fn named(name: &str) -> Option<&'static Naming> {
        NAMINGS.iter().find(|n| n.name == name)
    }

    /// Its names for the parameters `native` of a backbone; see [`NAMINGS`].
    pub fn names(&self, native: &[String]) -> Option<Vec<String>> {
        (self.translate)(native)
    }

    /// What it adds to the variance in the batch norms of `backbone`.
    pub fn epsilon(&self, backbone: &Backbone) -> f32 {
        self.epsilon.unwrap_or_else(|| backbone.epsilon())
    }
}

fn timm(native: &[String]) -> Option<Vec<String>> {
    if native.iter().any(|n| n.starts_with("layer1.")) {
        // its ResNets are torchvision's, and found as such
        return Some(native.to_vec());
    }
    inverted(native, TIMM).or_else(|| swin(native, 1))
}

/// What a module is in a network of inverted bottlenecks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Stem,
    Expand,
    Depthwise,
    Reduce,
    Excite,
    Project,
    Tail,
}

/// Names of a convolution and its batch norm: `{s}` and `{b}` are stage and block in it, `{n}` the block in all.
struct Row {
    role: Role,
    /// Only in blocks that expand, or only in those that do not; none: in both.
    expands: Option<bool>,
    /// Only where a stage of ours is one block (MobileNetV3), or only where it is several; none: in both.
    flat: Option<bool>,
    conv: &'static str,
    norm: &'static str,
}

const fn row(role: Role, conv: &'static str, norm: &'static str) -> Row {
    Row { role, expands: None, flat: None, conv, norm }
}

/// lukemelas/EfficientNet-PyTorch, and the Lite models after it.
static LUKEMELAS: &[Row] = &[
    row(Role::Stem, "_conv_stem", "_bn0"),
    row(Role::Expand, "_blocks.{n}._expand_conv", "_blocks.{n}._bn0"),
    row(Role::Depthwise, "_blocks.{n}._depthwise_conv", "_blocks.{n}._bn1"),
    row(Role::Reduce, "_blocks.{n}._se_reduce", ""),
    row(Role::Excite, "_blocks.{n}._se_expand", ""),
    row(Role::Project, "_blocks.{n}._project_conv", "_blocks.{n}._bn2"),
    Row { flat: Some(false), ..row(Role::Tail, "_conv_head", "_bn1") },
];

/// huggingface/pytorch-image-models, `_efficientnet_blocks.py`.
static TIMM: &[Row] = &[
    row(Role::Stem, "conv_stem", "bn1"),
    row(Role::Expand, "blocks.{s}.{b}.conv_pw", "blocks.{s}.{b}.bn1"),
    Row { expands: Some(true), ..row(Role::Depthwise, "blocks.{s}.{b}.conv_dw", "blocks.{s}.{b}.bn2") },
    Row { expands: Some(false), ..row(Role::Depthwise, "blocks.{s}.{b}.conv_dw", "blocks.{s}.{b}.bn1") },
    row(Role::Reduce, "blocks.{s}.{b}.se.conv_reduce", ""),
    row(Role::Excite, "blocks.{s}.{b}.se.conv_expand", ""),
    Row { expands: Some(true), ..row(Role::Project, "blocks.{s}.{b}.conv_pwl", "blocks.{s}.{b}.bn3") },
    Row { expands: Some(false), ..row(Role::Project, "blocks.{s}.{b}.conv_pw", "blocks.{s}.{b}.bn2") },
    Row { flat: Some(false), ..row(Role::Tail, "conv_head", "bn2") },
    Row { flat: Some(true), ..row(Role::Tail, "blocks.6.0.conv", "blocks.6.0.bn1") },
];

/// Blocks a stage of MobileNetV3-Large in timm, where ours counts blocks only.
const MOBILE_STAGES: [usize; 6] = [1, 2, 3, 4, 2, 3];

/// Where a parameter stands in a network of inverted bottlenecks.
struct Place<'a> {
    /// `features.STAGE`, and `.BLOCK` below it unless the network is flat.
    stage: usize,
    block: usize,
    /// What stands below `block.` in a block, else below the stage.
    rest: &'a str,
    is_block: bool,
}

impl<'a> Place<'a> {
    fn of(name: &'a str) -> Option<(Place<'a>, bool)> {
        let (stage, rest) = name.strip_prefix("features.")?.split_once('.')?;
        let stage = stage.parse().ok()?;
        if let Some(rest) = rest.strip_prefix("block.") {
            return Some((Place { stage, block: 0, rest, is_block: true }, true));
        }
        let block = rest.split_once(".block.").and_then(|(block, rest)| Some((block.parse().ok()?, rest)));
        Some(match block {
            Some((block, rest)) => (Place { stage, block, rest, is_block: true }, false),
            None => (Place { stage, block: 0, rest, is_block: false }, false),
        })
    }
}

/// Names by `rows`; none where `native` is no network of inverted bottlenecks.
fn inverted(native: &[String], rows: &[Row]) -> Option<Vec<String>> {
    let places: Vec<_> = native.iter().map(|name| Place::of(name)).collect::<Option<_>>()?;
    let flat = places.iter().any(|(_, flat)| *flat);
    // each block, and how many convolutions with a norm it has
    let mut blocks: Vec<((usize, usize), usize)> = Vec::new();
    for (place, _) in places.iter().filter(|(place, _)| place.is_block) {
        let at = (place.stage, place.block);
        if blocks.last().is_none_or(|(last, _)| *last != at) {
            blocks.push((at, 0));
        }
        if let Some((_, count)) = blocks.last_mut().filter(|_| place.rest.ends_with(".0.weight")) {
            *count += 1;
        }
    }
    if blocks.is_empty() {
        return None;
    }
    let renamed = |place: &Place| {
        let at = (place.stage, place.block);
        let number = blocks.iter().position(|(block, _)| *block == at);
        // a block with three convolutions begins by an expansion
        let expands = number.is_some_and(|number| blocks[number].1 == 3);
        // "2.0.weight": the third part's convolution; "2.fc1.weight": its squeeze
        let (module, leaf) = place.rest.rsplit_once('.')?;
        let (part, which) = module.split_once('.').unwrap_or(("", module));
        let part = part.parse::<usize>().unwrap_or(0);
        let role = match (number, which) {
            (None, _) if place.stage == 0 => Role::Stem,
            (None, _) => Role::Tail,
            (_, "fc1") => Role::Reduce,
            (_, "fc2") => Role::Excite,
            _ => match (part, expands) {
                (0, true) => Role::Expand,
                (0, false) | (1, true) => Role::Depthwise,
                _ => Role::Project,
            },
        };
        let fits = |wanted: Option<bool>, is: bool| wanted.is_none_or(|w| w == is);
        let row = rows.iter().find(|r| r.role == role && fits(r.expands, expands) && fits(r.flat, flat))?;
        let pattern = if which == "1" { row.norm } else { row.conv };
        let number = number.unwrap_or(0);
        let (stage, block) = if flat { grouped(number)? } else { (place.stage.saturating_sub(1), place.block) };
        let module = pattern
            .replace("{s}", &stage.to_string())
            .replace("{b}", &block.to_string())
            .replace("{n}", &number.to_string());
        Some(format!("{module}.{leaf}"))
    };
    places.iter().map(|(place, _)| renamed(place)).collect()
}

/// Stage and block in timm of MobileNetV3's block `number`.
fn grouped(mut number: usize) -> Option<(usize, usize)> {
    for (stage, &blocks) in MOBILE_STAGES.iter().enumerate() {
        if number < blocks {
            return Some((stage, number));
        }
        number -= blocks;
    }
    None
}

/// timm's names of a Swin transformer; `later` is 1 where the merging of patches opens a stage, 0 where it ends the one
/// before (timm before 0.9, and Microsoft's own).
fn swin(native: &[String], later: usize) -> Option<Vec<String>> {
    let renamed = |name: &String| {
        let Some(rest) = name.strip_prefix("features.") else {
            return name.starts_with("norm.").then(|| name.clone());
        };
        let (stage, rest) = rest.split_once('.')?;
        match (stage.parse::<usize>().ok()?, rest) {
            (0, rest) => match rest.split_once('.')? {
                ("0", leaf) => Some(format!("patch_embed.proj.{leaf}")),
                ("2", leaf) => Some(format!("patch_embed.norm.{leaf}")),
                _ => None,
            },
            (stage, rest) if stage % 2 == 0 => {
                let is_merging = rest.starts_with("reduction.") || rest.starts_with("norm.");
                is_merging.then(|| format!("layers.{}.downsample.{rest}", stage / 2 - 1 + later))
            }
            (stage, rest) => {
                let (block, rest) = rest.split_once('.')?;
                let known = ["norm1.", "norm2.", "attn.", "mlp."].iter().any(|part| rest.starts_with(part));
                let rest = rest.replace("mlp.0.", "mlp.fc1.").replace("mlp.3.", "mlp.fc2.");
                known.then(|| format!("layers.{}.blocks.{block}.{rest}", stage / 2))
            }
        }
    };
    if !native.iter().any(|name| name.contains(".attn.")) {
        return None;
    }
    native.iter().map(renamed).collect()
}

#[cfg(test)]
mod tests {
    use super::super::recognise::outline;
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn names_are_those_of_the_libraries() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/weights/names.json");
        let lists: BTreeMap<String, Vec<String>> = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        for (key, expected) in lists {
            let (naming, backbone) = key.split_once(' ').unwrap();
            let backbone = Backbone::named(backbone).unwrap();
            let native: Vec<_> = outline(backbone).unwrap().into_iter().map(|(name, _)| name).collect();
            let mut names = Naming::named(naming).unwrap().names(&native).unwrap();
            names.sort();
            assert_eq!(names, expected, "{key}");
        }
    }

    #[test]
    fn a_naming_gives_no_name_twice_and_none_to_other_families() {
        for backbone in crate::nn::backbone::BACKBONES {
            let native: Vec<_> = outline(backbone).unwrap().into_iter().map(|(name, _)| name).collect();
            for naming in NAMINGS {
                let Some(mut names) = naming.names(&native) else { continue };
                names.sort();
                names.dedup();
                assert_eq!(names.len(), native.len(), "{} of {}", naming.name, backbone.name);
            }
            let is_efficientnet = backbone.name.starts_with("efficientnet");
            let lukemelas = Naming::named("lukemelas").and_then(|naming| naming.names(&native));
            assert_eq!(lukemelas.is_some(), is_efficientnet, "{}", backbone.name);
        }
    }
}
