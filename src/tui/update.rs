//! What a message changes, and what it asks for. No file, no clock, no thread: the same model and message give the same
//! model and effects.

mod popups;

use std::collections::BTreeSet;
use std::path::Path;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use crate::data::synth::SynthPlan;
use crate::run::Dataset;
use crate::run::config::{Config, Method};

use super::choices::Choices;
use super::form::{Form, Offer};
use super::keys::{Action, Place, Tab};
use super::message::{Effect, Kept, Message, Purpose, Written};
use super::model::{Ending, Model};
use super::popup::line::Line;
use super::popup::{Asked, Layer, Page, Palette, Prompt};
use super::theme::{Depth, NAMES, Theme};

/// Takes `message` in and tells what is to be done.
pub(super) fn update(model: &mut Model, message: Message) -> Vec<Effect> {
    let sitting = model.identify.opening.clone();
    let mut effects = take(model, message);
    if model.identify.opening != sitting {
        effects.push(kept(model)); // a screen that is killed says nothing at its end
    }
    clamp(model);
    model.evaluate.look_around();
    let watching = model.watching();
    if watching != model.watched {
        model.runs.keep(&watching.runs);
        if watching.system && !model.watched.system {
            effects.push(Effect::Weights);
        }
        model.watched = watching.clone();
        effects.push(Effect::Watch(watching));
    }
    if let Some(dataset) = next_scan(model) {
        effects.push(Effect::Scan(dataset));
    }
    let shown = super::view::pictures(model);
    if let Some(missing) = model.pictures.want(&shown) {
        effects.push(Effect::Pictures(missing));
    }
    effects
}

/// Takes back what was scrolled too far, so that the first key back moves.
fn clamp(model: &mut Model) {
    let area = super::view::body(model.area());
    if model.evaluate.scroll > 0 {
        model.evaluate.scroll = model.evaluate.scroll.min(super::evaluate::view::most_scroll(model, area));
    }
    let (charts, lines) = super::runs::view::most_scrolled(model, area);
    (model.runs.from, model.runs.back) = (model.runs.from.min(charts), model.runs.back.min(lines));
    model.system.back = model.system.back.min(super::system::view::most_back(model, area));
    let most = model.layers.last().map_or(0, |layer| super::popup::view::most_from(model, layer, area));
    if let Some(Layer::Help(_, from) | Layer::Page(Page { from, .. })) = model.layers.last_mut() {
        *from = (*from).min(most);
    }
}

/// The dataset that is to be read now: the one looked at, or the one that a form names.
fn next_scan(model: &mut Model) -> Option<Dataset> {
    let name = match model.layers.last() {
        Some(Layer::Form(form)) => form.text("data.dir").to_owned(),
        _ if model.tab == Tab::Datasets => model.datasets.current()?.name.clone(),
        _ => return None,
    };
    model.datasets.next_scan(&name)
}

