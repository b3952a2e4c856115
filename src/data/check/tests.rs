use super::*;
use crate::data::camera::tests::taken;
use crate::data::formats::as_written;
use image::codecs::jpeg::JpegEncoder;
use image::{ExtendedColorType, ImageEncoder, ImageFormat, Rgb, RgbImage};
use proptest::prelude::*;
use std::fs;

/// A picture of a few waves that follow from `seed`.
fn picture(seed: u32, width: u32, height: u32) -> RgbImage {
    let wave = |k: u32| {
        let h = (seed + 1).wrapping_mul(2_654_435_761).wrapping_mul(2 * k + 1) ^ (k * 977);
        let part = |shift: u32| ((h >> shift) % 101) as f32 / 100.0;
        (2.0 + 9.0 * part(3), 2.0 + 9.0 * part(11), 6.3 * part(17))
    };
    let waves: Vec<_> = (0..5).map(wave).collect();
    RgbImage::from_fn(width, height, |x, y| {
        let (x, y) = (x as f32 / width as f32, y as f32 / height as f32);
        let sum: f32 = waves.iter().map(|(a, b, c)| (a * x + b * y + c).sin()).sum();
        let value = (128.0 + 24.0 * sum) as u8;
        Rgb([value / 2, value, value.saturating_add(20)])
    })
}

fn jpeg(photo: &RgbImage, quality: u8) -> Vec<u8> {
    let mut bytes = Vec::new();
    let encoder = JpegEncoder::new_with_quality(&mut bytes, quality);
    encoder.write_image(photo.as_raw(), photo.width(), photo.height(), ExtendedColorType::Rgb8).unwrap();
    bytes
}

#[test]
fn everything_wrong_is_found_with_its_photo_and_what_becomes_of_it() {
    let dir = tempfile::tempdir().unwrap();
    let photo = |seed: u32| jpeg(&picture(seed, 300, 200), 90);
    let mut table = "path,identity,date\n".to_owned();
    let mut put = |name: &str, who: &str, date: &str, bytes: &[u8]| {
        fs::write(dir.path().join(name), bytes).unwrap();
        table.push_str(&format!("{name},{who},{date}\n"));
    };
    put("good.jpg", "a", "2020-05-01", &taken(&photo(1), "2020:05:02 00:10:00"));
    put("later.jpg", "a", "2020-06-01", &photo(2));
    put("clock.jpg", "a", "2020-06-01", &taken(&photo(3), "2018:06:01 12:00:00"));
    put("never-set.jpg", "a", "2020-06-01", &taken(&photo(4), "1970:01:01 00:00:00"));
    put("cut.jpg", "a", "2020-06-01", &photo(5)[..2000]);
    put("empty.jpg", "a", "2020-06-01", b"");
    put("phone.heic", "a", "2020-06-01", b"\0\0\0\x18ftypheic\0\0\0\0mif1");
    put("words.jpg", "a", "2020-06-01", b"I am a text");
    let mut png = Vec::new();
    picture(6, 60, 40).write_to(&mut std::io::Cursor::new(&mut png), ImageFormat::Png).unwrap();
    put("named.jpg", "a", "2020-06-01", &png);
    let mut bomb = photo(7);
    let frame = bomb.windows(2).position(|w| w == [0xff, 0xc0]).unwrap();
    bomb[frame + 5..frame + 9].copy_from_slice(&[0xfd, 0xe8, 0xfd, 0xe8]);
    put("bomb.jpg", "a", "2020-06-01", &bomb);
    put("b1.jpg", "b", "2020-05-01", &photo(8));
    put("b2.jpg", "b", "2020-05-01", &photo(8));
    let small = image::imageops::resize(&picture(8, 300, 200), 120, 90, image::imageops::FilterType::Triangle);
    put("b3.jpg", "b", "2020-05-01", &jpeg(&small, 60));
    put("c1.jpg", "c", "2020-05-01", &photo(9));
    put("d1.jpg", "d", "2020-05-01", &photo(9));
    table.push_str("gone.jpg,a,2020-06-01\n../out.jpg,a,\nlater.jpg,b,2020-06-01\nb1.jpg,,\n");
    fs::write(dir.path().join("metadata.csv"), &table).unwrap();

    let manifest = as_written(dir.path()).unwrap();
    for threads in [1, 3] {
        let checked = check(&manifest, threads, |_| true).unwrap();
        let found: Vec<_> = checked.findings.iter().map(|f| (f.kind, f.photo.as_deref().unwrap())).collect();
        use FindingKind::*;
        let expected = [
            (BadPath, "../out.jpg"),
            (Missing, "gone.jpg"),
            (Empty, "empty.jpg"),
            (Truncated, "cut.jpg"),
            (TooLarge, "bomb.jpg"),
            (ForeignFormat, "phone.heic"),
            (Unreadable, "words.jpg"),
            (BadRow, "b1.jpg"),
            (TwoIndividuals, "c1.jpg"),
            (TwoIndividuals, "later.jpg"),
            (DateContradiction, "clock.jpg"),
            (ExactDuplicate, "b1.jpg"),
            (NearDuplicate, "b1.jpg"),
            (WrongExtension, "named.jpg"),
            (SinglePhoto, "c1.jpg"),
            (SinglePhoto, "d1.jpg"),
            (SingleEncounter, "b1.jpg"),
        ];
        assert_eq!(found, expected);
        let of = |kind| checked.findings.iter().find(|f| f.kind == kind).unwrap();
        assert!(of(ForeignFormat).reason.contains("HEIC") && of(ForeignFormat).reason.contains("convert it"));
        assert!(of(DateContradiction).reason.contains("2020-06-01, the camera 2018-06-01"));
        assert!(checked.findings.iter().any(|f| f.reason.contains("same file as d1.jpg, and yet named c and d")));
        assert_eq!(
            (&of(NearDuplicate).others[..], of(NearDuplicate).training),
            (&["b3.jpg".to_owned()][..], NearDuplicate.fate())
        );
        let names =
            |group: &Vec<usize>| group.iter().map(|&i| manifest.photos[i].path.to_str().unwrap()).collect::<Vec<_>>();
        assert_eq!(
            checked.groups.iter().map(names).collect::<Vec<_>>(),
            [vec!["b1.jpg", "b2.jpg", "b3.jpg"], vec!["c1.jpg", "d1.jpg"]]
        );
        assert_eq!(checked.readable, manifest.photos.len() - 6);
    }
    assert!(matches!(check(&manifest, 2, |done| done < 3), Err(DataError::Interrupted)));
}

