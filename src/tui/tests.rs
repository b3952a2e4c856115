//! The screen driven as a person drives it: keys into the real loop, on a backend that keeps its cells.

mod datasets;
mod identify;
mod lists;
mod photos;
mod screens;
mod weights;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Duration;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use image::{Rgb, RgbImage};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::{Buffer, Cell, CellDiffOption};
use ratatui::style::{Color, Modifier};

use crate::data::corrections::Corrections;
use crate::data::overview::Overview;
use crate::data::split::{self, SplitChoice};
use crate::eval::embeddings::{EmbeddingSet, PhotoRow, Role};
use crate::eval::projection::Projection;
use crate::eval::projection::pca::Pca;
use crate::eval::report::{self, Context, Excluded, Report};
use crate::nn::ops::device::CardUse;
use crate::run::config::{Config, Method};
use crate::run::metrics::{Epoch, Record, Step};
use crate::run::{Dataset, RunSummary, Status};

use super::evaluate::{Evaluation, Opened};
use super::graphics::overlay::{Canvas, Change, Placed};
use super::graphics::{Graphics, Picture, Protocol};
use super::keys::{Keymap, Place, Tab};
use super::message::{Amendment, Effect, Look, Message, News, Purpose, Scanned};
use super::model::{Ending, Model};
use super::system::Sample;
use super::theme::{Depth, Theme};
use super::update::update;

const SIZES: [(u16, u16); 3] = [(80, 24), (160, 50), (300, 80)];

fn key(code: KeyCode) -> Message {
    Message::Key(KeyEvent::new(code, KeyModifiers::NONE))
}

/// Keys as a person presses them: a letter each.
fn keys(text: &str) -> Vec<Message> {
    text.chars().map(|c| key(KeyCode::Char(c))).collect()
}

pub(super) fn model(size: (u16, u16)) -> Model {
    Model::new("/data/caretta".into(), Theme::named("dark", Depth::True), Keymap::default(), size, 1000.0)
}

fn run(id: &str, status: Status, rank1: Option<f64>) -> RunSummary {
    RunSummary {
        id: id.into(),
        name: id.into(),
        note: if id == "beta" { "first with haze".into() } else { String::new() },
        method: Some(Method::Arcface),
        backbone: Some("resnet18".into()),
        dataset: Some("turtles".into()),
        status,
        reason: format!("{id} is {status}"),
        place: None,
        epoch: 3,
        epochs: Some(20),
        step: 60,
        total: 400,
        loss: Some(1.25),
        best_rank1: rank1,
        best_epoch: rank1.map(|_| 2),
        eta_seconds: (status == Status::Running).then_some(250.0),
        age_seconds: Some(3700.0),
        dir: format!("/data/caretta/runs/{id}").into(),
    }
}

fn runs() -> Message {
    let all = vec![
        run("alpha", Status::Finished, Some(0.304)),
        run("beta", Status::Running, Some(0.333)),
        run("gamma", Status::Crashed, None),
        run("delta", Status::Failed, Some(0.1)),
    ];
    Message::Runs(all, 1000.0)
}

fn datasets() -> Message {
    Message::Datasets(vec![turtles()])
}

fn turtles() -> Dataset {
    Dataset { name: "turtles".into(), path: "/data/turtles".into(), drawn: false }
}

fn scanned() -> Message {
    scanned_of(&[("t1", "2012-05-01"), ("t1", "2013-05-01"), ("t2", "2012-05-01"), ("t2", "2014-05-02"), ("t3", "")])
}

fn scanned_of(rows: &[(&str, &str)]) -> Message {
    let manifest = crate::data::manifest::testing::manifest(rows);
    let overview = Overview::of(&manifest, &SplitChoice::Auto).unwrap();
    let split = split::assign(&manifest, &SplitChoice::Auto).unwrap();
    Message::Scanned(turtles(), Ok(Arc::new(Scanned { manifest, overview, split, found: Corrections::NONE })))
}

