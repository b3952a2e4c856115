//! Keys of what lies over a tab, and what typed lines ask for.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::data::corrections;
use crate::data::synth::SynthPlan;
use crate::tui::form::Outcome;
use crate::tui::keys::{Action, Tab};
use crate::tui::message::{Amendment, Effect};
use crate::tui::model::Model;
use crate::tui::popup::{Asked, Layer};
use crate::tui::widgets::list::{Step, moved};

use super::{act, change_filter};

/// Gives a key to the topmost of what lies over the tab.
pub(super) fn layer_key(model: &mut Model, key: KeyEvent) -> Vec<Effect> {
    let Some(layer) = model.layers.last_mut() else { return Vec::new() };
    let plain = !key.modifiers.intersects(KeyModifiers::CONTROL | KeyModifiers::ALT);
    match (layer, key.code) {
        (Layer::Form(form), _) => match form.key(key) {
            Outcome::Stay => {}
            Outcome::Leave => drop(model.layers.pop()),
            // the form stays until the run has started: what is refused is mended there
            Outcome::Start(config) => return vec![Effect::Start(config)],
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
            change_filter(model, String::clear);
            model.layers.pop();
        }
        (Layer::Filter, KeyCode::Enter) => drop(model.layers.pop()),
        (Layer::Filter, KeyCode::Up) => return act(model, Action::Up),
        (Layer::Filter, KeyCode::Down) => return act(model, Action::Down),
        (Layer::Filter, KeyCode::Backspace) => change_filter(model, |text| {
            text.pop();
        }),
        (Layer::Filter, KeyCode::Char(c)) if plain => change_filter(model, |text| text.push(c)),
        (_, KeyCode::Esc) => drop(model.layers.pop()),
        (Layer::Confirm(_), KeyCode::Char('y')) => {
            if let Some(Layer::Confirm(confirm)) = model.layers.pop() {
                model.identify.writing |= matches!(confirm.effect, Effect::RuleAll(..));
                return vec![confirm.effect];
            }
        }
        (Layer::Confirm(_), _) => drop(model.layers.pop()),
        (Layer::Prompt(prompt), KeyCode::Enter) => {
            if prompt.under_way().is_some() {
                return Vec::new(); // once is enough
            }
            let (asked, text) = (prompt.asked.clone(), prompt.text().to_owned());
            let sent = asked.is_path().then(|| text.clone());
            let answer = match asked {
                Asked::NewPhotos(gallery) => Ok(model.identify.begin(gallery, text)),
                Asked::Decisions(_) if text.is_empty() => Err("the table needs a name, as decisions.csv".to_owned()),
                Asked::Decisions(gallery) => Ok(vec![Effect::WriteDecisions(gallery, text.into())]),
                Asked::Known(matter) => model.identify.name(&matter, &text),
                Asked::NewName(matter, encounters) => model.identify.make(&matter, &encounters, &text),
                asked => answered(asked, text, model.now),
            };
            match answer {
                Ok(effects) => {
                    match (sent.filter(|_| !effects.is_empty()), model.layers.last_mut()) {
                        // a path at which nothing lies stays to be mended
                        (Some(sent), Some(Layer::Prompt(prompt))) => {
                            prompt.error = None;
                            prompt.sent.push(sent);
                        }
                        _ => drop(model.layers.pop()),
                    }
                    return effects;
                }
                // what cannot be read, too
                Err(why) => {
                    if let Some(Layer::Prompt(prompt)) = model.layers.last_mut() {
                        prompt.error = Some(why);
                    }
                }
            }
        }
        (Layer::Prompt(prompt), KeyCode::Tab) if prompt.asked.is_path() => {
            return vec![Effect::Complete(prompt.line.text().to_owned())];
        }
        (Layer::Prompt(prompt), code) => {
            prompt.error = None;
            prompt.line.key(code, plain);
        }
        (Layer::Palette(palette), KeyCode::Enter) => {
            let (found, place) = (palette.found().get(palette.at).copied(), palette.place);
            model.layers.pop();
            match found {
                Some(row) if row.works_at(place) => return act(model, row.action),
                Some(row) => model.say(format!("{}: not here, only {}", row.name, row.where_it_works()), true),
                None => {}
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
            if matches!(code, KeyCode::Char('q') | KeyCode::Enter) {
                model.layers.pop();
            } else {
                scroll(&mut page.from, code);
            }
        }
        (Layer::Help(..), KeyCode::Char('q' | '?') | KeyCode::Enter) => drop(model.layers.pop()),
        (Layer::Help(_, from), code) => scroll(from, code),
        _ => {}
    }
    Vec::new()
}

/// Moves the first line shown; `update` takes back what is too far.
fn scroll(from: &mut usize, code: KeyCode) {
    *from = match code {
        KeyCode::Up | KeyCode::Char('k') => from.saturating_sub(1),
        KeyCode::Down | KeyCode::Char('j') => from.saturating_add(1),
        KeyCode::PageUp => from.saturating_sub(10),
        KeyCode::PageDown => from.saturating_add(10),
        KeyCode::Home => 0,
        KeyCode::End => usize::MAX,
        _ => *from,
    };
}

/// What a typed line asks for; `Err` says why it cannot be read.
fn answered(asked: Asked, text: String, now: f64) -> Result<Vec<Effect>, String> {
    let some = (!text.is_empty()).then_some(text.as_str());
    Ok(vec![match asked {
        Asked::Path | Asked::Weights | Asked::Gallery if text.is_empty() => return Ok(Vec::new()),
        Asked::Gallery => Effect::AddGallery(text.into()),
        // the tab has answered these
        Asked::NewPhotos(_) | Asked::Known(_) | Asked::NewName(..) | Asked::Decisions(_) => return Ok(Vec::new()),
        Asked::Weights => Effect::ImportWeights(text.into()),
        Asked::Path => Effect::AddDataset(text.into()),
        Asked::Name(id) => Effect::Rename(id, text),
        Asked::Note(id) => Effect::Note(id, text),
        Asked::Individual(dataset, photo) => {
            Effect::Correct(dataset, photo, Amendment::Individual(some.map(str::to_owned)))
        }
        Asked::Date(dataset, photo) => {
            let today = TimeZone::UTC.to_datetime(Timestamp::from_second(now as i64).unwrap_or_default()).date();
            let day = |text| corrections::day(text, today).map_err(|e| e.to_string());
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
