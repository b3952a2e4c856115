//! The carapace of an individual: its outline, its dome, and where the scutes lie.
//!
//! Loggerheads carry five vertebrals, four or five pairs of costals, and a rim of marginals. Every corner is moved
//! by the individual's own draw, scutes are split or dropped, and seams wander: this layout is half of the
//! fingerprint. Units: half the length of the carapace is 1, x to the animal's right, y to its head, z up.
//! Knows nothing of colours.

use super::dice::Dice;
use super::maths::{P2, cos, mix, mix2, noise, pow, sin, smooth};
use std::f32::consts::PI;

/// Which row a scute belongs to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Row {
    Vertebral,
    Costal,
    Marginal,
}

/// One scute.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Scute {
    pub(super) row: Row,
    pub(super) shape: Vec<P2>,
    /// Where growth began: streaks and rings start here.
    pub(super) areola: P2,
}

/// A bite out of the rim.
#[derive(Clone, Debug)]
struct Notch {
    side: f32,
    angle: f32,
    width: f32,
    depth: f32,
}

/// The shape of a carapace.
#[derive(Clone, Debug)]
pub(super) struct Shell {
    half_width: f32,
    taper: f32,
    square: f32,
    height: f32,
    keel: f32,
    scallop: f32,
    notches: Vec<Notch>,
    pub(super) scutes: Vec<Scute>,
}

impl Shell {
    pub(super) fn draw(dice: &mut Dice) -> Shell {
        let notches = (0..dice.below(4))
            .map(|_| Notch {
                side: dice.sign(),
                angle: dice.range(0.7, 2.9),
                width: dice.range(0.06, 0.1),
                depth: dice.range(0.05, 0.1),
            })
            .collect();
        let mut shell = Shell {
            half_width: dice.range(0.76, 0.86),
            taper: dice.range(0.08, 0.2),
            square: dice.range(0.0, 0.09),
            height: dice.range(0.42, 0.54),
            keel: dice.range(0.0, 0.05),
            scallop: dice.range(0.0, 0.022),
            notches,
            scutes: Vec::new(),
        };
        shell.scutes = layout(&shell, dice);
        shell
    }

    /// The rim at `angle` from the head (0) to the tail (pi), on the left (-1) or right (1).
    pub(super) fn rim(&self, angle: f32, side: f32) -> P2 {
        let c = cos(angle);
        let mut r = 1.0 + self.scallop * cos(angle * 24.0) * smooth(1.7, 2.8, angle);
        for n in &self.notches {
            let off = (angle - n.angle).abs() / n.width;
            if n.side == side && off < 1.0 {
                r -= n.depth * (1.0 - off * off);
            }
        }
        let wide = 1.0 + self.taper * c - self.square * cos(2.0 * angle) + 0.05 * c * c;
        [side * self.half_width * sin(angle).max(0.0) * wide * r, c * r]
    }

    /// The line between marginals and the inner scutes, as a point at the same angle.
    fn inner(&self, angle: f32, side: f32) -> P2 {
        let q = mix(0.87, 0.79, smooth(0.2, 1.4, angle));
        let p = self.rim(angle, side);
        // without the notches, which bite into the marginals only
        let plain = Shell { notches: Vec::new(), scallop: 0.0, scutes: Vec::new(), ..*self };
        let p = if self.notches.is_empty() { p } else { plain.rim(angle, side) };
        [p[0] * q, p[1] * q]
    }

    /// Height of the dome at `share` of the way from the middle to the rim point `rim`.
    pub(super) fn dome(&self, share: f32, rim: P2) -> f32 {
        let (x, y) = (rim[0] * share, rim[1] * share);
        let round = 1.0 - pow(share, 2.3);
        let keel = self.keel * (1.0 - share) * (1.0 - (x.abs() * 9.0).min(1.0));
        let flare = 0.035 * smooth(0.84, 1.0, share);
        self.height * round * (1.0 + 0.14 * y) + keel + flare
    }
}

/// How often the two sides of a row differ from each other.
const ASYMMETRY: f32 = 0.35;