fn news(id: &str) -> Message {
    let mut records: Vec<Record> = Vec::new();
    for n in 1..=60 {
        records.push(Record::Step(Step {
            step: n,
            epoch: n.div_ceil(20) as u32,
            loss: 5.0 / n as f32,
            active: None,
            angle: Some(60.0),
            lr: 3e-4,
            grad_norm: 1.5,
            photos_per_s: 41.0,
            wait: 0.01,
            time: n as f64,
        }));
        if n % 20 == 0 {
            let mut epoch = Epoch::new(n as u32 / 20, n);
            (epoch.rank1, epoch.map, epoch.part) = (Some(0.1 * n as f64 / 20.0), Some(0.2), Some("valid".into()));
            records.push(Record::Epoch(epoch));
        }
    }
    let checkpoints = Some(vec![("best".into(), 13_000_000, 900.0)]);
    let log = vec!["said at the end".to_owned()];
    Message::News(Box::new(News { id: id.into(), begins: true, records, log, checkpoints, whole: true }))
}

fn evaluation() -> Evaluation {
    Evaluation {
        run: "alpha".into(),
        run_name: "alpha".into(),
        name: Some("test".into()),
        folder: "/data/caretta/runs/alpha/eval/test".into(),
        photos: "/data/turtles".into(),
        status: Status::Finished,
        done: (5, 5),
        reason: "5 photos".into(),
        rank1: Some(0.5),
        map: Some(0.4),
        careless: Some(0.9),
    }
}

/// Two queries: the first is mistaken for the other turtle, the second is found.
fn opened() -> Message {
    let row = |photo: &str, who: &str, day: &str, role| PhotoRow {
        side: None,
        photo: photo.into(),
        individual: who.into(),
        encounter: format!("{who} {day}"),
        role,
    };
    let rows = vec![
        row("q1.jpg", "t1", "2012-05-01", Role::Query),
        row("q2.jpg", "t2", "2012-05-02", Role::Query),
        row("g1.jpg", "t1", "2013-05-01", Role::Gallery),
        row("g2.jpg", "t2", "2013-05-02", Role::Gallery),
    ];
    let unit = |a: f32| [a.cos(), a.sin()];
    let vectors = [0.0, 0.9, 1.5, 0.8].into_iter().flat_map(unit).collect();
    let set = EmbeddingSet::new(2, vectors, rows).unwrap();
    let evaluation_of = report::evaluate(&set, Excluded::Encounter).unwrap();
    let context = Context {
        dataset: "turtles".into(),
        split: "split: gallery train, query test".into(),
        model: "alpha best".into(),
        identity: String::new(),
        preprocessing: serde_json::Value::Null,
        chosen_by: None,
        queries_trained_on: None,
        corrected: 0,
        corrected_since: None,
        flip: false,
        query_unit: Default::default(),
    };
    let report = Report::new(context, &evaluation_of);
    let projected = Pca.project(&set.vectors, set.dim).unwrap();
    let individuals = vec![("t1".into(), 1, 0.0), ("t2".into(), 1, 1.0)];
    let root = "/data/turtles".into();
    let (names, numbers) = super::evaluate::numbers(&set.rows);
    let (folder, retrieval) = (evaluation().folder, evaluation_of.retrieval);
    let opened = Opened { report, retrieval, set, folder, projected, individuals, numbers, names, root };
    Message::Opened(evaluation().folder, Ok(Arc::new(opened)))
}

/// Everything that a full workspace tells.
fn full() -> Vec<Message> {
    vec![datasets(), runs(), news("beta"), scanned()]
}

/// Notes what pictures would lie on the terminal.
#[derive(Debug, Default)]
struct Sheet {
    there: Vec<Placed>,
}

impl Canvas for Sheet {
    type Error = std::convert::Infallible;

    fn use_graphics(&mut self, _: Graphics) {}

    fn begin(&mut self) -> Result<(), Self::Error> {
        Ok(())
    }

    fn change(&mut self, change: &Change) -> Result<(), Self::Error> {
        self.there.retain(|placed| !change.gone.contains(placed));
        self.there.extend(change.new.iter().cloned());
        Ok(())
    }

    fn clear(&mut self) -> Result<(), Self::Error> {
        self.there.clear();
        Ok(())
    }
}

