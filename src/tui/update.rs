//! What a message changes, and what it asks for. No file, no clock, no thread: the same model and message give the same
//! model and effects.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use crate::data::manifest::parse_date;
use crate::data::synth::SynthPlan;
use crate::run::config::{Config, Method};

use super::choices::Choices;
use super::form::{Form, Offer, Outcome};
use super::keys::{Action, Place, Tab};
use super::message::{Amendment, Effect, Kept, Message, Purpose};
use super::model::{Ending, Model};
use super::popup::{Asked, Layer, Page, Palette, Prompt};
use super::theme::{NAMES, Theme};
use super::widgets::list::{Step, moved};

/// Takes `message` in and tells what is to be done.
pub(super) fn update(model: &mut Model, message: Message) -> Vec<Effect> {
    let mut effects = take(model, message);
    let watching = model.watching();
    if watching != model.watched {
        model.runs.keep(&watching.runs);
        model.watched = watching.clone();
        effects.push(Effect::Watch(watching));
    }
    if model.tab == Tab::Datasets
        && let Some(dataset) = model.datasets.next_scan()
    {
        effects.push(Effect::Scan(dataset));
    }
    let shown = super::view::pictures(model);
    if let Some(missing) = model.pictures.want(&shown) {
        effects.push(Effect::Pictures(missing));
    }
    effects
}

fn take(model: &mut Model, message: Message) -> Vec<Effect> {
    match message {
        Message::Key(key) => return key_pressed(model, key),
        Message::Paste(text) => return pasted(model, &text),
        Message::Resize(columns, rows) => model.size = (columns, rows),
        Message::Redraw => return vec![Effect::Redraw],
        Message::Tick(now) => model.now = now,
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
        Message::Datasets(known) => model.datasets.take(known),
        Message::Scanned(name, scanned) => {
            if let (Some(Layer::Form(form)), Ok(scanned)) = (model.layers.last_mut(), &scanned) {
                form.learn(&name, scanned.overview.split.train);
            }
            model.datasets.read(name, scanned);
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
        Message::Configs(purpose, read) => match read {
            Ok(configs) => return configs_read(model, purpose, configs),
            Err(why) => model.say(why, true),
        },
        Message::Completed(text) => {
            if let Some(Layer::Prompt(prompt)) = model.layers.last_mut()
                && text.starts_with(&prompt.text)
            {
                prompt.text = text;
            }
        }
        Message::Picture(key, picture) => model.pictures.put(key, picture),
        Message::Corrected(name, words) => {
            model.say(words, false);
            return model.datasets.read_again(Some(&name));
        }
        Message::Corrections => return model.datasets.read_again(None),
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
            model.say(format!("{id} has started; it goes on without this screen"), false);
            (model.tab, model.runs.chosen) = (Tab::Runs, Some(id));
            model.runs.filter.clear();
        }
        Message::Progress(progress) => model.progress = progress,
        Message::Said(text) => model.say(text, false),
        Message::Failed(text) => model.say(text, true),
        Message::Suspend => return vec![Effect::Suspend],
        Message::Hangup => model.ending = Some(Ending::Gone),
        Message::Panicked(what) => model.ending = Some(Ending::Broken(what)),
    }
    Vec::new()
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
    let offer = |d: &crate::run::Dataset| Offer {
        name: d.name.clone(),
        train: scanned.get(&d.name).and_then(|s| s.as_ref().ok()).map(|s| s.overview.split.train),
    };
    let offers = model.datasets.known.iter().flatten().map(offer).collect();
    let form = Form::new(config, offers, model.devices());
    model.layers.push(Layer::Form(Box::new(form)));
    let dataset = model.datasets.known.iter().flatten().find(|d| d.name == config.data.dir).cloned();
    let unread = dataset.filter(|d| !model.datasets.scanned.contains_key(&d.name));
    [Effect::Costs, Effect::Weights].into_iter().chain(unread.map(Effect::Scan)).collect()
}

fn pasted(model: &mut Model, text: &str) -> Vec<Effect> {
    let line: String = text.chars().filter(|c| !c.is_control()).collect();
    match model.layers.last_mut() {
        Some(Layer::Prompt(prompt)) => prompt.text.push_str(&line),
        Some(Layer::Form(form)) => form.type_text(&line),
        Some(Layer::Palette(palette)) => palette.text.push_str(&line),
        Some(Layer::Filter) => filter_text(model).push_str(&line),
        _ => {}
    }
    Vec::new()
}

