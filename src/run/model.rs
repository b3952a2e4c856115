//! What `--model-path` means: a run's checkpoint, or bare weights.
//!
//! The course writes `./arcface_models/best_model.pth`. There is no such file: as a path inside a run it
//! means that run's best checkpoint, so that the exercises' command lines keep their words.

use std::path::{Path, PathBuf};

use super::dir::{RunDir, Which, is_run};
use super::error::{Result, RunError};
use super::workspace::Workspace;

/// A model, as far as files can tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModelRef {
    /// A checkpoint of a run, which also knows backbone, size and preprocessing.
    Run {
        /// The run.
        run: RunDir,
        /// Which checkpoint.
        which: Which,
    },
    /// A file of weights that belongs to no run: imported ones, or anybody's.
    Weights(PathBuf),
}

impl Workspace {
    /// Resolves the name of imported weights, a run's id, folder or beginning of an id, `<run>/best_model.pth`, a run's
    /// checkpoint file, or a file of weights. A run in the answer need not have the checkpoint yet (`RunDir::checkpoint`).
    pub fn resolve_model(&self, given: &Path) -> Result<ModelRef> {
        let refuse =
            |problem: &str| RunError::NotAModel { given: given.display().to_string(), problem: problem.to_owned() };
        let folder = given.parent().map(|p| if p.as_os_str().is_empty() { Path::new(".") } else { p });
        if given.file_name().is_some_and(|name| name == "best_model.pth")
            && let Some(folder) = folder
            && let Ok(run) = self.find(folder)
        {
            return Ok(ModelRef::Run { run, which: Which::Best });
        }
        if let Some(found) = self.checkpoint_file(given)? {
            return Ok(found);
        }
        // a folder of photos that is called so is no model
        let is_model = given.is_file() || is_run(given);
        if let Some(imported) = given.to_str().filter(|_| !is_model).and_then(|name| self.weights_file(name)) {
            return Ok(ModelRef::Weights(imported));
        }
        match given.extension().and_then(|e| e.to_str()) {
            Some("safetensors" | "pth" | "pt" | "bin" | "ckpt") if given.is_file() => {
                Ok(ModelRef::Weights(given.to_path_buf()))
            }
            Some("safetensors") => Err(refuse("no such file")),
            Some("pth" | "pt") => Err(refuse(
                "there is no run in that folder; best_model.pth, inside a run's folder, means its best checkpoint",
            )),
            _ if given.is_file() => {
                Err(refuse("neither a run nor a file of weights (.safetensors, .pth, .pt, .bin, .ckpt)"))
            }
            _ => Ok(ModelRef::Run { run: self.find(given)?, which: Which::Auto }),
        }
    }

    /// `<run>/checkpoints/best.safetensors` and `last.safetensors`: the run knows more than the bare file.
    fn checkpoint_file(&self, given: &Path) -> Result<Option<ModelRef>> {
        let which = match given.file_name().and_then(|n| n.to_str()) {
            Some("best.safetensors") => Which::Best,
            Some("last.safetensors") => Which::Last,
            _ => return Ok(None),
        };
        let path = super::workspace::absolute(given)?;
        let run = path.parent().filter(|p| p.ends_with("checkpoints")).and_then(Path::parent);
        match run.filter(|r| is_run(r)) {
            Some(run) => Ok(Some(ModelRef::Run { run: self.find(run)?, which })),
            None => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::dir::tests::config;
    use crate::run::workspace::tests::workspace;
    use std::fs;

    #[test]
    fn every_way_to_name_a_model() {
        let (dir, workspace) = workspace();
        let out = dir.path().join("arcface_models");
        let run = workspace.create_run(&config(), Some(&out)).unwrap();
        let as_run = |which| ModelRef::Run { run: run.clone(), which };
        let resolve = |path: &Path| workspace.resolve_model(path).map_err(|e| e.to_string());

        // The course's way, with the run elsewhere, and with it known by id.
        assert_eq!(resolve(&out.join("best_model.pth")), Ok(as_run(Which::Best)));
        assert_eq!(resolve(&Path::new(run.id()).join("best_model.pth")), Ok(as_run(Which::Best)));
        // Folder, id, beginning of the id: what the run stands for.
        assert_eq!(resolve(&out), Ok(as_run(Which::Auto)));
        assert_eq!(resolve(Path::new(run.id())), Ok(as_run(Which::Auto)));
        assert_eq!(resolve(Path::new("arcf")), Ok(as_run(Which::Auto)));
        // The checkpoint files themselves.
        assert_eq!(resolve(&run.best()), Ok(as_run(Which::Best)));
        assert_eq!(resolve(&run.last()), Ok(as_run(Which::Last)));
        // Weights that belong to no run.
        let weights = dir.path().join("last.safetensors");
        fs::write(&weights, "").unwrap();
        assert_eq!(resolve(&weights), Ok(ModelRef::Weights(weights.clone())));
        // torch's, whatever they are called, where no run is beside them.
        let weights = dir.path().join("best_model.pth");
        fs::write(&weights, "").unwrap();
        assert_eq!(resolve(&weights), Ok(ModelRef::Weights(weights.clone())));
        // Imported ones by their name; nothing outside their folder.
        fs::create_dir_all(workspace.weights_folder()).unwrap();
        let imported = workspace.weights_folder().join("resnet18-f37072fd.safetensors");
        fs::write(&imported, "").unwrap();
        assert_eq!(resolve(Path::new("resnet18-f37072fd")), Ok(ModelRef::Weights(imported)));
        assert!(resolve(Path::new("../weights/resnet18-f37072fd")).is_err());
    }

    #[test]
    fn what_is_no_model_is_told_why() {
        let (dir, workspace) = workspace();
        let says = |name: &str, expected: &str| {
            let error = workspace.resolve_model(&dir.path().join(name)).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        };
        says("arcface_models/best_model.pth", "there is no run in that folder");
        says("missing.safetensors", "no such file");
        fs::write(dir.path().join("photo.jpg"), "").unwrap();
        says("photo.jpg", "neither a run nor a file of weights");
        says("nothing", "no run of that id or folder");
        says("", "no run in this folder");
    }

    #[test]
    fn the_course_gives_relative_paths() {
        let (dir, workspace) = workspace();
        // `./../../tmp/x/arcface_models`: relative, and yet not in the folder that the tests run in.
        let up = std::env::current_dir().unwrap().components().skip(1).map(|_| "..").collect::<PathBuf>();
        let below = dir.path().strip_prefix("/").unwrap();
        let relative = Path::new(".").join(up).join(below).join("arcface_models");
        let run = workspace.create_run(&config(), Some(&relative)).unwrap();
        let found = workspace.resolve_model(&relative.join("best_model.pth")).unwrap();
        assert_eq!(found, ModelRef::Run { run: run.clone(), which: Which::Best });
        let absolute = dir.path().join("arcface_models/best_model.pth");
        let found = workspace.resolve_model(&absolute).unwrap();
        assert!(matches!(found, ModelRef::Run { run: same, .. } if same.id() == run.id()));
    }
}