/// Messages through the real loop; photos that are asked for come as plain red.
pub(super) fn drive(model: &mut Model, messages: Vec<Message>) -> (Buffer, Vec<Effect>, Ending, usize) {
    let mut terminal = Terminal::new(TestBackend::new(model.size.0, model.size.1)).unwrap();
    let mut asked = Vec::new();
    let (mut ending, mut frames) = (Ending::Gone, 0);
    let mut left: VecDeque<Message> = messages.into();
    while let Some(message) = left.pop_front() {
        let (sender, inbox) = channel();
        sender.send(message).unwrap();
        drop(sender);
        let perform = |effect| {
            asked.push(effect);
            Ok::<_, std::convert::Infallible>(false)
        };
        ending = super::app::run(&mut terminal, model, &inbox, Duration::ZERO, &mut Sheet::default(), perform).unwrap();
        frames = terminal.get_frame().count();
        if model.ending.is_some() {
            break;
        }
        asked.retain(|effect| {
            let Effect::Pictures(wanted) = effect else { return true };
            let red = Arc::new(Picture::new(RgbImage::from_pixel(8, 6, Rgb([200, 0, 0])), None));
            wanted.iter().rev().for_each(|key| left.push_front(Message::Picture(key.clone(), Ok(red.clone()))));
            false
        });
    }
    (terminal.backend().buffer().clone(), asked, ending, frames)
}

pub(super) fn text(buffer: &Buffer) -> String {
    let line = |y| (0..buffer.area.width).map(|x| buffer[(x, y)].symbol()).collect::<String>();
    (0..buffer.area.height).map(|y| line(y).trim_end().to_owned() + "\n").collect()
}

/// The cell where `wanted` begins.
fn cell<'a>(buffer: &'a Buffer, wanted: &str) -> &'a Cell {
    for y in 0..buffer.area.height {
        let line: Vec<&str> = (0..buffer.area.width).map(|x| buffer[(x, y)].symbol()).collect();
        for x in 0..line.len() {
            if line[x..].concat().starts_with(wanted) {
                return &buffer[(x as u16, y)];
            }
        }
    }
    panic!("{wanted:?} is not on the screen:\n{}", text(buffer));
}

#[test]
fn a_small_terminal_gets_a_sentence_and_q_still_quits() {
    let mut model = model((40, 12));
    let (buffer, ..) = drive(&mut model, full());
    assert_eq!(
        text(&buffer).split_whitespace().collect::<Vec<_>>().join(" "),
        "caretta needs 60 columns and 16 rows; this terminal has 40 x 12. Make it larger, or q quits."
    );
    let (_, asked, ..) = drive(&mut model, keys("n"));
    assert!(model.layers.is_empty() && asked.is_empty(), "no key works that cannot be seen to work");
    let (.., ending, _) = drive(&mut model, keys("q"));
    assert_eq!(ending, Ending::Left);
    for size in [(1, 1), (2, 40), (59, 16), (60, 15)] {
        drive(&mut self::model(size), full());
    }
}

#[test]
fn an_empty_workspace_says_how_to_begin() {
    for size in SIZES {
        let mut model = model(size);
        let (buffer, ..) = drive(&mut model, vec![Message::Datasets(Vec::new()), Message::Runs(Vec::new(), 1.0)]);
        let shown = text(&buffer);
        for words in ["No photos yet.", "a   add a folder", "s   draw a dataset", "d   the whole tour", "q quit"] {
            assert!(shown.contains(words), "{words}\n{shown}");
        }
        let (_, asked, ..) = drive(&mut model, keys("d"));
        assert_eq!(asked, [Effect::Tour]);
        let (_, asked, ..) = drive(&mut model, vec![keys("s"), vec![key(KeyCode::Enter)]].concat_all());
        assert!(matches!(&asked[..], [Effect::Draw(plan)] if plan.individuals == 24), "{asked:?}");
    }
}

trait ConcatAll {
    fn concat_all(self) -> Vec<Message>;
}

