//! A question with some answers each to a few points, chosen with the arrows: how a run is to be evaluated.

use std::collections::BTreeSet;

use super::message::Effect;

/// One point.
#[derive(Debug, Clone)]
pub(super) struct Point {
    /// What it is.
    pub(super) label: &'static str,
    /// The answers: words, and the flags of the verb that say the same.
    pub(super) answers: Vec<(String, Vec<String>)>,
    /// The one chosen.
    pub(super) at: usize,
}

/// The state of the question.
#[derive(Debug, Clone)]
pub(super) struct Choices {
    /// The run's id.
    pub(super) run: String,
    /// The points.
    pub(super) points: Vec<Point>,
    /// The point in focus.
    pub(super) at: usize,
}

impl Choices {
    /// How the run `run` may be evaluated: on its own photos or on one of `datasets`, parted by one of `columns`, on one of
    /// `devices`.
    pub(super) fn of_evaluation(
        run: String,
        datasets: &[String],
        columns: &BTreeSet<String>,
        devices: &[String],
    ) -> Choices {
        let told = |label, answers: &[(&str, &str)], flag: &str| {
            let answer =
                |(words, value): &(&str, &str)| ((*words).to_owned(), vec![flag.to_owned(), (*value).to_owned()]);
            Point { label, answers: answers.iter().map(answer).collect(), at: 0 }
        };
        // answers that are called what they are
        let point = |label, values: &[&str], flag| {
            told(label, &values.iter().map(|value| (*value, *value)).collect::<Vec<_>>(), flag)
        };
        // the first answer is what the verb does without a flag
        let usual = |mut point: Point, words: &str| {
            point.answers.insert(0, (words.to_owned(), Vec::new()));
            point
        };
        let names: Vec<&str> = datasets.iter().map(String::as_str).collect();
        let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
        let devices: Vec<&str> = devices.iter().map(String::as_str).collect();
        let all = [("nothing: with same-encounter photos", "none")];
        let points = vec![
            usual(
                point("checkpoint", &["best", "last"], "--checkpoint"),
                "best, where a valid part chose it, else last",
            ),
            usual(point("photos", &names, "--data-dir"), "those that the run trained on"),
            usual(point("split", &columns, "--split-column"), "the run's own, else the usual column"),
            point("gallery", &["train", "valid", "test"], "--gallery-split"),
            usual(point("queries", &["test", "valid", "train"], "--query-split"), "test, or else valid"),
            usual(told("left out of the gallery", &all, "--exclude"), "photos of the query's own encounter"),
            point("device", &devices, "--device"),
        ];
        Choices { run, points, at: 0 }
    }

    /// Another answer to the point in focus.
    pub(super) fn turn(&mut self, forward: bool) {
        let Some(point) = self.points.get_mut(self.at) else { return };
        let count = point.answers.len().max(1);
        point.at = (point.at + if forward { 1 } else { count - 1 }) % count;
    }

    /// What is asked for.
    pub(super) fn effect(&self) -> Effect {
        let flags = self.points.iter().filter_map(|point| point.answers.get(point.at));
        Effect::Evaluate(self.run.clone(), flags.flat_map(|(_, flags)| flags.clone()).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_chosen_becomes_the_verbs_flags() {
        let mut choices = Choices::of_evaluation(
            "r1".into(),
            &["turtles".into()],
            &["split_open".to_owned()].into(),
            &["auto".into(), "cpu".into()],
        );
        let usual = ["--gallery-split", "train", "--device", "auto"].map(str::to_owned).to_vec();
        assert_eq!(choices.effect(), Effect::Evaluate("r1".into(), usual));
        choices.turn(true);
        choices.at = 1;
        choices.turn(false);
        choices.at = 2;
        choices.turn(true);
        choices.at = 5;
        choices.turn(true);
        let expected = [
            "--checkpoint",
            "best",
            "--data-dir",
            "turtles",
            "--split-column",
            "split_open",
            "--gallery-split",
            "train",
            "--exclude",
            "none",
            "--device",
            "auto",
        ];
        assert_eq!(choices.effect(), Effect::Evaluate("r1".into(), expected.map(str::to_owned).to_vec()));
    }
}