fn layout(shell: &Shell, dice: &mut Dice) -> Vec<Scute> {
    let mut scutes = Vec::new();
    let sides = [-1.0f32, 1.0];

    // vertebrals: the ends of each, and the outer corner between them
    let mut lengths: Vec<f32> = (0..5).map(|_| dice.range(0.7, 1.3)).collect();
    lengths[4] *= 1.15;
    let total: f32 = lengths.iter().sum();
    let (front, back) = (shell.inner(0.0, 1.0)[1], shell.inner(PI, 1.0)[1] * 0.97);
    let mut ends = vec![front];
    for l in &lengths {
        ends.push(ends[ends.len() - 1] + (back - front) * l / total);
    }
    let mut end_points = [[[0.0; 2]; 6]; 2];
    let mut mid_points = [[[0.0; 2]; 5]; 2];
    let shift = dice.bell(0.015);
    for i in 0..6 {
        let half = match i {
            0 => 0.24,
            5 => 0.13,
            _ => dice.range(0.13, 0.24),
        };
        for (s, side) in sides.iter().enumerate() {
            end_points[s][i] = [
                shift + side * half * (1.0 + dice.bell(0.1)),
                ends[i] + if i == 0 || i == 5 { 0.0 } else { dice.bell(0.018) },
            ];
        }
    }
    for (s, side) in sides.iter().enumerate() {
        let nuchal = shell.inner(0.3, *side);
        end_points[s][0] = nuchal;
        end_points[s][5] = shell.inner(PI - 0.28, *side);
    }
    for i in 0..5 {
        let half = dice.range(0.25, 0.4) * if i == 4 { 0.95 } else { 1.0 };
        let at = dice.range(0.35, 0.65);
        for (s, side) in sides.iter().enumerate() {
            let y = mix(ends[i], ends[i + 1], at) + dice.bell(0.025);
            mid_points[s][i] = [shift + side * half * (1.0 + dice.bell(0.09)), y];
        }
    }
    for i in 0..5 {
        let (l, r) = (&end_points[0], &end_points[1]);
        let mut shape = vec![l[i], r[i], mid_points[1][i], r[i + 1], l[i + 1], mid_points[0][i]];
        if i == 0 {
            // its front follows the nuchal
            shape.splice(1..1, [shell.inner(0.15, -1.0), shell.inner(0.0, 1.0), shell.inner(0.15, 1.0)]);
        }
        if i == 4 {
            let at = shape.len() - 2;
            shape.splice(at..at, [shell.inner(PI - 0.12, 1.0), shell.inner(PI - 0.12, -1.0)]);
        }
        split(&mut scutes, Row::Vertebral, shape, dice, 0.22);
    }

    costals(shell, &end_points, &mid_points, &mut scutes, dice);
    marginals(shell, &mut scutes, dice);

    let key = dice.word();
    for scute in &mut scutes {
        scute.shape = wander(&scute.shape, key);
    }
    scutes
}

/// The large scutes on either side of the vertebrals.
fn costals(shell: &Shell, ends: &[[P2; 6]; 2], mids: &[[P2; 5]; 2], scutes: &mut Vec<Scute>, dice: &mut Dice) {
    let usual_four = dice.chance(0.4);
    let usual: Vec<f32> = [0.86, 1.32, 1.82, 2.33].iter().map(|a| a + dice.bell(0.1)).collect();
    for s in 0..2 {
        let side = [-1.0, 1.0][s];
        let four = usual_four != dice.chance(ASYMMETRY * 0.5);
        // a seam runs from the outer corner of a vertebral to the marginals: (vertebral, angle at the rim)
        let mut seams: Vec<(usize, f32)> = usual.iter().enumerate().map(|(i, a)| (i, a + dice.bell(0.05))).collect();
        if four {
            let dropped = if dice.chance(0.7) { 0 } else { 1 + dice.below(3) };
            seams.remove(dropped);
        }
        // corners of the vertebrals from head to tail: end, middle, end, middle, ..., end
        let spine: Vec<P2> = (0..11).map(|k| if k % 2 == 0 { ends[s][k / 2] } else { mids[s][k / 2] }).collect();
        let bounds: Vec<(usize, f32)> =
            [(0, 0.3)].into_iter().chain(seams.iter().map(|&(i, a)| (2 * i + 1, a))).chain([(10, PI - 0.28)]).collect();
        for pair in bounds.windows(2) {
            let ((from, from_angle), (to, to_angle)) = (pair[0], pair[1]);
            let mut shape = spine[from..=to].to_vec();
            // the ends of the spine lie on the inner line themselves
            let (first, last) = (usize::from(to == 10), if from == 0 { 5 } else { 6 });
            shape.extend((first..=last).map(|k| shell.inner(mix(to_angle, from_angle, k as f32 / 6.0), side)));
            split(scutes, Row::Costal, shape, dice, 0.16);
        }
    }
}

