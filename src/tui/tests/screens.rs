//! Every tab at three sizes, compared with `fixtures/screens.txt`, which this test writes anew where it is told to.

use super::*;

/// What a frame shows of its places: each line, without what is blank at its end.
fn shot(model: &mut Model, messages: Vec<Message>) -> String {
    text(&drive(model, messages).0)
}

#[test]
fn every_tab_is_as_it_was_seen_and_found_good() {
    let mut all = String::new();
    for size in [(40, 12), (80, 24), (160, 50)] {
        let mut model = model(size);
        let listed = Message::Evaluations(vec![evaluation()]);
        let sample = Message::System(Box::new(Sample { cpu: Some(0.5), cores: 2, ..Sample::default() }));
        let open = vec![keys("3"), vec![listed, key(KeyCode::Enter), opened()]].concat_all();
        let mut session = identify::opened_session();
        let encounters = session.split_off(2);
        let steps: [(&str, Vec<Message>); 11] = [
            ("runs", full()),
            ("a run", vec![key(KeyCode::Enter)]),
            ("datasets", vec![key(KeyCode::Esc)].into_iter().chain(keys("1")).collect()),
            ("queries", open),
            ("report", keys("v")),
            ("embedding", keys("v")),
            ("system", vec![keys("4"), vec![sample]].concat_all()),
            ("help", keys("?")),
            ("galleries", vec![vec![key(KeyCode::Esc)], session].concat_all()),
            ("encounters", encounters),
            ("a new individual", keys("n")),
        ];
        for (name, messages) in steps {
            all += &format!("── {name}, {} x {}\n{}", size.0, size.1, shot(&mut model, messages));
            if size.0 == 40 {
                break; // the sentence is the same everywhere
            }
        }
    }
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/screens.txt");
    if std::env::var_os("CARETTA_BLESS").is_some() {
        std::fs::write(&path, &all).unwrap();
    }
    let before = std::fs::read_to_string(&path).unwrap();
    let differing = before.lines().zip(all.lines()).position(|(a, b)| a != b);
    let at = differing.or((before.lines().count() != all.lines().count()).then_some(0));
    if let Some(line) = at {
        let there = all.lines().skip(line.saturating_sub(3)).take(12).collect::<Vec<_>>().join("\n");
        panic!("line {} of fixtures/screens.txt is another now (CARETTA_BLESS=1 writes it anew):\n{there}", line + 1);
    }
}
