//! Names of known individuals that are typed: whole, or as far as they are begun by nobody else.

use crate::tui::message::Effect;

use super::{Identify, Matter, may_name};

/// Names that are told at once where several fit.
const TOLD: usize = 4;

impl Identify {
    /// The names that fit what is typed, in any case: those that begin so, then those that hold it.
    pub(in crate::tui) fn fitting(&self, typed: &str) -> Vec<&str> {
        let (names, typed) = (self.session.as_ref().map_or(&[][..], |session| &session.names), typed.to_lowercase());
        if typed.is_empty() {
            return Vec::new();
        }
        let fits = |name: &&String| name.to_lowercase().find(&typed);
        let (begin, hold): (Vec<&String>, Vec<&String>) =
            names.iter().filter(|name| fits(name).is_some()).partition(|name| fits(name) == Some(0));
        begin.into_iter().chain(hold).map(String::as_str).collect()
    }

    /// A name was typed, or the beginning of one: it stands on the right until Enter takes it.
    pub(in crate::tui) fn name(&mut self, matter: &Matter, typed: &str) -> Result<Vec<Effect>, String> {
        let names = &self.about(matter)?.names;
        self.entry().map_or(Ok(()), may_name)?;
        let small = typed.to_lowercase();
        // the very name, then in another case, then its beginning
        let one = |fits: &dyn Fn(&str) -> bool| {
            let mut all = names.iter().filter(|known| fits(known));
            all.next().filter(|_| all.next().is_none())
        };
        let known = one(&|known| known == typed)
            .or_else(|| one(&|known| known.to_lowercase() == small))
            .or_else(|| one(&|known| !small.is_empty() && known.to_lowercase().starts_with(&small)));
        let Some(known) = known.cloned() else { return Err(self.nobody(typed)) };
        (self.picked, self.other, self.anew) = (Some(known), 0, false);
        Ok(self.profile_wanted())
    }

    /// Why what was typed is nobody.
    fn nobody(&self, typed: &str) -> String {
        let small = typed.to_lowercase();
        let begun = self.fitting(typed).into_iter().filter(|name| name.to_lowercase().starts_with(&small));
        let begun: Vec<&str> = begun.collect();
        match begun.len() {
            0 => format!("nobody is called {typed}: Esc, then n makes a new individual"),
            n if n > TOLD => format!("{n} names begin so: type on"),
            _ => format!("{} begin so: type on", begun.join(" and ")),
        }
    }
}
