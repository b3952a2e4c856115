//! Names that individuals go by, went by, or would have gone by, had nobody taken that back.

use std::collections::HashSet;

use rusqlite::{Connection, params};

use super::store::Gallery;
use super::writer::Detail;
use super::{Error, Result};

/// What the name of a new individual begins with, where nobody gives another.
const NEW: &str = "new-";

impl Gallery {
    /// A name for a new individual that nobody ever had here, also not by what was taken back: whoever reads an old list would
    /// take two animals for one, and a change that is taken back later would find its name with another.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn free_name(&self) -> Result<String> {
        let taken = self.facts.told(ever(&self.facts.connection))?;
        let free = (1_u64..).map(|n| format!("{NEW}{n:03}")).find(|name| !taken.contains(name));
        Ok(free.unwrap_or_default())
    }
}

/// The names beginning as a new one does that were ever used, in small letters.
fn ever(all: &Connection) -> rusqlite::Result<HashSet<String>> {
    let mut taken = HashSet::new();
    let like = format!("{NEW}%");
    let queries = [
        "SELECT name FROM names WHERE name LIKE ?1",
        "SELECT name FROM individuals WHERE name LIKE ?1",
        "SELECT name FROM (SELECT json_extract(ruling, '$.individual') AS name FROM decisions WHERE json_valid(ruling)) WHERE name LIKE ?1",
    ];
    for query in queries {
        let mut query = all.prepare_cached(query)?;
        let mut rows = query.query([&like])?;
        while let Some(row) = rows.next()? {
            taken.insert(row.get::<_, String>(0)?.to_lowercase());
        }
    }
    let mut renames = all.prepare_cached("SELECT detail FROM changes WHERE what = 'rename' AND undone IS NOT NULL")?;
    let mut rows = renames.query([])?;
    while let Some(row) = rows.next()? {
        if let Ok(Detail::Rename { from, to, .. }) = serde_json::from_str(row.get_ref(0)?.as_str()?) {
            taken.extend([from.to_lowercase(), to.to_lowercase()]);
        }
    }
    Ok(taken)
}

/// Has `name` lead to an individual, or to nobody.
pub(super) fn lead(all: &Connection, name: &str, to: Option<i64>) -> rusqlite::Result<()> {
    match to {
        Some(to) => {
            let lead = "INSERT INTO names (name, individual) VALUES (?1, ?2)
                ON CONFLICT (name) DO UPDATE SET individual = excluded.individual";
            all.execute(lead, params![name, to])?;
        }
        None => {
            all.execute("DELETE FROM names WHERE name = ?1", [name])?;
        }
    }
    Ok(())
}

/// The individuals with a photo whom their own name does not lead to.
pub(super) fn unreachable(all: &Connection) -> rusqlite::Result<Vec<(i64, String)>> {
    let query = "SELECT i.id, i.name FROM individuals i
        WHERE NOT EXISTS (SELECT 1 FROM names n WHERE n.name = i.name AND n.individual = i.id)
        AND EXISTS (SELECT 1 FROM encounters e JOIN photos p ON p.encounter = e.id WHERE e.individual = i.id AND p.gone IS NULL)";
    all.prepare_cached(query)?.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
}

/// Has the names of those lead to them again whom no name led to after a change was taken back and who were reached `before`;
/// an error where another has the name and a photo.
pub(super) fn lead_again(all: &Connection, before: &[(i64, String)]) -> rusqlite::Result<Result<()>> {
    for (individual, name) in unreachable(all)? {
        if before.iter().any(|(other, _)| *other == individual) {
            continue;
        }
        let holder = "SELECT EXISTS (SELECT 1 FROM names n JOIN individuals i ON i.id = n.individual JOIN encounters e ON
            e.individual = i.id JOIN photos p ON p.encounter = e.id WHERE n.name = ?1 AND i.name = ?1 AND p.gone IS NULL)";
        if all.query_row(holder, [&name], |row| row.get(0))? {
            return Ok(Err(Error::NameReused { name }));
        }
        lead(all, &name, Some(individual))?;
    }
    Ok(Ok(()))
}