impl ConcatAll for Vec<Vec<Message>> {
    fn concat_all(self) -> Vec<Message> {
        self.into_iter().flatten().collect()
    }
}

#[test]
fn the_runs_are_a_table_with_the_figures_beside_it() {
    for size in SIZES {
        let mut model = model(size);
        let (buffer, ..) = drive(&mut model, full());
        let shown = text(&buffer);
        for words in ["Runs 4 · by best rank-1", "beta", "3/20", "0.333", "● 1 running", "4 m", "? keys"] {
            assert!(shown.contains(words), "{words} at {size:?}\n{shown}");
        }
        assert_eq!(cell(&buffer, "†").fg, Color::Red);
        assert_eq!(cell(&buffer, "✗").fg, Color::Red);
        assert_eq!(cell(&buffer, "✓").fg, Color::Green);
        assert!(cell(&buffer, "0.333").modifier.contains(Modifier::BOLD), "the best of a column");
        assert!(!cell(&buffer, "0.304").modifier.contains(Modifier::BOLD));
        assert!(
            cell(&buffer, "beta      arcface").modifier.contains(Modifier::REVERSED),
            "the live run is first and chosen"
        );
        if size.0 >= 110 {
            for words in [
                "rank-1 (valid)",
                "loss (log)",
                "best 0.333 @ 2",
                "epoch 3",
                "said at the end",
                "41 photos/s",
                "first with",
            ] {
                assert!(shown.contains(words), "{words} at {size:?}\n{shown}");
            }
        }
    }
    // side by side does not fit: Tab changes the pane
    let mut model = model((80, 24));
    let (buffer, ..) = drive(&mut model, vec![full(), vec![key(KeyCode::Tab)]].concat_all());
    assert!(text(&buffer).contains("rank-1 (valid)") && !text(&buffer).contains("Runs 4"));
}

#[test]
fn without_colour_the_screen_says_the_same() {
    let coloured = {
        let mut model = model((160, 50));
        drive(&mut model, full()).0
    };
    let mut model = model((160, 50));
    model.theme = Theme::named("dark", Depth::None);
    let plain = drive(&mut model, full()).0;
    assert_eq!(text(&coloured), text(&plain));
    let allowed = |cell: &Cell| cell.fg == Color::Reset && cell.bg == Color::Reset;
    assert!(plain.content.iter().all(allowed), "a colour under NO_COLOR");
}

#[test]
fn runs_are_filtered_sorted_marked_and_told() {
    let mut model = model((160, 50));
    drive(&mut model, full());
    let press = |model: &mut Model, text: &str| drive(model, keys(text)).1;
    let names = |model: &Model| model.runs.shown().iter().map(|r| r.id.clone()).collect::<Vec<_>>();
    assert_eq!(names(&model), ["beta", "alpha", "delta", "gamma"]);
    assert_eq!(press(&mut model, "x"), [Effect::Stop("beta".into())]);
    assert_eq!(press(&mut model, "r"), []);
    assert_eq!(model.notice.as_ref().unwrap().0, "beta is running: there is nothing to resume");
    press(&mut model, "jjj");
    assert!(press(&mut model, "r").contains(&Effect::Resume("gamma".into())));
    press(&mut model, "/alp");
    assert_eq!((names(&model), model.runs.current().unwrap().id.as_str()), (vec!["alpha".into()], "alpha"));
    drive(&mut model, vec![key(KeyCode::Esc)]);
    assert_eq!(names(&model).len(), 4);
    press(&mut model, "SS");
    assert_eq!(names(&model), ["alpha", "beta", "delta", "gamma"]);

    drive(&mut model, vec![key(KeyCode::Home)]);
    let asked = press(&mut model, "  o");
    assert_eq!(model.runs.marked, ["alpha", "beta"]);
    let watched = |effect: &Effect| matches!(effect, Effect::Watch(w) if w.runs == ["alpha", "beta", "delta"]);
    assert!(asked.iter().any(watched), "{asked:?}");
    let (buffer, ..) = drive(&mut model, vec![news("alpha"), news("beta"), news("delta")]);
    assert!(text(&buffer).contains("a alpha") && text(&buffer).contains("c delta"), "{}", text(&buffer));
    assert_ne!(cell(&buffer, "a alpha").fg, cell(&buffer, "c delta").fg);
    assert_eq!(press(&mut model, "D"), [Effect::Configs(Purpose::Difference, vec!["beta".into(), "delta".into()])]);
    let mut other = Config::preset(Method::Arcface);
    other.loss.margin = 0.25;
    let both = vec![("beta".to_owned(), Config::preset(Method::Arcface)), ("delta".to_owned(), other)];
    let (buffer, ..) = drive(&mut model, vec![Message::Configs(Purpose::Difference, Ok(both))]);
    assert!(text(&buffer).contains("loss.margin   0.5  →  0.25"), "{}", text(&buffer));
}