#[test]
fn a_photo_saved_anew_is_near_and_another_is_not() {
    let original = picture(1, 640, 480);
    let glance = Glance::of(&original);
    let near = |photo: &RgbImage| alike(&[&glance, &Glance::of(photo)]) == [vec![0, 1]];
    let decoded = |bytes: &[u8]| crate::data::decode::from_bytes(bytes).unwrap();
    let small = image::imageops::resize(&original, 200, 150, image::imageops::FilterType::Triangle);
    assert!(near(&decoded(&jpeg(&original, 50))) && near(&small));
    assert!(near(&image::imageops::brighten(&original, 15)));
    assert!(near(&image::imageops::crop_imm(&original, 6, 5, 628, 470).to_image()));
    for seed in 2..60 {
        assert!(!near(&picture(seed, 640, 480)), "{seed}");
    }
    assert!(!near(&image::imageops::flip_horizontal(&original)), "a mirrored turtle is another");
    // of one colour
    let flat = |v| Glance::of(&RgbImage::from_pixel(9, 9, Rgb([v; 3])));
    assert_eq!(alike(&[&flat(7), &flat(7), &flat(90)]), [vec![0, 1]]);
}

/// How long 100,000 photos take; run by hand: `cargo test --release hundred_thousand -- --ignored --nocapture`.
#[test]
#[ignore = "a figure to look at"]
fn hundred_thousand_photos_are_compared() {
    let shown: Vec<Glance> = (0..100_000).map(|seed| Glance::of(&picture(seed / 2, 48, 36))).collect();
    let began = std::time::Instant::now();
    let groups = alike(&shown.iter().collect::<Vec<_>>());
    println!("{} groups of {} photos in {:?}", groups.len(), shown.len(), began.elapsed());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(30))]
    #[test]
    fn the_index_finds_what_comparing_all_with_all_finds(seeds in prop::collection::vec((0u32..12, 0u32..4), 0..40)) {
        let shown: Vec<Glance> = seeds
            .iter()
            .map(|&(seed, cut)| Glance::of(&image::imageops::crop_imm(&picture(seed, 96, 96), cut, 0, 90, 96).to_image()))
            .collect();
        let mut sets = Sets::new(shown.len());
        for a in 0..shown.len() {
            for b in 0..a {
                if shown[a].is_like(&shown[b]) {
                    sets.join(a, b);
                }
            }
        }
        prop_assert_eq!(alike(&shown.iter().collect::<Vec<_>>()), sets.groups());
    }
}

#[test]
fn names_that_look_alike_are_told_and_kept_apart() {
    let mut m =
        crate::data::manifest::testing::manifest(&[("Ze\u{301}a", ""), ("Z\u{e9}a", ""), ("Zea", ""), ("zea", "")]);
    m.photos.iter_mut().for_each(|p| p.path = p.path.with_extension("png"));
    let checked = check(&m, 1, |_| true).unwrap();
    let alike: Vec<_> = checked.findings.iter().filter(|f| f.kind == FindingKind::AlikeNames).collect();
    assert_eq!(alike.len(), 2, "{:?}", checked.told(9));
    assert!(alike.iter().any(|f| f.reason.contains(r#""Zea" and "zea""#)), "{:?}", checked.told(9));
}
