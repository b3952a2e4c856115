//! Filters, and what is chosen under them.

use super::*;

fn listed() -> Message {
    let other =
        |name: &str| Evaluation { run: name.into(), run_name: name.into(), folder: name.into(), ..evaluation() };
    Message::Evaluations(vec![evaluation(), other("beta"), other("gamma")])
}

fn chosen(model: &Model) -> Option<&str> {
    model.evaluate.current().map(|e| e.run.as_str())
}

#[test]
fn the_row_chosen_stays_under_every_change_of_a_filter() {
    let mut model = model((160, 50));
    drive(&mut model, vec![full(), keys("3"), vec![listed()], keys("jj/")].concat_all());
    assert_eq!(chosen(&model), Some("gamma"));
    drive(&mut model, keys("am"));
    assert_eq!((chosen(&model), model.evaluate.at), (Some("gamma"), 0));
    drive(&mut model, vec![key(KeyCode::Backspace), key(KeyCode::Backspace)]);
    assert_eq!(chosen(&model), Some("gamma"));
    drive(&mut model, vec![Message::Paste("beta".into()), key(KeyCode::Enter)]);
    assert_eq!(chosen(&model), Some("beta"));
    // the list is found as it was left
    let open = |folder: &str| match opened() {
        Message::Opened(_, opened) => Message::Opened(folder.into(), opened),
        other => other,
    };
    drive(&mut model, vec![key(KeyCode::Enter), open("beta"), key(KeyCode::Esc)]);
    assert_eq!((chosen(&model), model.evaluate.filter()), (Some("beta"), "beta"));
    drive(&mut model, vec![key(KeyCode::Esc)]);
    assert_eq!((chosen(&model), model.evaluate.shown().len()), (Some("beta"), 3));
}

#[test]
fn queries_are_filtered_and_the_embedding_goes_to_whom_is_named() {
    let mut model = model((160, 50));
    drive(&mut model, vec![full(), keys("3"), vec![listed(), key(KeyCode::Enter), opened()]].concat_all());
    drive(&mut model, keys("j/t2"));
    let query = |model: &Model| model.evaluate.ranked().map(|q| q.query);
    assert_eq!((query(&model), model.evaluate.query), (Some(1), 0));
    drive(&mut model, vec![key(KeyCode::Esc)]);
    assert_eq!((query(&model), model.evaluate.query), (Some(1), 1), "the query stays chosen");
    let (buffer, ..) = drive(&mut model, keys("vv/t2"));
    assert_eq!(model.evaluate.point, 1);
    assert!(text(&buffer).contains("t2 2012-05-02 · query"), "{}", text(&buffer));
    drive(&mut model, vec![vec![key(KeyCode::Enter)], keys("/t1")].concat_all());
    assert_eq!(model.evaluate.point, 0);
}

#[test]
fn only_a_yes_deletes() {
    let mut model = model((160, 50));
    drive(&mut model, vec![full(), keys("jj")].concat_all());
    let deletes = |model: &mut Model, answer: KeyCode| {
        let (buffer, asked, ..) = drive(model, vec![key(KeyCode::Delete)]);
        assert!(asked.is_empty() && text(&buffer).contains("any other key no"));
        drive(model, vec![key(answer)]).1.iter().any(|e| matches!(e, Effect::Delete(_)))
    };
    for no in [KeyCode::Enter, KeyCode::Esc, KeyCode::Char('n')] {
        assert!(!deletes(&mut model, no), "{no:?}");
    }
    assert!(deletes(&mut model, KeyCode::Char('y')));
}

#[test]
fn a_session_without_colour_keeps_the_theme_that_was_chosen() {
    let mut model = model((160, 50));
    model.theme = Theme::named("light", Depth::None);
    let (_, asked, ..) = drive(&mut model, vec![full(), keys("q")].concat_all());
    assert!(asked.iter().any(|e| matches!(e, Effect::Keep(kept) if kept.theme == "light")), "{asked:?}");
}

