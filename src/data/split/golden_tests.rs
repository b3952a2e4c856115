//! Our rows against those of wildlife-datasets, which `fixtures/split/make.py` asked.

use std::path::PathBuf;

use serde_json::Value;

use super::*;

#[test]
fn golden_splits_of_wildlife_datasets_are_repeated_to_the_row() {
    let given = std::env::var_os("SPLIT_GOLDEN").map(PathBuf::from);
    let folder = given.unwrap_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/split")));
    let golden = std::fs::read_to_string(folder.join("golden.tsv")).unwrap();
    let mut splits = 0;
    for line in golden.lines() {
        let [table, strategy, told, expected] = line.split('\t').collect::<Vec<_>>().try_into().unwrap();
        let told: Value = serde_json::from_str(told).unwrap();
        let plan = Plan {
            ratio: told.get("ratio").or(told.get("ratio_train")).and_then(Value::as_f64),
            seed: told["seed"].as_u64().unwrap().try_into().unwrap(),
            unseen: (told.get("ratio_class_test").and_then(Value::as_f64).map(Unseen::Share))
                .or(told.get("n_class_test").and_then(Value::as_u64).map(|n| Unseen::Individuals(n as usize))),
            year: told.get("year").and_then(Value::as_i64).map(|year| year as i16),
            later: told.get("test_one_year_only") == Some(&Value::Bool(false)),
            every_year: strategy.ends_with("-all"),
            ..Plan::default()
        };
        let table = SplitTable::read(&folder.join(table), &Columns::default()).unwrap();
        let made = Strategy::named(strategy.trim_end_matches("-all")).unwrap().split(table.rows(), &plan);
        let made = made.unwrap_or_else(|e| panic!("{line}: {e}"));
        let letter = |part: &Option<Part>| match part {
            Some(Part::Train) => 'T',
            Some(_) => 'E',
            None => '-',
        };
        let words: Vec<String> = made.iter().map(|made| made.parts.iter().map(letter).collect()).collect();
        assert_eq!(words.join(","), expected, "{line}");
        splits += 1;
    }
    assert!(splits > 50, "only {splits} splits");
}
