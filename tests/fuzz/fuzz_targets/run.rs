//! A run's state, and its metrics as a whole and in two halves.
#![no_main]

use caretta::run::State;
use caretta::run::metrics::{History, Tail, read_all};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(state) = State::read(&caretta_fuzz::file("state.json", bytes)) {
        let _ = (state.eta_seconds(), state.created.local(), state.updated.age_seconds());
    }
    let half = caretta_fuzz::file("metrics.jsonl", &bytes[..bytes.len() / 2]);
    let mut tail = Tail::new(&half);
    let mut history = History::default();
    let mut records = tail.poll().expect("any bytes can be read");
    let whole = caretta_fuzz::file("metrics.jsonl", bytes);
    records.extend(tail.poll().expect("any bytes can be read"));
    for record in records {
        history.apply(record);
    }
    read_all(&whole).expect("any bytes can be read");
});
