//! Boxes around animals: a table's column `bbox`, and the COCO annotations that lie beside SeaTurtleID2022.
//!
//! Both are in pixels of the upright photo: left, top, width, height. What counts of a photo is the box and a margin.

use std::collections::HashMap;
use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use serde::Deserialize;

use crate::data::crop::Crop;

/// The annotations as published, beside the table.
pub(super) const COCO_FILE: &str = "annotations.json";
/// What is added on each side, as a share of the box's longer one.
const MARGIN: f64 = 0.1;
/// Parts of an animal that are told apart best by, the best first: as SeaTurtleID2022's paper has it, heads.
const BEST: [&str; 2] = ["head", "turtle"];

/// A box in pixels of a photo of `size` pixels as the part that counts.
pub(super) fn crop([left, top, width, height]: [f64; 4], size: (u32, u32)) -> Result<Crop, String> {
    let (across, down) = (f64::from(size.0), f64::from(size.1));
    let told = || format!("the box {left},{top},{width},{height} is not inside a photo of {across} x {down} pixels");
    let is_inside = left < across && top < down && left + width > 0.0 && top + height > 0.0;
    if !(width > 0.0 && height > 0.0 && is_inside) {
        return Err(told());
    }
    let margin = MARGIN * width.max(height);
    let share = |from: f64, length: f64, all: f64| {
        let (from, to) = ((from - margin).max(0.0), (from + length + margin).min(all));
        (from / all, (to - from) / all)
    };
    let ((x, w), (y, h)) = (share(left, width, across), share(top, height, down));
    Crop::new(x, y, w, h).map_err(|_| told())
}

/// Four numbers, however they are separated: `[12, 30, 200, 180]`, `12.0 30.0 200.0 180.0`.
pub(super) fn numbers(text: &str) -> Result<[f64; 4], String> {
    let inner = text.trim().trim_matches(['[', ']', '(', ')']);
    let words = inner.split([',', ';', ' ']).filter(|word| !word.trim().is_empty());
    let found: Option<Vec<f64>> = words.map(|word| word.trim().parse().ok().filter(|x: &f64| x.is_finite())).collect();
    found
        .unwrap_or_default()
        .try_into()
        .map_err(|_| format!("`{text}` is no box: left, top, width and height in pixels, as in [12, 30, 200, 180]"))
}

#[derive(Deserialize)]
struct Coco {
    images: Vec<CocoImage>,
    annotations: Vec<Annotation>,
    categories: Vec<Category>,
}

#[derive(Deserialize)]
struct CocoImage {
    id: i64,
    file_name: String,
    width: Option<u32>,
    height: Option<u32>,
}

#[derive(Deserialize)]
struct Annotation {
    image_id: i64,
    category_id: i64,
    #[serde(default)]
    bbox: Option<Vec<f64>>,
}

#[derive(Deserialize)]
struct Category {
    id: i64,
    name: String,
}

/// The part that counts of each photo that the annotations at `path` have a box for, by the name that they give it: the
/// largest box of the best kind there is. A box that is none is a reason.
///
/// # Errors
/// A sentence, when the file is no such annotations.
pub(super) fn coco(path: &Path) -> Result<HashMap<String, Result<Crop, String>>, String> {
    let file = File::open(path).map_err(|e| format!("it cannot be read ({e})"))?;
    let coco: Coco =
        serde_json::from_reader(BufReader::new(file)).map_err(|e| format!("it is no COCO annotations ({e})"))?;
    let named = |wanted: &&str| coco.categories.iter().find(|c| c.name.eq_ignore_ascii_case(wanted)).map(|c| c.id);
    let Some(best) = BEST.iter().find_map(named) else {
        return Err(format!("none of its categories is named {}", BEST.join(" or ")));
    };
    let mut largest: HashMap<i64, [f64; 4]> = HashMap::new();
    for annotation in coco.annotations.iter().filter(|a| a.category_id == best) {
        let Ok(found) = <[f64; 4]>::try_from(annotation.bbox.as_deref().unwrap_or_default()) else { continue };
        if !(found[2] > 0.0 && found[3] > 0.0) {
            continue;
        }
        let known = largest.entry(annotation.image_id).or_insert(found);
        if found[2] * found[3] > known[2] * known[3] {
            *known = found;
        }
    }
    let boxed = coco.images.into_iter().filter_map(|image| {
        let found = largest.get(&image.id)?;
        Some((image.file_name, crop(*found, (image.width?, image.height?))))
    });
    Ok(boxed.collect())
}