#[test]
fn the_first_key_back_moves_whatever_was_scrolled_too_far() {
    let ctrl = |c| Message::Key(KeyEvent::new(KeyCode::Char(c), KeyModifiers::CONTROL));
    let mut model = model((80, 24));
    let evaluations = Message::Evaluations(vec![evaluation()]);
    drive(
        &mut model,
        vec![full(), keys("3"), vec![evaluations, key(KeyCode::Enter), opened()], keys("v")].concat_all(),
    );
    model.size.1 = 16;
    drive(&mut model, vec![key(KeyCode::End)]);
    let end = model.evaluate.scroll;
    assert!((1..100).contains(&end), "{end}");
    drive(&mut model, keys("k"));
    assert_eq!(model.evaluate.scroll, end - 1);

    drive(&mut model, vec![keys("?"), vec![key(KeyCode::End)]].concat_all());
    let before = drive(&mut model, vec![Message::Tick(1001.0)]).0;
    let after = drive(&mut model, keys("k")).0;
    assert_ne!(text(&before), text(&after));

    drive(&mut model, vec![key(KeyCode::Esc)]);
    let said = (0..40).map(|n| Message::Said(format!("said {n}"))).collect();
    let machine = vec![Message::System(Box::new(Sample { cores: 2, ..Sample::default() }))];
    drive(&mut model, vec![keys("4"), machine, said, vec![ctrl('u'), key(KeyCode::Home)]].concat_all());
    let (buffer, ..) = drive(&mut model, vec![Message::Tick(1002.0)]);
    let shown = text(&buffer);
    assert!(shown.contains("said 0\n") && shown.contains("said 3\n"), "the log is full of lines: {shown}");
    drive(&mut model, keys("j"));
    let (buffer, ..) = drive(&mut model, vec![Message::Tick(1003.0)]);
    assert!(!text(&buffer).contains("said 0\n"), "{}", text(&buffer));
}

#[test]
fn an_evaluation_is_stopped_and_what_broke_off_is_told_from_its_report() {
    let mut model = model((110, 30));
    let of = |status, rank1| Evaluation { status, rank1, done: (3, 8), reason: "pid 7 died".into(), ..evaluation() };
    let list = |status, rank1| Message::Evaluations(vec![of(status, rank1)]);
    let messages = vec![full(), keys("3"), vec![list(Status::Running, Some(0.5))]].concat_all();
    let (buffer, ..) = drive(&mut model, messages);
    assert!(text(&buffer).contains("3 of 8 photos"), "{}", text(&buffer));
    assert_eq!(drive(&mut model, keys("x")).1, [Effect::StopEvaluation(evaluation().folder)]);
    let (buffer, ..) = drive(&mut model, vec![list(Status::Stopped, Some(0.5))]);
    assert!(text(&buffer).contains("0.500  0.400   0.900  from before it was stopped"), "{}", text(&buffer));
    assert_eq!(drive(&mut model, keys("x")).1, []);
    assert_eq!(model.notice.as_ref().unwrap().0, "this evaluation is stopped: there is nothing to stop");
    let (buffer, ..) = drive(&mut model, vec![list(Status::Crashed, None)]);
    assert!(text(&buffer).contains("pid 7 died"), "{}", text(&buffer));
}

#[test]
fn a_run_that_waits_goes_on_by_either_key() {
    let mut model = model((160, 50));
    drive(&mut model, vec![full(), vec![Message::Runs(vec![run("beta", Status::Paused, None)], 1000.0)]].concat_all());
    for keys_of in ["p", "r"] {
        let asked = drive(&mut model, keys(keys_of)).1;
        assert!(asked.contains(&Effect::Pause("beta".into(), false)), "{keys_of}: {asked:?}");
    }
}

#[test]
fn the_palette_shows_every_action_and_says_where_one_works() {
    let mut model = model((160, 50));
    let (buffer, ..) = drive(&mut model, vec![full(), keys(":flip")].concat_all());
    assert!(text(&buffer).contains("not here: show the two photos in one place"), "{}", text(&buffer));
    let (_, asked, ..) = drive(&mut model, vec![key(KeyCode::Enter)]);
    assert!(asked.is_empty() && model.layers.is_empty());
    assert_eq!(model.notice.as_ref().unwrap().0, "flip: not here, only at a pair of photos");
}