fn take(model: &mut Model, message: Message) -> Vec<Effect> {
    match message {
        Message::Key(key) => return key_pressed(model, key),
        Message::Paste(text) => return pasted(model, &text),
        Message::Resize(columns, rows) => model.size = (columns, rows),
        Message::Redraw => return vec![Effect::Redraw],
        Message::Tick(now) => model.tick(now),
        Message::Runs(runs, now) => {
            model.runs.take(runs, now);
            model.now = model.now.max(now);
        }
        Message::News(news) => {
            // one that was asked for before and is no longer looked at comes too late
            if model.watched.runs.contains(&news.id) {
                model.runs.news(*news);
            }
        }
        Message::Lost(words) => model.say(words, true),
        Message::Datasets(known) => model.datasets.take(known),
        Message::Scanned(dataset, scanned) => {
            if let (Some(Layer::Form(form)), Ok(scanned)) = (model.layers.last_mut(), &scanned) {
                form.learn(&dataset.name, scanned.overview.split.train);
            }
            return model.datasets.read(dataset, scanned);
        }
        Message::Added(dataset) => {
            model.datasets.choose(&dataset.name);
            if model.is_first_start() {
                model.tab = Tab::Datasets;
            }
            model.say(format!("{} is in the list", dataset.name), false);
        }
        Message::Evaluations(list) => model.evaluate.take(list),
        Message::Opened(folder, opened) => {
            if model.evaluate.opening.as_ref() == Some(&folder) {
                model.evaluate.opening = None;
                match opened {
                    Ok(opened) => model.evaluate.open(opened),
                    Err(why) => model.say(why, true),
                }
            }
        }
        Message::Galleries(galleries) => {
            model.identify.list(galleries);
            if let Some((gallery, folder)) = model.identify.go_on() {
                return model.identify.see(gallery, folder);
            }
        }
        Message::Begun(gallery, folder) => {
            return model.identify.see(gallery, folder);
        }
        Message::Seeing(gallery, folder, seen) => model.identify.seen_so_far((gallery, folder), seen),
        Message::Looked(gallery, folder) => model.identify.looked(&(gallery, folder)),
        Message::Otherwise(gallery, folder) => return model.identify.see_again((gallery, folder)),
        Message::Session(gallery, folder, session) => {
            if model.identify.opening.as_ref() == Some(&(gallery, folder)) {
                match session {
                    Ok(session) => {
                        let effects = model.identify.take(session);
                        tell_unread(model);
                        return effects;
                    }
                    Err(why) => {
                        // the one that is there goes on
                        let there = model.identify.session.as_ref();
                        model.identify.opening = there.map(|session| (session.gallery.clone(), session.folder.clone()));
                        model.say(why, true);
                    }
                }
            }
        }
        Message::Ruled(gallery, folder, written) => {
            let Written { said, open_again, session } = *written;
            let is_done = said.is_ok();
            match said {
                Ok(words) => model.say(words, false),
                Err(why) => model.say(why, true),
            }
            if model.identify.opening.as_ref() == Some(&(gallery, folder)) {
                (model.identify.writing, model.identify.wanted) = (false, open_again);
                match session {
                    Ok(session) if is_done => return model.identify.take_decided(session),
                    Ok(session) => return model.identify.take(session),
                    Err(why) => model.say(why, true),
                }
            }
        }
        Message::Profile(gallery, profile) => match profile {
            Ok(profile) => {
                if model.identify.session.as_ref().is_some_and(|session| session.gallery == gallery) {
                    model.identify.profile = Some(profile);
                }
            }
            Err(why) => model.say(why, true),
        },
        Message::Neighbours(folder, projected) => match projected {
            Ok(projected) => {
                if model.evaluate.take_neighbours(&folder, projected) {
                    model.say("neighbours lie together; Tab goes back to the components".to_owned(), false);
                }
            }
            Err(why) => model.say(why, true),
        },
        Message::Found(found) => match found {
            Ok((title, lines)) => model.layers.push(Layer::Page(Page::new(title, lines))),
            Err(why) => model.say(why, true),
        },
        Message::Configs(purpose, read) => match read {
            Ok(configs) => return configs_read(model, purpose, configs),
            Err(why) => model.say(why, true),
        },
        Message::Completed(text) => {
            if let Some(Layer::Prompt(prompt)) = model.layers.last_mut()
                && text.starts_with(prompt.line.text())
            {
                prompt.line = Line::new(text);
            }
        }
        Message::Picture(key, picture) => model.pictures.put(key, picture),
        Message::Corrected(dataset, words, mark) => {
            model.say(words, false);
            model.datasets.corrections = mark;
            return model.datasets.read_again(Some(&dataset.name));
        }
        // what was corrected here is being read already
        Message::Corrections(mark) if mark.is_some() && mark == model.datasets.corrections => {}
        Message::Corrections(mark) => {
            model.datasets.corrections = mark;
            return model.datasets.read_again(None);
        }
        Message::Costs(costs) => {
            if let Some(Layer::Form(form)) = model.layers.last_mut() {
                form.costs = costs;
            }
        }
        Message::Weights(weights) => {
            if let Some(Layer::Form(form)) = model.layers.last_mut() {
                form.weights = weights.iter().map(|w| (w.name.clone(), w.about.backbone.clone())).collect();
            }
            model.system.weights = weights;
        }
        Message::Card(card) => model.card = card,
        Message::Graphics(graphics) => {
            model.graphics = Some(graphics);
            return vec![Effect::Graphics(graphics)];
        }
        Message::System(sample) => model.system.take(*sample),
        Message::Started(id) => {
            model.layers.retain(|layer| !matches!(layer, Layer::Form(form) if form.starting));
            model.say(format!("{id} has started; it goes on without this screen"), false);
            (model.tab, model.runs.chosen) = (Tab::Runs, Some(id));
            model.runs.filter.clear();
        }
        Message::Refused(why) => {
            let form = model.layers.iter_mut().find_map(|layer| match layer {
                Layer::Form(form) if form.starting => Some(form),
                _ => None,
            });
            match form {
                Some(form) => form.refuse(why),
                None => model.say(why, true),
            }
        }
        Message::Typed(asked, path, came) => {
            for layer in &mut model.layers {
                if let Layer::Prompt(prompt) = layer
                    && prompt.asked == asked
                {
                    prompt.sent.retain(|sent| Path::new(sent) != path);
                }
            }
            // another line may have been opened since, or the same one again with another path
            let sent = |p: &Prompt| p.asked == asked && Path::new(p.text()) == path;
            let at = model.layers.iter().rposition(|layer| matches!(layer, Layer::Prompt(p) if sent(p)));
            match (at.map(|at| (at, &mut model.layers[at])), came) {
                (Some((at, _)), Ok(())) => drop(model.layers.remove(at)),
                (Some((_, Layer::Prompt(prompt))), Err(why)) => prompt.error = Some(why),
                (_, Err(why)) => model.say(why, true),
                (None, Ok(())) => {}
            }
        }
        Message::Progress(progress) => model.progress = progress,
        Message::Said(text) => model.say(text, false),
        Message::Failed(text) => model.say(text, true),
        Message::Suspend => return vec![Effect::Suspend],
        Message::Hangup => {
            model.ending = Some(Ending::Gone);
            return vec![kept(model)];
        }
        Message::Panicked(what) => model.ending = Some(Ending::Broken(what)),
    }
    Vec::new()
}

