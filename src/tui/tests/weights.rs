//! Weights in the workbench: imported by a path, listed with the machine, offered by the form.

use super::*;
use crate::eval::model::About;
use crate::eval::weights::{Imported, Source};
use crate::nn::backbone::Backbone;
use crate::nn::ops::Normalisation;
use crate::run::stamp::Stamp;
use crate::tui::form::Form;
use crate::tui::popup::{Asked, Layer};

fn weights(name: &str, backbone: &str) -> Imported {
    let source = Source {
        file: format!("{name}.pth"),
        bytes: 1,
        sha256: String::new(),
        imported: Stamp::from_millis(0),
        naming: "torchvision".into(),
        unwrapped: Vec::new(),
        prefix: String::new(),
        converted: None,
        epsilons: None,
        windows: None,
        normalised_by: None,
        unused: Vec::new(),
        identity: String::new(),
    };
    let about = About::of_backbone(Backbone::named(backbone).unwrap(), Normalisation::IMAGENET);
    Imported { name: name.into(), path: format!("/w/{name}.safetensors").into(), about, source }
}

fn listed() -> Message {
    Message::Weights(vec![weights("lite0", "efficientnet_lite0"), weights("r18", "resnet18")])
}

#[test]
fn weights_are_imported_by_a_path_and_listed() {
    let mut model = model((160, 50));
    let sample = Message::System(Box::new(Sample { cpu: Some(0.5), cores: 2, ..Sample::default() }));
    let (_, asked, ..) = drive(&mut model, vec![full(), keys("4"), vec![sample]].concat_all());
    assert!(asked.contains(&Effect::Weights), "{asked:?}");
    let (buffer, ..) = drive(&mut model, keys("i"));
    assert!(text(&buffer).contains("File of weights"), "{}", text(&buffer));
    let (_, asked, ..) = drive(&mut model, vec![keys("/a.pth"), vec![key(KeyCode::Enter)]].concat_all());
    assert_eq!(asked, [Effect::ImportWeights("/a.pth".into())]);
    // a path that is misspelt stays to be mended, whatever came of another line
    let typed = |path: &str, came| Message::Typed(Asked::Weights, path.into(), came);
    let other = Message::Typed(Asked::Path, "/a.pth".into(), Ok(()));
    let (buffer, ..) = drive(&mut model, vec![typed("/a.pth", Err("there is no such file".into())), other]);
    let shown = text(&buffer);
    assert!(shown.contains("› /a.pth") && shown.contains("there is no such file"), "{shown}");
    let (buffer, ..) = drive(&mut model, vec![keys("2"), vec![typed("/a.pth", Ok(()))]].concat_all());
    assert!(text(&buffer).contains("› /a.pth2"), "that was the line as it was");
    let (buffer, ..) = drive(&mut model, vec![typed("/a.pth2", Ok(())), listed()]);
    let shown = text(&buffer);
    assert!(shown.contains("imported weights") && shown.contains("lite0") && shown.contains("resnet18"), "{shown}");
}

#[test]
fn a_path_is_sent_once_while_what_comes_of_it_is_not_known() {
    let mut model = model((160, 50));
    let sent =
        |model: &mut Model, typed: Vec<Message>| drive(model, vec![typed, vec![key(KeyCode::Enter)]].concat_all());
    let import = |path: &str| Effect::ImportWeights(path.into());
    let typed =
        |path: &str, came: Result<(), &str>| Message::Typed(Asked::Weights, path.into(), came.map_err(Into::into));
    drive(&mut model, vec![full(), keys("4"), keys("i")].concat_all());
    let (buffer, asked, ..) = sent(&mut model, keys("/a.pth"));
    assert_eq!(asked, [import("/a.pth")]);
    assert!(text(&buffer).contains("reading …"), "{}", text(&buffer));
    assert_eq!(sent(&mut model, vec![]).1, []);
    assert_eq!(sent(&mut model, vec![key(KeyCode::Left), key(KeyCode::End)]).1, [], "it is the same path still");
    // another one is another matter
    let (buffer, asked, ..) = sent(&mut model, keys("2"));
    assert!(asked == [import("/a.pth2")] && text(&buffer).contains("reading …"), "{asked:?}");
    assert_eq!(sent(&mut model, vec![key(KeyCode::Backspace)]).1, [], "the first one is read still");
    let (buffer, ..) = drive(&mut model, vec![key(KeyCode::Backspace)]);
    assert!(!text(&buffer).contains("reading …"), "{}", text(&buffer));
    // and one that failed may be tried again
    let (buffer, ..) = drive(&mut model, vec![keys("h2"), vec![typed("/a.pth2", Err("it is torn"))]].concat_all());
    assert!(text(&buffer).contains("it is torn") && !text(&buffer).contains("reading …"), "{}", text(&buffer));
    let (buffer, asked, ..) = sent(&mut model, vec![]);
    assert!(asked == [import("/a.pth2")] && !text(&buffer).contains("it is torn"), "{asked:?}");
    drive(&mut model, vec![typed("/a.pth2", Ok(()))]);
    assert!(model.layers.is_empty());
}

#[test]
fn the_form_offers_weights_that_fit_the_backbone_and_refuses_others() {
    let mut model = model((160, 50));
    let (_, asked, ..) = drive(&mut model, vec![full(), keys("n")].concat_all());
    assert!(asked.contains(&Effect::Weights), "{asked:?}");
    drive(&mut model, vec![listed()]);
    let Some(Layer::Form(form)) = model.layers.last_mut() else { panic!("no form") };
    let entry = |form: &Form| form.shown().into_iter().find(|e| e.field.path == "model.init").cloned().unwrap();
    assert!(form.choices(&entry(form)).is_empty(), "none fit a resnet50");
    form.put("model.backbone", "resnet18");
    assert_eq!(form.choices(&entry(form)), ["", "r18"]);
    form.put("model.init", "lite0");
    let problem = form.problem(&entry(form)).unwrap();
    assert!(problem.contains("efficientnet_lite0"), "{problem}");
    form.put("model.init", "r18");
    assert_eq!(form.problem(&entry(form)), None);
}