#[test]
fn a_run_is_started_from_the_form_and_shown() {
    let mut model = model((160, 50));
    drive(&mut model, full());
    let (buffer, ..) = drive(&mut model, keys("n"));
    assert!(text(&buffer).contains("▸ method") && text(&buffer).contains("data.dir"), "{}", text(&buffer));
    let typed = vec![(0..4).map(|_| key(KeyCode::Down)).collect(), keys("31")];
    let (buffer, ..) = drive(&mut model, typed.concat_all());
    assert!(
        text(&buffer).contains("data.image_size = 31: must be a whole number from 32 to 1024"),
        "{}",
        text(&buffer)
    );
    assert_eq!(cell(&buffer, "31▏").fg, Color::Red);
    let start = Message::Key(KeyEvent::new(KeyCode::Char('s'), KeyModifiers::CONTROL));
    let (_, asked, ..) = drive(&mut model, vec![start]);
    assert!(asked.is_empty(), "what is wrong does not start");
    let start = Message::Key(KeyEvent::new(KeyCode::Char('s'), KeyModifiers::CONTROL));
    let (_, asked, ..) = drive(&mut model, vec![vec![key(KeyCode::Backspace)], keys("2"), vec![start]].concat_all());
    let first = asked;
    let [Effect::Start(config)] = &first[..] else { panic!("{first:?}") };
    assert_eq!((config.data.image_size, config.data.dir.as_str()), (32, "turtles"));
    // the form is there until it has started: what is refused is mended
    let (buffer, ..) = drive(&mut model, vec![Message::Refused("no photos to train on".into())]);
    assert!(text(&buffer).contains("▸ data.image_size") && text(&buffer).contains("no photos to train on"));
    let start = Message::Key(KeyEvent::new(KeyCode::Char('s'), KeyModifiers::CONTROL));
    let (_, asked, ..) = drive(&mut model, vec![vec![start], keys("7")].concat_all());
    assert!(matches!(&asked[..], [Effect::Start(again)] if again == config), "{asked:?}");
    drive(&mut model, vec![Message::Started("epsilon".into())]);
    assert!(model.layers.is_empty());
    assert_eq!((model.tab, model.runs.chosen.as_deref()), (Tab::Runs, Some("epsilon")));
}

#[test]
fn a_data_set_shows_its_numbers_individuals_and_photos() {
    for size in SIZES {
        let mut model = model(size);
        let (buffer, ..) = drive(&mut model, vec![full(), keys("1")].concat_all());
        let shown = text(&buffer);
        for words in ["turtles", "3 individuals · 5 photos · 5 encounters · 2012 to 2014", "leak", "train "] {
            assert!(shown.contains(words), "{words} at {size:?}\n{shown}");
        }
        let (buffer, ..) = drive(&mut model, vec![key(KeyCode::Enter)]);
        let shown = text(&buffer);
        for words in ["t1 ▸ 2 photos", "2012-05-01", "t3"] {
            assert!(shown.contains(words), "{words} at {size:?}\n{shown}");
        }
        assert_eq!(cell(&buffer, "▀").fg, Color::Rgb(200, 0, 0), "a photo at {size:?}");
        let (buffer, ..) = drive(&mut model, vec![key(KeyCode::Enter), key(KeyCode::Right), key(KeyCode::Enter)]);
        assert!(text(&buffer).contains("2 of 2 · t1 · 2013-05-01"), "{}", text(&buffer));
    }
}