#[cfg(test)]
mod tests {
    use super::super::as_written;
    use super::*;
    use crate::data::manifest::ProblemKind;

    fn shares(crop: Option<Crop>) -> [f64; 4] {
        crop.unwrap().shares().map(|x| (x * 1000.0).round() / 1000.0)
    }

    #[test]
    fn a_box_gets_its_margin_and_stays_in_the_photo() {
        assert_eq!(shares(crop([20.0, 30.0, 50.0, 40.0], (100, 100)).ok()), [0.15, 0.25, 0.6, 0.5]);
        assert_eq!(shares(crop([-5.0, 90.0, 50.0, 40.0], (100, 100)).ok()), [0.0, 0.85, 0.5, 0.15]);
        for bad in [[0.0, 0.0, 0.0, 5.0], [100.0, 0.0, 5.0, 5.0], [f64::NAN, 0.0, 5.0, 5.0], [-9.0, 0.0, 5.0, 5.0]] {
            assert!(crop(bad, (100, 100)).is_err(), "{bad:?}");
        }
        for text in ["[12, 30, 200, 180]", "12.0 30.0 200.0 180.0", "(12;30;200;180)", "12,30,200,180"] {
            assert_eq!(numbers(text), Ok([12.0, 30.0, 200.0, 180.0]), "{text}");
        }
        for bad in ["", "1,2,3", "1,2,3,4,5", "a,b,c,d", "1,2,inf,4", "1,2,3,nan", "1,2,3,4,nan", "1,2,3,4,foo"] {
            assert!(numbers(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_tables_boxes_count_in_pixels_of_the_table_or_of_the_photo() {
        let dir = tempfile::tempdir().unwrap();
        image::RgbImage::new(200, 100).save(dir.path().join("a.png")).unwrap();
        let table = "path,identity,bbox,width,height\n\
                     a.png,t1,\"[20, 30, 50, 40]\",,\nb.png,t1,\"20,30,50,40\",100,100\nc.png,t2,,100,100\nd.png,t2,what,100,100\n";
        std::fs::write(dir.path().join("metadata.csv"), table).unwrap();
        let m = as_written(dir.path()).unwrap();
        assert_eq!(shares(m.photos[0].crop), [0.075, 0.25, 0.3, 0.5]);
        assert_eq!(shares(m.photos[1].crop), [0.15, 0.25, 0.6, 0.5]);
        assert_eq!((m.photos[2].crop, m.photos[3].crop), (None, None));
        assert_eq!(m.problems.len(), 1);
        assert_eq!((m.problems[0].kind, m.problems[0].line), (ProblemKind::BadCrop, Some(5)));
    }

    #[test]
    fn heads_of_the_published_annotations_count_and_others_do_not() {
        let dir = tempfile::tempdir().unwrap();
        let table = "file_name,identity,date\nimages/a.jpg,t1,2020-01-01\nimages/b.jpg,t1,2021-01-01\n";
        std::fs::write(dir.path().join("metadata_splits.csv"), table).unwrap();
        let coco = r#"{"info": {"x": [1]}, "categories": [{"id": 1, "name": "turtle"}, {"id": 3, "name": "head", "more": 1}],
            "images": [{"id": 7, "file_name": "images/a.jpg", "width": 100, "height": 100, "identity": "t1"}],
            "annotations": [{"id": 1, "image_id": 7, "category_id": 1, "bbox": [0, 0, 90, 90], "segmentation": {"counts": "abc", "size": [1, 2]}},
            {"id": 2, "image_id": 7, "category_id": 3, "bbox": [20.0, 30.0, 5.0, 4.0]}, {"id": 4, "image_id": 7, "category_id": 3, "bbox": []},
            {"id": 5, "image_id": 7, "category_id": 3, "bbox": [9, 9, -90, -90]},
            {"id": 3, "image_id": 7, "category_id": 3, "bbox": [20.0, 30.0, 50.0, 40.0]}]}"#;
        std::fs::write(dir.path().join(COCO_FILE), coco).unwrap();
        let m = as_written(dir.path()).unwrap();
        assert_eq!(shares(m.photos[0].crop), [0.15, 0.25, 0.6, 0.5]);
        assert_eq!(m.photos[1].crop, None);
        assert!(m.problems.is_empty());
        // annotations that are none leave the photos whole, and it is said
        std::fs::write(dir.path().join(COCO_FILE), "[]").unwrap();
        let m = as_written(dir.path()).unwrap();
        assert_eq!(m.photos[0].crop, None);
        assert!(m.problems[0].to_string().contains("annotations.json"), "{}", m.problems[0]);
    }
}