/// The text that the rows of the tab shown must hold.
fn filter_text(model: &mut Model) -> &mut String {
    match model.tab {
        Tab::Datasets => &mut model.datasets.filter,
        Tab::Evaluate => &mut model.evaluate.filter,
        Tab::Runs | Tab::System => &mut model.runs.filter,
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
        return vec![Effect::Redraw];
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
    layer_key(model, key)
}

fn leave(model: &mut Model) -> Vec<Effect> {
    model.ending = Some(Ending::Left);
    vec![kept(model)]
}

fn layer_key(model: &mut Model, key: KeyEvent) -> Vec<Effect> {
    let Some(layer) = model.layers.last_mut() else { return Vec::new() };
    let plain = !key.modifiers.intersects(KeyModifiers::CONTROL | KeyModifiers::ALT);
    match (layer, key.code) {
        (Layer::Form(form), _) => match form.key(key) {
            Outcome::Stay => {}
            Outcome::Leave => drop(model.layers.pop()),
            Outcome::Start(config) => {
                model.layers.pop();
                model.say("starting …".to_owned(), false);
                return vec![Effect::Start(config)];
            }
        },
        (Layer::Choices(choices), code) => match code {
            KeyCode::Esc | KeyCode::Char('q') => drop(model.layers.pop()),
            KeyCode::Up | KeyCode::Char('k') => choices.at = moved(choices.at, choices.points.len(), Step::By(-1)),
            KeyCode::Down | KeyCode::Tab | KeyCode::Char('j') => {
                choices.at = moved(choices.at, choices.points.len(), Step::By(1));
            }
            KeyCode::Left | KeyCode::Char('h') => choices.turn(false),
            KeyCode::Right | KeyCode::Char(' ' | 'l') => choices.turn(true),
            KeyCode::Enter => {
                let effect = choices.effect();
                model.evaluate.choose(&choices.run.clone());
                model.layers.pop();
                model.tab = Tab::Evaluate;
                return vec![effect];
            }
            _ => {}
        },
        (Layer::Filter, KeyCode::Esc) => {
            filter_text(model).clear();
            model.layers.pop();
        }
        (Layer::Filter, KeyCode::Enter) => drop(model.layers.pop()),
        (Layer::Filter, KeyCode::Up) => return act(model, Action::Up),
        (Layer::Filter, KeyCode::Down) => return act(model, Action::Down),
        (Layer::Filter, KeyCode::Backspace) => drop(filter_text(model).pop()),
        (Layer::Filter, KeyCode::Char(c)) if plain => {
            filter_text(model).push(c);
            filtered(model);
        }
        (_, KeyCode::Esc) => drop(model.layers.pop()),
        (Layer::Confirm(_), KeyCode::Char('y') | KeyCode::Enter) => {
            if let Some(Layer::Confirm(confirm)) = model.layers.pop() {
                return vec![confirm.effect];
            }
        }
        (Layer::Confirm(_), _) => drop(model.layers.pop()),
        (Layer::Prompt(prompt), KeyCode::Enter) => {
            let (asked, text) = (prompt.asked.clone(), prompt.text.trim().to_owned());
            match answered(asked, text) {
                Ok(effects) => {
                    model.layers.pop();
                    return effects;
                }
                // what cannot be read stays to be mended
                Err(why) => model.say(why, true),
            }
        }
        (Layer::Prompt(prompt), KeyCode::Tab) if matches!(prompt.asked, Asked::Path | Asked::Weights) => {
            return vec![Effect::Complete(prompt.text.clone())];
        }
        (Layer::Prompt(prompt), KeyCode::Backspace) => drop(prompt.text.pop()),
        (Layer::Prompt(prompt), KeyCode::Char('u')) if !plain => prompt.text.clear(),
        (Layer::Prompt(prompt), KeyCode::Char(c)) if plain => prompt.text.push(c),
        (Layer::Palette(palette), KeyCode::Enter) => {
            let found = palette.found().get(palette.at).map(|row| row.action);
            model.layers.pop();
            if let Some(action) = found {
                return act(model, action);
            }
        }
        (Layer::Palette(palette), KeyCode::Up) => palette.at = palette.at.saturating_sub(1),
        (Layer::Palette(palette), KeyCode::Down) => {
            palette.at = moved(palette.at, palette.found().len(), Step::By(1));
        }
        (Layer::Palette(palette), KeyCode::Backspace) => {
            palette.text.pop();
            palette.at = 0;
        }
        (Layer::Palette(palette), KeyCode::Char(c)) if plain => {
            palette.text.push(c);
            palette.at = 0;
        }
        (Layer::Page(page), code) => {
            let last = page.lines.len().saturating_sub(1);
            match code {
                KeyCode::Up | KeyCode::Char('k') => page.from = page.from.saturating_sub(1),
                KeyCode::Down | KeyCode::Char('j') => page.from = (page.from + 1).min(last),
                KeyCode::PageUp => page.from = page.from.saturating_sub(10),
                KeyCode::PageDown => page.from = (page.from + 10).min(last),
                KeyCode::Char('q') | KeyCode::Enter => drop(model.layers.pop()),
                _ => {}
            }
        }
        (Layer::Help(..), KeyCode::Char('q' | '?') | KeyCode::Enter) => drop(model.layers.pop()),
        (Layer::Help(_, from), KeyCode::Up | KeyCode::Char('k')) => *from = from.saturating_sub(1),
        // past the last line the view stands still
        (Layer::Help(_, from), KeyCode::Down | KeyCode::Char('j')) => *from = (*from + 1).min(60),
        (Layer::Help(_, from), KeyCode::PageDown) => *from = (*from + 10).min(60),
        (Layer::Help(_, from), KeyCode::PageUp) => *from = from.saturating_sub(10),
        _ => {}
    }
    Vec::new()
}

/// What a typed line asks for; `Err` says why it cannot be read.
fn answered(asked: Asked, text: String) -> Result<Vec<Effect>, String> {
    let some = (!text.is_empty()).then_some(text.as_str());
    Ok(vec![match asked {
        Asked::Path | Asked::Weights if text.is_empty() => return Ok(Vec::new()),
        Asked::Weights => Effect::ImportWeights(text.into()),
        Asked::Path => Effect::AddDataset(text.into()),
        Asked::Name(id) => Effect::Rename(id, text),
        Asked::Note(id) => Effect::Note(id, text),
        Asked::Individual(dataset, photo) => {
            Effect::Correct(dataset, photo, Amendment::Individual(some.map(str::to_owned)))
        }
        Asked::Date(dataset, photo) => {
            let day = |text| parse_date(text).ok_or_else(|| format!("{text} is no day: write it as 2019-08-02"));
            Effect::Correct(dataset, photo, Amendment::Date(some.map(day).transpose()?))
        }
        Asked::Turtles => Effect::Draw(plan_of(&text).ok_or_else(|| format!("{text}: write it as 24 x 12 x 3"))?),
    }])
}

/// The turtles that `24 x 12 x 3` asks for; what is out of range is for the drawing to say.
fn plan_of(text: &str) -> Option<SynthPlan> {
    let counts: Vec<usize> =
        text.split(['x', '×', ' ', ',']).filter(|w| !w.is_empty()).map_while(|w| w.parse().ok()).collect();
    match counts[..] {
        [individuals, encounters, photos] => {
            Some(SynthPlan { individuals, encounters, photos, ..SynthPlan::default() })
        }
        _ => None,
    }
}

/// After a filter has changed, what is chosen is among what is shown.
fn filtered(model: &mut Model) {
    match model.tab {
        Tab::Datasets => (model.datasets.individual, model.datasets.photo) = (0, 0),
        Tab::Evaluate => (model.evaluate.query, model.evaluate.hit) = (0, 0),
        Tab::Runs | Tab::System => {
            let first = model.runs.shown().first().map(|run| run.id.clone());
            let chosen = model.runs.chosen.clone();
            if !model.runs.shown().iter().any(|run| Some(&run.id) == chosen.as_ref()) {
                model.runs.chosen = first;
            }
        }
    }
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
    })
}