#[test]
fn mistakes_are_browsed_and_pairs_seen_large() {
    for size in SIZES {
        let mut model = model(size);
        let listed = Message::Evaluations(vec![evaluation()]);
        let (buffer, ..) = drive(&mut model, vec![full(), keys("3"), vec![listed]].concat_all());
        assert!(text(&buffer).contains("0.500  0.400   0.900"), "{}", text(&buffer));
        let (_, asked, ..) = drive(&mut model, vec![key(KeyCode::Enter)]);
        assert_eq!(asked, [Effect::Open(Box::new(evaluation()))]);
        let (buffer, ..) = drive(&mut model, vec![opened()]);
        let shown = text(&buffer);
        for words in ["Queries 2 · mistakes 1", "query t1 2012-05-01", "rank   2", "alpha best"] {
            assert!(shown.contains(words), "{words} at {size:?}\n{shown}");
        }
        assert_eq!(cell(&buffer, "✗ t2").fg, Color::Red);
        assert_eq!(cell(&buffer, "✓ t2 2012").fg, Color::Green);
        assert_eq!(cell(&buffer, "▀").fg, Color::Rgb(200, 0, 0), "a photo at {size:?}");
        drive(&mut model, keys("]"));
        assert_eq!(model.notice.as_ref().unwrap().0, "no further mistake");
        let (buffer, ..) = drive(&mut model, vec![key(KeyCode::Down), key(KeyCode::Enter)]);
        assert!(text(&buffer).contains("match 1 of 2: t2 2013-05-02  ✓ right"), "{}", text(&buffer));
        let (buffer, ..) = drive(&mut model, keys("[l"));
        assert!(text(&buffer).contains("match 2 of 2: t1 2013-05-01  ✓ right"), "{}", text(&buffer));
        let (buffer, ..) = drive(&mut model, keys("g"));
        assert!(text(&buffer).contains("query t1") && !text(&buffer).contains("match 2"), "{}", text(&buffer));
        let (buffer, ..) = drive(&mut model, vec![vec![key(KeyCode::Esc), key(KeyCode::Esc)], keys("v")].concat_all());
        let shown = text(&buffer);
        assert!(shown.contains("chance") && shown.contains("with same-encounter photos"), "{shown}");
        let (buffer, ..) = drive(&mut model, keys("v"));
        assert!(text(&buffer).contains("component 1"), "{}", text(&buffer));
        cell(&buffer, "◉");
        drive(&mut model, vec![key(KeyCode::Esc)]);
        assert!(model.evaluate.opened.is_none());
    }
}

#[test]
fn no_photo_shows_through_a_popup_and_none_stays_behind() {
    let mut model = model((160, 50));
    let listed = Message::Evaluations(vec![evaluation()]);
    drive(&mut model, vec![full(), keys("3"), vec![listed, key(KeyCode::Enter), opened()]].concat_all());
    let red = |buffer: &Buffer| buffer.content.iter().filter(|c| c.fg == Color::Rgb(200, 0, 0)).count();
    assert!(red(&drive(&mut model, vec![Message::Tick(1001.0)]).0) > 40);
    assert_eq!(red(&drive(&mut model, keys("?")).0), 0);
    assert!(red(&drive(&mut model, vec![key(KeyCode::Esc)]).0) > 40);
    assert_eq!(red(&drive(&mut model, keys("2")).0), 0);
}

#[test]
fn the_machine_and_the_log_are_shown() {
    let sample = Sample { cpu: Some(0.5), cores: 2, memory: Some((1 << 30, 4 << 30)), ..Sample::default() };
    for size in SIZES {
        let mut model = model(size);
        let told = vec![Message::System(Box::new(sample.clone())), Message::Failed("the disk is full".into())];
        let (buffer, ..) = drive(&mut model, vec![full(), keys("4"), told].concat_all());
        let shown = text(&buffer);
        for words in ["50 % of 2 cores", "1.1 GB of 4.3 GB used, 25 %", "log of this workbench", "the disk is full"] {
            assert!(shown.contains(words), "{words} at {size:?}\n{shown}");
        }
        let lines = text(&buffer);
        let last = lines.trim_end().lines().rev().nth(1).unwrap().trim();
        assert_eq!(last, "the disk is full");
    }
}