/// Says which photos cannot be read, once; what stands there of some that can be read by now goes.
fn tell_unread(model: &mut Model) {
    let before = model.identify.told.words.clone();
    let stands = |(said, _): &(String, bool)| !before.is_empty() && *said == before;
    match model.identify.unread_news() {
        Some((words, true)) => model.say(words, true),
        Some((words, false)) if model.notice.as_ref().is_some_and(stands) => {
            model.notice = Some((words, true)).filter(|(words, _)| !words.is_empty());
        }
        _ => {}
    }
}

fn configs_read(model: &mut Model, purpose: Purpose, mut configs: Vec<(String, Config)>) -> Vec<Effect> {
    match (purpose, configs.len()) {
        (Purpose::Clone, 1) => {
            let (_, mut config) = configs.remove(0);
            // a dataset that has a name is shown by it
            if let Some(known) =
                model.datasets.known.iter().flatten().find(|d| d.path.as_os_str() == config.data.dir.as_str())
            {
                config.data.dir.clone_from(&known.name);
            }
            return open_form(model, &config);
        }
        (Purpose::Difference, 2) => {
            let ((a_id, a), (b_id, b)) = (&configs[0], &configs[1]);
            let differing = a.difference(b);
            let widest = differing.iter().map(|(path, ..)| path.len()).max().unwrap_or(0);
            let mut lines: Vec<String> =
                differing.iter().map(|(path, a, b)| format!("{path:widest$}   {a}  →  {b}")).collect();
            if lines.is_empty() {
                lines.push("They have the same configuration.".to_owned());
            }
            model.layers.push(Layer::Page(Page::new(format!("{a_id}  →  {b_id}"), lines)));
        }
        _ => {}
    }
    Vec::new()
}

fn open_form(model: &mut Model, config: &Config) -> Vec<Effect> {
    let scanned = &model.datasets.scanned;
    let offer = |d: &Dataset| Offer {
        name: d.name.clone(),
        train: scanned.get(&d.name).and_then(|s| s.as_ref().ok()).map(|s| s.overview.split.train),
    };
    let offers = model.datasets.known.iter().flatten().map(offer).collect();
    let form = Form::new(config, offers, model.devices());
    model.layers.push(Layer::Form(Box::new(form)));
    vec![Effect::Costs, Effect::Weights]
}

fn pasted(model: &mut Model, text: &str) -> Vec<Effect> {
    let line: String = text.chars().filter(|c| !c.is_control()).collect();
    match model.layers.last_mut() {
        Some(Layer::Prompt(prompt)) => prompt.line.insert(&line),
        Some(Layer::Form(form)) => form.type_text(&line),
        Some(Layer::Palette(palette)) => palette.text.push_str(&line),
        Some(Layer::Filter) => change_filter(model, |text| text.push_str(&line)),
        _ => {}
    }
    Vec::new()
}