/// The rim: a nuchal in front, then pairs down to the tail.
fn marginals(shell: &Shell, scutes: &mut Vec<Scute>, dice: &mut Dice) {
    let count = 11 + dice.below(3);
    let usual: Vec<f32> = (0..=count)
        .map(|i| 0.14 + (PI - 0.14) * i as f32 / count as f32)
        .map(|a| a + if a > 0.2 && a < 3.1 { dice.bell(0.045) } else { 0.0 })
        .collect();
    let nuchal: Vec<P2> = [(-0.14, 1.0), (0.14, 1.0), (0.14, 0.0), (-0.14, 0.0)]
        .iter()
        .map(|&(a, out): &(f32, f32)| {
            let side = if a < 0.0 { -1.0 } else { 1.0 };
            if out > 0.5 { shell.rim(a.abs(), side) } else { shell.inner(a.abs(), side) }
        })
        .collect();
    push(scutes, Row::Marginal, nuchal);
    for side in [-1.0, 1.0] {
        let angles: Vec<f32> = usual
            .iter()
            .enumerate()
            .map(|(i, a)| a + if i > 0 && i < count { dice.bell(0.025) } else { 0.0 })
            .collect();
        for pair in angles.windows(2) {
            let along = |k: usize| mix(pair[0], pair[1], k as f32 / 4.0);
            let mut shape: Vec<P2> = (0..=4).map(|k| shell.rim(along(k), side)).collect();
            shape.extend((0..=4).rev().map(|k| shell.inner(along(k), side)));
            push(scutes, Row::Marginal, shape);
        }
    }
}

/// Adds a scute, or with probability `odds` the two that an irregular seam makes of it.
fn split(scutes: &mut Vec<Scute>, row: Row, shape: Vec<P2>, dice: &mut Dice, odds: f32) {
    let n = shape.len();
    let (cut, a) = (dice.chance(odds), dice.below(n));
    let (ta, tb) = (dice.range(0.3, 0.7), dice.range(0.3, 0.7));
    if !cut || n < 5 {
        push(scutes, row, shape);
        return;
    }
    let b = (a + n / 2) % n;
    let (a, b) = (a.min(b), a.max(b));
    let (p, q) = (mix2(shape[a], shape[(a + 1) % n], ta), mix2(shape[b], shape[(b + 1) % n], tb));
    let mut one = vec![p];
    one.extend_from_slice(&shape[a + 1..=b]);
    one.push(q);
    let mut two = vec![q];
    two.extend((b + 1..a + 1 + n).map(|i| shape[i % n]));
    two.push(p);
    push(scutes, row, one);
    push(scutes, row, two);
}

fn push(scutes: &mut Vec<Scute>, row: Row, shape: Vec<P2>) {
    let c = centre(&shape);
    // scutes grow forwards and outwards, so that the areola lies near the rear (vertebrals) or the rear and inside
    let areola = match row {
        Row::Vertebral => [c[0], c[1] - 0.05],
        Row::Costal => [c[0] * 0.93, c[1] - 0.07],
        Row::Marginal => [c[0] * 0.97, c[1] * 0.97 - 0.02],
    };
    scutes.push(Scute { row, shape, areola });
}

/// The mean of the corners.
pub(super) fn centre(shape: &[P2]) -> P2 {
    let n = shape.len().max(1) as f32;
    let sum = shape.iter().fold([0.0, 0.0], |s, p| [s[0] + p[0], s[1] + p[1]]);
    [sum[0] / n, sum[1] / n]
}

/// Bends the sides of a polygon by a field that all its neighbours share, so that seams still fit.
fn wander(shape: &[P2], key: u32) -> Vec<P2> {
    let n = shape.len();
    let mut bent = Vec::with_capacity(n * 3);
    for i in 0..n {
        for k in 0..3 {
            let p = mix2(shape[i], shape[(i + 1) % n], k as f32 / 3.0);
            let push = |key| (noise(p[0] * 6.5 + 40.0, p[1] * 6.5 + 40.0, key) - 0.5) * 0.075;
            bent.push([p[0] + push(key), p[1] + push(key ^ 1)]);
        }
    }
    bent
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::synth::dice::For;

    fn area(shape: &[P2]) -> f32 {
        let n = shape.len();
        let twice: f32 = (0..n)
            .map(|i| {
                let (p, q) = (shape[i], shape[(i + 1) % n]);
                p[0] * q[1] - q[0] * p[1]
            })
            .sum();
        twice.abs() * 0.5
    }

    #[test]
    fn scutes_cover_the_shell_once() {
        for id in 0..40 {
            let shell = Shell::draw(&mut Dice::new(1, For::Individual, id, 0, 0));
            let rim: Vec<P2> = (0..200)
                .map(|i| i as f32 / 100.0 * PI)
                .map(|a| if a <= PI { shell.rim(a, 1.0) } else { shell.rim(2.0 * PI - a, -1.0) })
                .collect();
            let covered: f32 = shell.scutes.iter().map(|s| area(&s.shape)).sum();
            let share = covered / area(&rim);
            assert!((0.93..1.07).contains(&share), "individual {id}: {share}");
            let rows = |row| shell.scutes.iter().filter(|s| s.row == row).count();
            assert!(rows(Row::Vertebral) >= 5 && rows(Row::Costal) >= 8 && rows(Row::Marginal) >= 23);
        }
    }
}
