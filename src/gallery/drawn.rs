//! Who of a very large gallery is asked about when it is calibrated: some that are drawn at random, so many as a promise takes
//! and as few as can be measured in a minute or so.

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::known::Known;

/// Encounters asked about, as far as their individuals have no more: intervals are narrow then.
const ENOUGH: usize = 5000;
/// Photos that are asked about however large the gallery is, as far as there are: fewer promise little.
const FEWEST: usize = 600;
/// Encounters of one individual that are asked about, drawn from its own: one that is met all the time stands for nobody else,
/// and a bound over individuals is as wide as what one of them can do.
pub(super) const MOST_OF_ONE: usize = 3;

/// Those of `encounters` that can be asked about, by individual: of none of their photos is it known that it trained the network.
pub(super) fn eligible(known: &Known, encounters: Vec<Vec<usize>>) -> Vec<Vec<Vec<usize>>> {
    let mut of_individual: Vec<Vec<Vec<usize>>> = vec![Vec::new(); known.individuals.len()];
    for rows in encounters {
        if rows.iter().all(|&row| known.photos[row].trained != Some(true)) {
            of_individual[known.photos[rows[0]].individual].push(rows);
        }
    }
    of_individual
}

/// The encounters to ask about: an individual's second one only when there is room for a first of everybody, since a promise is
/// made by individuals. There are [`ENOUGH`] then, or they have `most` photos; but of the individuals that were met twice no fewer
/// than twice the `needed`, however many photos those have.
pub(super) fn to_ask(
    (most, needed): (u64, usize),
    mut of_individual: Vec<Vec<Vec<usize>>>,
    is_trained: &[bool],
    seed: u64,
) -> Vec<Vec<usize>> {
    let most = usize::try_from(most).unwrap_or(usize::MAX).max(FEWEST);
    let individuals = shuffled(&mut of_individual, seed);
    let mut taken = vec![0; of_individual.len()];
    let mut counts = [[0; 3]; 2];
    for round in 0..MOST_OF_ONE {
        for &who in &individuals {
            let Some(next) = of_individual[who].get(round) else { continue };
            let [encounters, photos, met_twice] = &mut counts[usize::from(is_trained[who])];
            let is_lacking = round == 0 && *met_twice < 2 * needed;
            if *encounters < ENOUGH && (*photos < most || is_lacking) {
                taken[who] = round + 1;
                *encounters += 1;
                *photos += next.len();
                *met_twice += usize::from(round == 0 && of_individual[who].len() > 1);
            }
        }
    }
    let some = |who: usize| std::mem::take(&mut of_individual[who]).into_iter().take(taken[who]);
    individuals.into_iter().flat_map(some).collect()
}

/// The encounters to choose by how far apart groups stay, of individuals that did not train the network, each with all that are
/// taken of one: of as many as can be compared with each other by so many `numbers`.
pub(super) fn to_group(
    numbers: u64,
    dims: usize,
    of_individual: &[Vec<Vec<usize>>],
    is_trained: &[bool],
    seed: u64,
) -> Vec<Vec<usize>> {
    let most = usize::try_from((numbers / (dims as u64).max(1)).isqrt()).unwrap_or(usize::MAX).max(FEWEST);
    let mut of_individual = of_individual.to_vec();
    let individuals = shuffled(&mut of_individual, seed);
    let (mut all, mut photos) = (Vec::new(), 0);
    for who in individuals.into_iter().filter(|&who| !is_trained[who]) {
        if photos < most {
            of_individual[who].truncate(MOST_OF_ONE);
            photos += of_individual[who].iter().map(Vec::len).sum::<usize>();
            all.append(&mut of_individual[who]);
        }
    }
    all
}

/// Puts the encounters of each into an order by chance; the individuals in one.
fn shuffled(of_individual: &mut [Vec<Vec<usize>>], seed: u64) -> Vec<usize> {
    let mut individuals: Vec<usize> = (0..of_individual.len()).collect();
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    individuals.shuffle(&mut random);
    individuals.iter().for_each(|&who| of_individual[who].shuffle(&mut random));
    individuals
}

#[cfg(test)]
mod tests {
    use super::*;

    /// So many individuals with so many encounters of so many photos.
    fn met(individuals: usize, encounters: usize, photos: usize) -> Vec<Vec<Vec<usize>>> {
        let rows = |n: usize| (n * photos..(n + 1) * photos).collect::<Vec<_>>();
        (0..individuals).map(|who| (0..encounters).map(|n| rows(who * encounters + n)).collect()).collect()
    }

    fn individuals(drawn: &[Vec<usize>], of_one: usize) -> usize {
        let mut who: Vec<usize> = drawn.iter().map(|rows| rows[0] / of_one).collect();
        who.sort_unstable();
        who.dedup();
        who.len()
    }

    #[test]
    fn a_promise_has_the_individuals_that_it_takes_however_many_photos_they_have() {
        let strange = vec![false; 500];
        let ask = |all: Vec<Vec<Vec<usize>>>, most: u64| to_ask((most, 59), all, &strange, 666);
        let drawn = ask(met(500, 3, 7), 1);
        assert_eq!((drawn.len(), individuals(&drawn, 21)), (118, 118), "600 photos are 86 of them");
        let drawn = ask(met(500, 3, 40), 1);
        assert_eq!(individuals(&drawn, 120), 118);
        // with room for it each has its three
        let drawn = ask(met(500, 4, 1), 1300);
        assert_eq!((drawn.len(), individuals(&drawn, 4)), (1300, 500));
        assert_eq!(ask(met(500, 4, 1), u64::MAX).len(), 1500);
        assert_eq!(ask(met(20, 1, 90), 1).len(), 20, "who was met once counts for no promise of known ones");
    }

    #[test]
    fn groups_are_chosen_by_whole_individuals() {
        let is_trained: Vec<bool> = (0..400).map(|who| who % 2 == 0).collect();
        let drawn = to_group(1, 1, &met(400, 3, 2), &is_trained, 666);
        assert_eq!((drawn.len(), individuals(&drawn, 6)), (300, 100), "600 photos");
        assert!(drawn.iter().all(|rows| !is_trained[rows[0] / 6]));
        assert_eq!(to_group(u64::MAX, 1, &met(400, 3, 2), &is_trained, 666).len(), 600);
    }
}
