//! Who is searched and who is asked for: a split turned into gallery and queries.

use super::Split;
use crate::data::error::DataError;
use crate::data::manifest::Part;

/// Who is searched and who is asked for, by index into the manifest's photos.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Roles {
    /// The part searched.
    pub gallery_part: Part,
    /// The part asked for.
    pub query_part: Part,
    /// Photos of the gallery.
    pub gallery: Vec<usize>,
    /// Photos asked for.
    pub queries: Vec<usize>,
}

/// Gallery and queries of an evaluation: the parts asked for, else gallery `train`, queries `test` or else `valid`.
///
/// Fails when a part has no photo.
pub fn roles(split: &Split, gallery: Option<Part>, query: Option<Part>) -> Result<Roles, DataError> {
    let gallery_part = gallery.unwrap_or(Part::Train);
    let query_part = match query {
        Some(part) => part,
        None => first_of(split, [Part::Test, Part::Valid])?,
    };
    for part in [gallery_part, query_part] {
        if !split.parts.contains(&Some(part)) {
            return Err(empty(split, part.word()));
        }
    }
    let (gallery, queries) = (split.photos(gallery_part), split.photos(query_part));
    Ok(Roles { gallery_part, query_part, gallery, queries })
}

/// Gallery and queries of the validation during training: gallery `train`, queries `valid` or else `test`.
///
/// Fails when a part has no photo.
pub fn validation_roles(split: &Split) -> Result<Roles, DataError> {
    roles(split, None, Some(first_of(split, [Part::Valid, Part::Test])?))
}

fn first_of(split: &Split, parts: [Part; 2]) -> Result<Part, DataError> {
    let found = parts.into_iter().find(|&p| split.parts.contains(&Some(p)));
    found.ok_or_else(|| empty(split, "test or valid"))
}

fn empty(split: &Split, part: &str) -> DataError {
    let has: Vec<&str> = split.present().into_iter().map(Part::word).collect();
    let hint = if has.is_empty() {
        "it names no part for any photo; choose another split column".to_owned()
    } else {
        format!("it has only {}; choose another split column or other parts", has.join(" and "))
    };
    DataError::EmptyPart { split: split.name.clone(), part: part.into(), hint }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_fall_back_from_test_to_valid_and_validation_the_other_way() {
        use Part::{Test, Train, Valid};
        let split = |parts: &[Part]| Split { name: "s".into(), parts: parts.iter().copied().map(Some).collect() };
        let both = split(&[Train, Valid, Test, Train]);
        let r = roles(&both, None, None).unwrap();
        assert_eq!((r.gallery, r.queries, r.query_part), (vec![0, 3], vec![2], Test));
        assert_eq!(validation_roles(&both).unwrap().query_part, Valid);
        let no_test = split(&[Train, Valid]);
        assert_eq!(roles(&no_test, None, None).unwrap().query_part, Valid);
        let no_valid = split(&[Train, Test]);
        assert_eq!(validation_roles(&no_valid).unwrap().query_part, Test);
        let error = roles(&split(&[Train]), None, None).unwrap_err().to_string();
        assert!(error.contains("test or valid") && error.contains("only train"), "{error}");
        assert!(roles(&no_test, Some(Test), None).is_err());
    }
}