#[test]
fn what_was_said_goes_after_a_while() {
    let mut model = model((160, 50));
    drive(&mut model, vec![full(), vec![Message::Said("noted".into()), Message::Tick(1010.0)]].concat_all());
    assert!(model.notice.is_some());
    drive(&mut model, vec![Message::Tick(1030.0)]);
    assert!(model.notice.is_none() && model.log.iter().any(|line| line.ends_with("noted")));
    drive(&mut model, vec![Message::Lost("† beta crashed".into()), Message::Tick(1060.0)]);
    assert!(model.notice.is_some(), "what is wrong stays longer");
    drive(&mut model, vec![Message::Tick(2000.0)]);
    assert!(model.notice.is_none());
}

#[test]
fn the_form_shows_that_it_goes_on_and_where_the_cursor_is() {
    let mut model = model((80, 24));
    let (buffer, ..) = drive(&mut model, vec![full(), keys("n")].concat_all());
    let shown = text(&buffer);
    assert!(shown.contains("▼ ") && !shown.contains("▲ "), "{shown}");
    let (buffer, ..) = drive(&mut model, vec![key(KeyCode::End)]);
    assert!(text(&buffer).contains("▲ ") && !text(&buffer).contains("▼ "), "{}", text(&buffer));
    drive(&mut model, vec![key(KeyCode::Esc)]);
    let (buffer, ..) = drive(&mut model, keys("R"));
    assert!(cell(&buffer, "▏").modifier.contains(Modifier::REVERSED));
}

#[test]
fn a_small_screen_reaches_every_chart_the_log_and_the_checkpoints() {
    let mut model = model((80, 24));
    let lines = (0..100).map(|n| format!("line {n}")).collect();
    let more = Message::News(Box::new(News { id: "beta".into(), log: lines, ..News::default() }));
    drive(&mut model, vec![full(), vec![more, key(KeyCode::Tab)]].concat_all());
    let mut seen = String::new();
    for _ in 0..10 {
        seen += &text(&drive(&mut model, vec![Message::Tick(1001.0)]).0);
        drive(&mut model, vec![key(KeyCode::PageDown)]);
    }
    for chart in ["rank-1", "loss", "angle", "learning rate", "photos/s", "waiting for data", "gradient"] {
        let named = |line: &&str| line.trim_start().starts_with(chart);
        assert!(seen.lines().any(|line| named(&line)), "{chart}\n{seen}");
    }
    let from = model.runs.from;
    drive(&mut model, vec![key(KeyCode::PageUp)]);
    assert_eq!(model.runs.from, from - 2, "the end is no farther than the last chart");

    let (buffer, ..) = drive(&mut model, keys("v"));
    assert!(text(&buffer).contains("line 99") && !text(&buffer).contains("line 10\n"), "{}", text(&buffer));
    let (buffer, ..) = drive(&mut model, vec![key(KeyCode::Home)]);
    assert!(text(&buffer).contains("said at the end") && text(&buffer).contains("line 10\n"), "{}", text(&buffer));
    let (buffer, ..) = drive(&mut model, keys("v"));
    assert!(text(&buffer).contains("best  13.0 MB"), "{}", text(&buffer));
}

#[test]
fn a_small_screen_reaches_every_match_and_the_reports_charts() {
    let mut model = model((80, 24));
    drive(&mut model, vec![full(), keys("3"), vec![listed(), key(KeyCode::Enter), opened()]].concat_all());
    let (buffer, ..) = drive(&mut model, keys("l"));
    assert!(text(&buffer).contains("▸2 ✓ t1"), "{}", text(&buffer));
    assert!(super::super::view::pictures(&model).iter().any(|key| key.path.ends_with("g1.jpg")), "and its photo");
    let (buffer, ..) = drive(&mut model, vec![keys("v"), vec![key(KeyCode::Tab)]].concat_all());
    let shown = text(&buffer);
    assert!(shown.contains("(CMC)") && shown.contains("distances: a same b different"), "{shown}");
    let (buffer, ..) = drive(&mut model, vec![key(KeyCode::Tab)]);
    assert!(text(&buffer).contains("chance"));
}