/// Changes the text that the rows of the tab shown must hold; what is chosen stays chosen where it is still shown.
fn change_filter(model: &mut Model, change: impl FnOnce(&mut String)) {
    match model.tab {
        Tab::Datasets => model.datasets.filter_by(change),
        Tab::Evaluate => model.evaluate.filter_by(change),
        Tab::Runs | Tab::System | Tab::Identify => model.runs.filter_by(change),
    }
}

fn key_pressed(model: &mut Model, key: KeyEvent) -> Vec<Effect> {
    model.notice = None;
    let control = |c| key.code == KeyCode::Char(c) && key.modifiers.contains(KeyModifiers::CONTROL);
    // these work under every popup too
    if control('c') {
        // what lies over the tab goes first, as everywhere
        if model.layers.pop().is_some() {
            return Vec::new();
        }
        return leave(model);
    }
    if control('l') {
        return redraw(model);
    }
    if control('z') {
        return vec![Effect::Suspend];
    }
    let too_small = super::view::is_too_small(model.size);
    if too_small || model.layers.is_empty() {
        return match model.keymap.action(model.place(), key) {
            Some(Action::Quit) => leave(model),
            Some(_) if too_small => Vec::new(),
            Some(action) => act(model, action),
            None => Vec::new(),
        };
    }
    popups::layer_key(model, key)
}

/// Draws everything again; on the tab with the datasets the one looked at is read again too, as its folder may have
/// changed.
fn redraw(model: &mut Model) -> Vec<Effect> {
    let mut effects = vec![Effect::Redraw];
    if model.tab == Tab::Datasets
        && let Some(name) = model.datasets.current().map(|d| d.name.clone())
    {
        effects.extend(model.datasets.read_again(Some(&name)));
    }
    effects
}

fn leave(model: &mut Model) -> Vec<Effect> {
    model.ending = Some(Ending::Left);
    vec![kept(model)]
}

fn kept(model: &Model) -> Effect {
    Effect::Keep(Kept {
        tab: model.tab.name().to_owned(),
        theme: model.theme.name.to_owned(),
        run: model.runs.chosen.clone(),
        dataset: model.datasets.chosen.clone(),
        whole: model.runs.whole,
        sort: model.runs.sort,
        charts: model.runs.charts.clone(),
        sitting: model.identify.opening.clone().or_else(|| model.identify.left.clone()),
    })
}

/// Does what an action asks for.
pub(super) fn act(model: &mut Model, action: Action) -> Vec<Effect> {
    let place = model.place();
    match action {
        Action::Quit => return leave(model),
        Action::Redraw => return redraw(model),
        Action::Suspend => return vec![Effect::Suspend],
        Action::Help => model.layers.push(Layer::Help(place, 0)),
        Action::Palette => model.layers.push(Layer::Palette(Palette { place, text: String::new(), at: 0 })),
        Action::Filter => {
            change_filter(model, String::clear);
            model.layers.push(Layer::Filter);
        }
        Action::ToTab(tab) => {
            model.tab = tab;
            return vec![kept(model)];
        }
        Action::Theme => {
            let at = NAMES.iter().position(|name| *name == model.theme.name).unwrap_or(0);
            let next = NAMES[(at + 1) % NAMES.len()];
            model.theme = Theme::named(next, model.theme.depth);
            let plain = if model.theme.depth == Depth::None { ", shown without colour here" } else { "" };
            model.say(format!("theme {}{plain}", model.theme.name), false);
            return vec![kept(model)];
        }
        Action::AddDataset => {
            model.layers.push(Layer::Prompt(Prompt::new(Asked::Path, String::new())));
        }
        Action::ImportWeights => {
            model.layers.push(Layer::Prompt(Prompt::new(Asked::Weights, String::new())));
        }
        Action::Synthetic | Action::Tour if model.progress.is_some() => {
            model.say("turtles are being drawn already".to_owned(), true);
        }
        Action::Synthetic => {
            let plan = SynthPlan::default();
            let text = format!("{} x {} x {}", plan.individuals, plan.encounters, plan.photos);
            model.layers.push(Layer::Prompt(Prompt::suggesting(Asked::Turtles, text)));
        }
        Action::Tour => return vec![Effect::Tour],
        Action::NewRun => {
            let method = model.runs.current().and_then(|run| run.method).unwrap_or(Method::Arcface);
            let mut config = Config::preset(method);
            if let Some(dataset) = model.datasets.current() {
                config.data.dir.clone_from(&dataset.name);
            }
            return open_form(model, &config);
        }
        Action::EvaluateHow => return evaluate_how(model),
        Action::Copy => return copied(model),
        _ => return act_on_tab(model, action),
    }
    Vec::new()
}