/// Does what an action asks for.
pub(super) fn act(model: &mut Model, action: Action) -> Vec<Effect> {
    let place = model.place();
    match action {
        Action::Quit => return leave(model),
        Action::Redraw => return vec![Effect::Redraw],
        Action::Suspend => return vec![Effect::Suspend],
        Action::Help => model.layers.push(Layer::Help(place, 0)),
        Action::Palette => model.layers.push(Layer::Palette(Palette { place, text: String::new(), at: 0 })),
        Action::Filter => {
            filter_text(model).clear();
            model.layers.push(Layer::Filter);
        }
        Action::ToTab(tab) => {
            model.tab = tab;
            let listed = (tab == Tab::System).then_some(Effect::Weights);
            return std::iter::once(kept(model)).chain(listed).collect();
        }
        Action::Theme => {
            let at = NAMES.iter().position(|name| *name == model.theme.name).unwrap_or(0);
            let next = NAMES[(at + 1) % NAMES.len()];
            // a plain theme has lost the terminal's depth
            let depth = if model.theme.depth == super::theme::Depth::None { model.depth } else { model.theme.depth };
            model.theme = Theme::named(next, depth);
            model.say(format!("theme {}", model.theme.name), false);
            return vec![kept(model)];
        }
        Action::AddDataset => {
            model.layers.push(Layer::Prompt(Prompt { asked: Asked::Path, text: String::new() }));
        }
        Action::ImportWeights => {
            model.layers.push(Layer::Prompt(Prompt { asked: Asked::Weights, text: String::new() }));
        }
        Action::Synthetic | Action::Tour if model.progress.is_some() => {
            model.say("turtles are being drawn already".to_owned(), true);
        }
        Action::Synthetic => {
            let plan = SynthPlan::default();
            let text = format!("{} x {} x {}", plan.individuals, plan.encounters, plan.photos);
            model.layers.push(Layer::Prompt(Prompt { asked: Asked::Turtles, text }));
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
    let choices = Choices::of_evaluation(run, &datasets, &model.devices());
    model.layers.push(Layer::Choices(Box::new(choices)));
    Vec::new()
}

fn act_on_tab(model: &mut Model, action: Action) -> Vec<Effect> {
    let done = match model.tab {
        Tab::Datasets => model.datasets.act(action),
        Tab::Runs => model.runs.act(action),
        Tab::Evaluate => model.evaluate.act(action).map(|effects| (effects, None)),
        Tab::System => {
            match action {
                Action::Up => model.system.back = (model.system.back + 1).min(model.log.len()),
                Action::Down => model.system.back = model.system.back.saturating_sub(1),
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