#[test]
fn a_runs_figures_are_kept_on_another_tab_and_taken_in_once() {
    let mut model = model((160, 50));
    drive(&mut model, full());
    let points = |model: &Model| model.runs.followed.get("beta").map(|f| (f.series.len(), f.log.len()));
    assert_eq!(points(&model), Some((60, 1)));
    let asked = drive(&mut model, keys("4")).1;
    assert!(asked.iter().any(|e| matches!(e, Effect::Watch(w) if w.runs == ["beta"] && !w.seen)), "{asked:?}");
    assert_eq!(points(&model), Some((60, 1)));
    // told from its beginning, after pieces that came too late
    drive(&mut model, vec![keys("2"), vec![news("beta"), news("beta")]].concat_all());
    assert_eq!(points(&model), Some((60, 1)));
}

#[test]
fn in_an_overlay_the_cursor_is_told_by_the_axis_and_not_by_the_shorter_run() {
    let mut model = model((160, 50));
    let short = match news("alpha") {
        Message::News(mut news) => {
            news.records.truncate(21);
            Message::News(news)
        }
        other => other,
    };
    // beta, with three epochs, is marked; alpha, with one, is chosen
    drive(&mut model, vec![full(), keys(" o")].concat_all());
    assert_eq!(model.runs.current().map(|run| run.id.as_str()), Some("alpha"));
    let (buffer, ..) = drive(&mut model, vec![vec![short, news("beta"), key(KeyCode::Tab)], keys("l")].concat_all());
    assert!(text(&buffer).contains("loss (log) · at epoch 3.0"), "{}", text(&buffer));
}

#[test]
fn two_evaluations_are_compared() {
    let mut model = model((160, 50));
    drive(&mut model, vec![full(), keys("3"), vec![listed()], keys("D")].concat_all());
    assert!(model.notice.as_ref().unwrap().0.contains("space"), "the way to it is said");
    let (buffer, ..) = drive(&mut model, keys(" j"));
    assert!(text(&buffer).contains("»"), "{}", text(&buffer));
    let asked = drive(&mut model, keys("D")).1;
    assert_eq!(asked, [Effect::Compare(["/data/caretta/runs/alpha/eval/test".into(), "beta".into()])]);
    let found = Message::Found(Ok(("A and B".into(), vec!["B is better on rank-1".into()])));
    let (buffer, ..) = drive(&mut model, vec![found]);
    assert!(text(&buffer).contains("B is better on rank-1"), "{}", text(&buffer));
    drive(&mut model, vec![key(KeyCode::Esc), Message::Found(Err("they share no query".into()))]);
    assert_eq!(model.notice.as_ref().unwrap().0, "they share no query");
}

#[test]
fn a_run_that_waits_shows_its_place_and_can_be_stopped_but_not_resumed_or_deleted() {
    let mut model = model((160, 50));
    let mut waiting = run("omega", Status::Queued, None);
    (waiting.place, waiting.reason) = (Some(2), "number 2 in line for cpu".into());
    drive(&mut model, vec![Message::Runs(vec![waiting], 1000.0)]);
    let (buffer, ..) = drive(&mut model, keys("2"));
    let shown = text(&buffer);
    assert!(shown.contains("#2") && shown.contains("○ omega: number 2 in line for cpu"), "{shown}");
    assert_eq!(drive(&mut model, keys("x")).1, [Effect::Stop("omega".into())]);
    let (buffer, asked, ..) = drive(&mut model, keys("r"));
    assert_eq!(asked, []);
    assert!(text(&buffer).contains("omega waits for its turn and begins by itself"), "{}", text(&buffer));
    let (buffer, ..) = drive(&mut model, vec![key(KeyCode::Delete)]);
    assert!(text(&buffer).contains("omega is queued: stop it first"), "{}", text(&buffer));
}
