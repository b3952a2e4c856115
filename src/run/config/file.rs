//! Configuration files: read with the place of every key, written with a comment above every key.
//!
//! serde alone would name a wrong type and not the limits, and lose the place once tables are merged.
//! So a file is walked key by key against the table of fields first; serde then only fills the struct.

use std::borrow::Cow;
use std::path::Path;

use toml::de::{DeTable, DeValue};
use toml::{Spanned, Table, Value};

use super::field::{FIELDS, Field, lookup, show};
use super::{Config, Method};
use crate::run::error::{Place, Result, RunError};

/// The keys that one file sets, in no more than its own words.
#[derive(Debug, Default)]
pub(super) struct Layer {
    entries: Vec<(&'static Field, Value)>,
    method_at: Place,
}

impl Layer {
    /// Reads `text`, which came from `path`: every key known, every value within its limits.
    pub(super) fn read(path: &Path, text: &str) -> Result<Layer> {
        let table = DeTable::parse(text).map_err(|e| RunError::Syntax {
            at: Place::in_file(path, text, e.span().map_or(0, |s| s.start)),
            problem: e.message().trim().to_owned(),
        })?;
        let mut layer = Layer::default();
        layer.walk(path, text, "", table.get_ref())?;
        Ok(layer)
    }

    /// Takes the keys of `table`, whose dotted paths begin with `prefix`.
    pub(super) fn walk(&mut self, path: &Path, text: &str, prefix: &str, table: &DeTable<'_>) -> Result<()> {
        table.iter().try_for_each(|(key, value)| self.take(path, text, prefix, key, value))
    }

    /// Takes one key, or a section of them.
    pub(super) fn take(
        &mut self,
        path: &Path,
        text: &str,
        prefix: &str,
        key: &Spanned<Cow<'_, str>>,
        value: &Spanned<DeValue<'_>>,
    ) -> Result<()> {
        let dotted = format!("{prefix}{}", key.get_ref());
        let here = Place::in_file(path, text, key.span().start);
        let section = format!("{dotted}.");
        if FIELDS.iter().any(|f| f.path.starts_with(&section)) {
            return match value.get_ref() {
                DeValue::Table(inner) => self.walk(path, text, &section, inner),
                other => Err(RunError::BadValue {
                    at: Place::in_file(path, text, value.span().start),
                    key: dotted,
                    given: show(&plain(other)),
                    allowed: "a section of keys".to_owned(),
                }),
            };
        }
        if let (DeValue::Table(inner), false) = (value.get_ref(), FIELDS.iter().any(|f| f.path == dotted)) {
            return Err(unknown_section(here, dotted, inner));
        }
        let field = lookup(&dotted, &here)?;
        let there = Place::in_file(path, text, value.span().start);
        let accepted = field.accept(&plain(value.get_ref()), &there)?;
        if field.path == "method" {
            self.method_at = there;
        }
        self.entries.push((field, accepted));
        Ok(())
    }

    /// The method that the file names.
    pub(super) fn method(&self) -> Option<Method> {
        let (_, value) = self.entries.iter().find(|(f, _)| f.path == "method")?;
        Method::from_name(value.as_str()?)
    }

    /// Refuses a file that is for another method than the one that was asked for.
    pub(super) fn agree(&self, method: Method) -> Result<()> {
        match self.method() {
            Some(other) if other != method => Err(RunError::BadValue {
                at: self.method_at.clone(),
                key: "method".to_owned(),
                given: Value::String(other.name().to_owned()).to_string(),
                allowed: format!("{0}, as `{0}` was asked for", method.name()),
            }),
            _ => Ok(()),
        }
    }

    /// Lays the file's keys over `table`.
    pub(super) fn apply(&self, table: &mut Table) {
        for (field, value) in &self.entries {
            put(table, field.path, value.clone());
        }
    }
}

fn unknown_section(at: Place, dotted: String, inner: &DeTable<'_>) -> RunError {
    let mut sections: Vec<&str> = FIELDS.iter().filter_map(|f| f.path.split_once('.')).map(|(s, _)| s).collect();
    sections.dedup();
    let mut near = crate::run::error::near(&dotted, sections);
    if near.is_empty()
        && let Some((key, _)) = inner.iter().next()
        && let Err(RunError::UnknownKey { near: keys, .. }) = lookup(&format!("{dotted}.{}", key.get_ref()), &at)
    {
        near = keys;
    }
    RunError::UnknownKey { at, key: format!("[{dotted}]"), near }
}

/// Sets a dotted path; the sections are made as needed.
pub(super) fn put(table: &mut Table, path: &str, value: Value) {
    match path.split_once('.') {
        None => {
            table.insert(path.to_owned(), value);
        }
        Some((section, rest)) => {
            let inner = table.entry(section).or_insert_with(|| Value::Table(Table::new()));
            if let Value::Table(inner) = inner {
                put(inner, rest, value);
            }
        }
    }
}

/// The value at a dotted path.
pub(super) fn at<'a>(table: &'a Table, path: &str) -> Option<&'a Value> {
    match path.split_once('.') {
        None => table.get(path),
        Some((section, rest)) => at(table.get(section)?.as_table()?, rest),
    }
}

/// A parsed value without its places; numbers that no i64 or f64 holds become text, and so are refused.
pub(super) fn plain(value: &DeValue<'_>) -> Value {
    match value {
        DeValue::String(s) => Value::String(s.to_string()),
        DeValue::Integer(i) => {
            i64::from_str_radix(i.as_str(), i.radix()).map_or_else(|_| Value::String(i.to_string()), Value::Integer)
        }
        DeValue::Float(f) => f.as_str().parse().map_or_else(|_| Value::String(f.to_string()), Value::Float),
        DeValue::Boolean(b) => Value::Boolean(*b),
        DeValue::Datetime(d) => Value::Datetime(*d),
        DeValue::Array(a) => Value::Array(a.iter().map(|v| plain(v.get_ref())).collect()),
        DeValue::Table(t) => {
            let entry = |(k, v): (&Spanned<_>, &Spanned<DeValue<'_>>)| {
                (String::from(AsRef::<str>::as_ref(k.get_ref())), plain(v.get_ref()))
            };
            Value::Table(t.iter().map(entry).collect())
        }
    }
}

/// The whole configuration as a commented file that begins with `head`, each line of it a comment.
pub(super) fn render(config: &Config, table: &Table, head: &str) -> String {
    let mut out: String = head.lines().map(|l| format!("# {l}\n")).collect();
    out.push('\n');
    let mut section = "";
    for field in FIELDS {
        let (here, key) = field.path.split_once('.').unwrap_or(("", field.path));
        if here != section {
            section = here;
            out.push_str(&format!("\n[{section}]\n"));
        }
        let scope = match field.scope() {
            Some(scope) if field.methods.contains(&config.method) => format!("{scope}: "),
            Some(scope) => format!("{scope}, so not used here: "),
            None => String::new(),
        };
        let limits = match field.kind.limits() {
            limits if limits.is_empty() => limits,
            limits => format!(" ({limits})"),
        };
        let value = at(table, field.path).map(show).unwrap_or_default();
        out.push_str(&format!("# {scope}{}{limits}\n{key} = {value}\n", field.help));
    }
    out
}
