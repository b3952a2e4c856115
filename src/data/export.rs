//! A manifest as a table that our own reader reads back to the same manifest, corrections and all.
//!
//! The layout is that of wildlife-datasets' `metadata.csv`, whose `Dataset_Metadata` reads it, with the columns of crops beside, as
//! shares of the photo (its own `bbox` is in pixels, which a table does not know). An encounter is written only
//! where it is not what individual and day make of it, so that a date put right in the table moves the photo.

use std::path::Path;

use super::corrections::COLUMNS;
use super::crop::Crop;
use super::error::DataError;
use super::manifest::{Manifest, Part, Side, default_encounter, inside};

/// The table of `manifest`, its photos named in the column `path_column` by their path from the dataset's folder.
///
/// # Errors
/// When a photo's path cannot stand in a table.
pub fn table(manifest: &Manifest, path_column: &str) -> Result<Vec<u8>, DataError> {
    let unnameable = |photo: &Path| DataError::Unnameable { photo: photo.into() };
    let mut table = csv::Writer::from_writer(Vec::new());
    let splits: Vec<_> = manifest.split_columns.iter().collect();
    let head = ["image_id", path_column, "identity", "date", "encounter", "orientation"];
    let head = head.into_iter().chain(splits.iter().map(|(name, _)| name.as_str())).chain(COLUMNS[3..].iter().copied());
    table.write_record(head).map_err(|_| unnameable(&manifest.root))?;
    for (place, photo) in manifest.photos.iter().enumerate() {
        let path = photo.path.to_str().filter(|text| inside(text.trim()).is_ok_and(|same| same == photo.path));
        let path = path.ok_or_else(|| unnameable(&photo.path))?;
        let date = photo.date.map(|date| date.to_string()).unwrap_or_default();
        let encounter = if photo.encounter == default_encounter(photo) { "" } else { &photo.encounter };
        let crop = photo.crop.map(Crop::cells).unwrap_or_default();
        let side = photo.side.map_or("", Side::word);
        let id = (place + 1).to_string();
        let fields = [&*id, path, &photo.individual, &date, encounter, side];
        let parts = splits.iter().map(|(_, parts)| parts[place].map_or("", Part::word));
        let fields = fields.into_iter().chain(parts).chain(crop.iter().map(String::as_str));
        table.write_record(fields).map_err(|_| unnameable(&photo.path))?;
    }
    table.into_inner().map_err(|_| unnameable(&manifest.root))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::corrections::{Correction, Corrections};
    use crate::data::formats::{as_written, open, path_column};
    use proptest::prelude::*;

    /// Reads `table` from a folder, exports it, and reads that.
    fn there_and_back(table: &str, corrections: &Corrections, name: &str) -> Option<(Manifest, Manifest)> {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("given.csv"), table).unwrap();
        let manifest = open(&dir.path().join("given.csv"), corrections).ok()?;
        let out = dir.path().join(name);
        std::fs::write(&out, super::table(&manifest, path_column(&out)).ok()?).unwrap();
        let read = as_written(&out).unwrap();
        Some((manifest, read))
    }

    fn same(before: &Manifest, after: &Manifest) -> bool {
        before.photos == after.photos && before.split_columns == after.split_columns && before.name == after.name
    }

    #[test]
    fn a_corrected_dataset_is_read_back_from_its_table() {
        let given = "path,identity,date,encounter,split,split_open,side,crop_x,crop_y,crop_width,crop_height\n\
            a.jpg,t1,2019-08-01,dive 7,train,test,left,,,,\n\
            b/b.jpg,t1,2019-08-01,dive 7,valid,,topright,0.5,0.25,0.5,0.125\n\
            c.jpg,\"t,\"\"2\",,,test,train,front,,,,\nd.jpg,unknown,,,test,train,,0,0,1,1\n";
        let mut corrections = Corrections::NONE;
        let crop = Crop::new(1.0 / 3.0, 0.1, 0.2, 0.7).unwrap();
        corrections.set(Path::new("a.jpg"), Correction { crop: Some(crop), ..Correction::default() });
        corrections.set(Path::new("b/b.jpg"), Correction { individual: Some("t3".into()), ..Correction::default() });
        let crop = Some(Crop::FULL);
        corrections.set(Path::new("d.jpg"), Correction { individual: Some("t1".into()), crop, date: None });
        for name in ["corrected.csv", "metadata.csv", "metadata_splits.csv"] {
            let (before, after) = there_and_back(given, &corrections, name).unwrap();
            assert!(same(&before, &after), "{before:?}\n{after:?}");
            assert_eq!((before.photos.len(), after.corrected, after.problems.len()), (4, 0, 0));
            assert_eq!((before.photos[3].crop, before.photos[1].encounter.as_str()), (None, "t3 2019-08-01"));
            let sides: Vec<_> = after.photos.iter().map(|p| p.side).collect();
            assert_eq!(sides, [Some(Side::Left), Some(Side::Right), None, None]);
        }
    }

    #[test]
    fn a_photo_that_no_table_can_name_is_refused() {
        let mut manifest = crate::data::manifest::testing::manifest(&[("a", ""), ("b", "")]);
        manifest.photos[1].path = "b/back\\slash.jpg".into();
        let error = super::table(&manifest, "path").unwrap_err();
        assert!(matches!(&error, DataError::Unnameable { photo } if photo.ends_with("back\\slash.jpg")), "{error}");
    }

    proptest! {
        #[test]
        fn any_dataset_comes_back(
            rows in prop::collection::vec(
                ("[ab ./]{1,4}", "[ab 1'\"]{0,3}", "[ab1 ']{0,3}", "(2020-01-0[1-3]|x)?", "(train|valid|test|x)?",
                    "(0.1,0.2,0.3,0.4|,,,|1,1,1,1)"),
                1..30,
            ),
            moved in prop::collection::vec(("[ab]{1,2}", "[ab1']{0,2}"), 0..4),
        ) {
            let mut given = "path,identity,encounter,date,split,crop_x,crop_y,crop_width,crop_height\n".to_owned();
            for (path, who, encounter, date, split, crop) in &rows {
                let who = who.replace('"', "\"\"");
                given.push_str(&format!("{path},\"{who}\",{encounter},{date},{split},{crop}\n"));
            }
            let mut corrections = Corrections::NONE;
            for (photo, who) in moved {
                corrections.set(Path::new(&photo), Correction { individual: Some(who), ..Correction::default() });
            }
            if let Some((before, after)) = there_and_back(&given, &corrections, "corrected.csv") {
                prop_assert!(same(&before, &after), "{before:?}\n{after:?}");
            }
        }
    }
}