#[test]
fn help_and_palette_lead_to_every_action() {
    let mut model = model((160, 50));
    drive(&mut model, full());
    let (buffer, ..) = drive(&mut model, keys("?"));
    assert!(text(&buffer).contains("end the run after the step it is in"), "{}", text(&buffer));
    drive(&mut model, vec![key(KeyCode::Esc)]);
    let (_, asked, ..) = drive(&mut model, vec![keys(":stop"), vec![key(KeyCode::Enter)]].concat_all());
    assert_eq!(asked, [Effect::Stop("beta".into())]);
    let (_, asked, ..) = drive(&mut model, keys("y"));
    assert_eq!(asked, [Effect::Copy("beta".into())]);
}

#[test]
fn nothing_is_drawn_while_nothing_changes() {
    let mut model = model((160, 50));
    let mut terminal = Terminal::new(TestBackend::new(160, 50)).unwrap();
    let mut frames = |messages: Vec<Message>| {
        let (sender, inbox) = channel();
        messages.into_iter().for_each(|m| sender.send(m).unwrap());
        drop(sender);
        let perform = |_| Ok::<_, std::convert::Infallible>(false);
        super::app::run(&mut terminal, &mut model, &inbox, Duration::ZERO, &mut Sheet::default(), perform).unwrap();
        terminal.get_frame().count()
    };
    let first = frames(full());
    // a second frame object begins with the loop; it draws once and then only what differs
    let again = frames(vec![runs(), Message::Tick(1001.0), Message::Tick(1002.0)]);
    assert!(again <= first + 1, "{first} frames, then {again}");
    let later = frames(vec![Message::Tick(1000.0 + 7200.0)]);
    assert_eq!(later, again + 1, "an hour changes an age");
}

#[test]
fn what_panics_or_hangs_up_ends_the_screen() {
    let mut model = model((80, 24));
    let effects = update(&mut model, Message::Hangup);
    assert!(matches!(&effects[..], [Effect::Keep(kept), ..] if kept.tab == "Runs"), "the layout is kept: {effects:?}");
    assert_eq!(model.ending, Some(Ending::Gone));
    let (.., ending, _) = drive(&mut self::model((80, 24)), vec![Message::Panicked("keys panicked: x".into())]);
    assert_eq!(ending, Ending::Broken("keys panicked: x".into()));
}

#[test]
fn a_terminal_that_draws_pixels_gets_pictures_over_cells_left_alone() {
    let mut model = model((160, 50));
    model.graphics = Some(Graphics { protocol: Protocol::Kitty, cell: (10, 20) });
    let listed = Message::Evaluations(vec![evaluation()]);
    let messages = vec![full(), keys("3"), vec![listed, key(KeyCode::Enter), opened()]].concat_all();
    drive(&mut model, messages);
    let mut buffer = Buffer::empty(ratatui::layout::Rect::new(0, 0, 160, 50));
    super::view::view(&model, &mut buffer);
    let placed = super::view::placed(&model);
    assert!(placed.len() >= 3, "{placed:?}");
    for (n, one) in placed.iter().enumerate() {
        assert!(one.area.positions().all(|at| buffer[at].diff_option == CellDiffOption::Skip), "{one:?}");
        assert!(one.area.bottom() < 48, "the last rows scroll");
        assert!(placed[n + 1..].iter().all(|other| !one.area.intersects(other.area)));
    }
    assert!(!text(&buffer).contains('▀'));
    // nothing lies over a popup, nor over another tab
    drive(&mut model, keys("?"));
    assert!(super::view::placed(&model).is_empty());
    drive(&mut model, vec![key(KeyCode::Esc)]);
    assert_eq!(super::view::placed(&model), placed);
    drive(&mut model, keys("2"));
    assert!(super::view::placed(&model).is_empty());
}