/// Asks how the run chosen is to be evaluated.
fn evaluate_how(model: &mut Model) -> Vec<Effect> {
    let run = match model.tab {
        Tab::Evaluate => model.evaluate.current().map(|e| e.run.clone()),
        _ => model.runs.current().map(|run| run.id.clone()),
    };
    let Some(run) = run else {
        model.say("there is no run to measure".to_owned(), true);
        return Vec::new();
    };
    let datasets: Vec<String> = model.datasets.known.iter().flatten().map(|d| d.name.clone()).collect();
    // of those that were read: the verb says where photos have no such column
    let read = model.datasets.scanned.values().filter_map(|scanned| scanned.as_ref().ok());
    let columns: BTreeSet<String> = read.flat_map(|s| s.manifest.split_columns.keys().cloned()).collect();
    let choices = Choices::of_evaluation(run, &datasets, &columns, &model.devices());
    model.layers.push(Layer::Choices(Box::new(choices)));
    Vec::new()
}

fn act_on_tab(model: &mut Model, action: Action) -> Vec<Effect> {
    let done = match model.tab {
        Tab::Datasets => model.datasets.act(action),
        Tab::Runs => model.runs.act(action),
        Tab::Evaluate => model.evaluate.act(action).map(|effects| (effects, None)),
        Tab::Identify => model.identify.act(action),
        Tab::System => {
            match action {
                Action::Up => model.system.back += 1,
                Action::PageUp => model.system.back += 10,
                Action::First => model.system.back = usize::MAX,
                Action::Down => model.system.back = model.system.back.saturating_sub(1),
                Action::PageDown => model.system.back = model.system.back.saturating_sub(10),
                Action::Last => model.system.back = 0,
                _ => {}
            }
            Ok((Vec::new(), None))
        }
    };
    if action == Action::Evaluate
        && let Ok((effects, _)) = &done
    {
        model.tab = Tab::Evaluate;
        if let Some(Effect::Evaluate(run, _)) = effects.first() {
            model.evaluate.choose(run);
        }
    }
    match done {
        Ok((effects, layer)) => {
            model.layers.extend(layer);
            effects
        }
        Err(why) => {
            model.say(why, true);
            Vec::new()
        }
    }
}

/// Copies what is chosen: a photo's path where one is, else a folder or an id.
fn copied(model: &mut Model) -> Vec<Effect> {
    let text = match model.place() {
        Place::First | Place::System => Some(model.workspace.display().to_string()),
        Place::Datasets => model.datasets.current().map(|d| d.path.display().to_string()),
        Place::Individuals | Place::Photo | Place::Augmented | Place::Framing => {
            model.datasets.photo_path().map(|p| p.display().to_string())
        }
        Place::Runs | Place::Run => model.runs.current().map(|run| run.id.clone()),
        Place::Evaluations => model.evaluate.current().map(|e| e.folder.display().to_string()),
        Place::Queries | Place::Pair => {
            let opened = model.evaluate.opened.as_ref();
            let row = model.evaluate.ranked().map(|q| q.query);
            opened.zip(row).map(|(opened, row)| opened.path(row).display().to_string())
        }
        Place::Scatter => model.evaluate.opened.as_ref().map(|o| o.path(model.evaluate.point).display().to_string()),
        Place::Galleries => model.identify.current().map(|(line, _)| line.folder.display().to_string()),
        Place::Encounters | Place::Anew => {
            let photo = model.identify.entry().and_then(|entry| entry.photos.get(model.identify.photo));
            photo.map(|path| path.display().to_string())
        }
        Place::Report => model.evaluate.opened.as_ref().map(|o| o.report.context.model.clone()),
    };
    match text {
        Some(text) => {
            model.say(format!("copied {text}"), false);
            vec![Effect::Copy(text)]
        }
        None => Vec::new(),
    }
}
