//! The turtle as surfaces in space: carapace, underside, head, flippers, tail, in a swimming pose.
//!
//! Each surface is a grid of points, so that one function builds them all. Units as in `shell`; the origin lies in
//! the middle of the carapace. Shapes only: light and colour come later.

use super::carapace::{HIGH, LOW};
use super::hide::{HALF_CHORD, HALF_ROUND};
use super::maths::{P2, Turn, V3, cos, mix, pow, sin, smooth, v3};
use super::shell::Shell;
use std::f32::consts::{PI, TAU};

/// Which picture lies on a surface.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Skin {
    Carapace,
    Belly,
    Head,
    /// Front flipper: 0 left, 1 right.
    Flipper(usize),
    Hind,
}

/// One corner of a surface.
#[derive(Clone, Copy, Debug)]
pub(super) struct Corner {
    pub(super) at: V3,
    pub(super) normal: V3,
    pub(super) uv: P2,
    /// How open to the water around it, 0 to 1.
    pub(super) open: f32,
}

/// A surface of triangles.
pub(super) struct Mesh {
    pub(super) skin: Skin,
    pub(super) corners: Vec<Corner>,
    pub(super) faces: Vec<[usize; 3]>,
}

/// How the animal holds itself; angles in radians.
#[derive(Clone, Debug)]
pub(super) struct Posture {
    /// Front flippers, left and right: up positive.
    pub(super) flap: [f32; 2],
    /// Front flippers: forward positive.
    pub(super) sweep: [f32; 2],
    pub(super) twist: [f32; 2],
    /// Hind flippers: outward positive.
    pub(super) hind: [f32; 2],
    /// Head: to the right, up.
    pub(super) look: [f32; 2],
}

/// The proportions beside the shell's.
#[derive(Clone, Debug)]
pub(super) struct Build {
    pub(super) head: f32,
    pub(super) flipper: f32,
}

/// All surfaces of a turtle, turned into the world by `turn`.
pub(super) fn body(shell: &Shell, build: &Build, posture: &Posture, turn: Turn) -> Vec<Mesh> {
    let mut parts = vec![carapace(shell), underside(shell), head(build, posture)];
    for side in 0..2 {
        parts.push(front(build, posture, side));
        parts.push(hind(posture, side));
    }
    parts.push(tail());
    for part in &mut parts {
        for c in &mut part.corners {
            c.at = turn.of(c.at);
            c.normal = turn.of(c.normal);
        }
    }
    parts
}

/// A grid of `rows` by `cols` cells; with `closed` the last column is the first again. `flip` turns it inside out.
fn sheet(skin: Skin, size: [usize; 2], closed: bool, flip: bool, f: impl Fn(usize, usize) -> (V3, P2, f32)) -> Mesh {
    let [rows, cols] = size;
    let mut corners = Vec::with_capacity((rows + 1) * (cols + 1));
    for r in 0..=rows {
        for c in 0..=cols {
            let (at, uv, open) = f(r, c);
            corners.push(Corner { at, normal: V3::default(), uv, open });
        }
    }
    let id = |r: usize, c: usize| r * (cols + 1) + c;
    let mut faces = Vec::with_capacity(rows * cols * 2);
    for r in 0..rows {
        for c in 0..cols {
            let (a, b, d, e) = (id(r, c), id(r, c + 1), id(r + 1, c), id(r + 1, c + 1));
            faces.push(if flip { [a, b, d] } else { [a, d, b] });
            faces.push(if flip { [b, e, d] } else { [b, d, e] });
        }
    }
    for &[a, b, c] in &faces {
        let n = (corners[b].at - corners[a].at).cross(corners[c].at - corners[a].at);
        for i in [a, b, c] {
            corners[i].normal += n;
        }
    }
    if closed {
        for r in 0..=rows {
            let sum = corners[id(r, 0)].normal + corners[id(r, cols)].normal;
            corners[id(r, 0)].normal = sum;
            corners[id(r, cols)].normal = sum;
        }
    }
    for c in &mut corners {
        c.normal = c.normal.unit();
    }
    Mesh { skin, corners, faces }
}

/// Columns around the rim: enough for a notch.
const AROUND: usize = 104;

/// The rim, clockwise from the head as seen from above.
fn rims(shell: &Shell) -> Vec<P2> {
    (0..=AROUND)
        .map(|c| {
            let a = c as f32 / AROUND as f32 * TAU;
            if a <= PI { shell.rim(a, 1.0) } else { shell.rim(TAU - a, -1.0) }
        })
        .collect()
}

fn carapace(shell: &Shell) -> Mesh {
    let (rims, rows) = (rims(shell), 13);
    sheet(Skin::Carapace, [rows, AROUND], true, true, |r, c| {
        // closer rows at the rim, where the dome is steep
        let share = pow(r as f32 / rows as f32, 0.7);
        let (x, y) = (rims[c][0] * share, rims[c][1] * share);
        let uv = [(x - LOW[0]) / (HIGH[0] - LOW[0]), (HIGH[1] - y) / (HIGH[1] - LOW[1])];
        (v3(x, y, shell.dome(share, rims[c])), uv, 1.0)
    })
}

fn underside(shell: &Shell) -> Mesh {
    let (rims, rows) = (rims(shell), 4);
    sheet(Skin::Belly, [rows, AROUND], true, false, |r, c| {
        let share = r as f32 / rows as f32;
        let (x, y) = (rims[c][0] * share, rims[c][1] * share);
        let z = mix(-0.19, 0.032, pow(share, 3.0));
        (v3(x, y, z), [x * 0.5 + 0.5, 0.5 - y * 0.5], 0.7)
    })
}

/// Sections of neck and head: place along, half width, half height, lift.
const SECTIONS: &[[f32; 4]] = &[
    [0.0, 0.27, 0.17, 0.0],
    [0.15, 0.245, 0.165, 0.01],
    [0.3, 0.205, 0.16, 0.02],
    [0.42, 0.21, 0.17, 0.03],
    [0.52, 0.25, 0.205, 0.04],
    [0.62, 0.268, 0.222, 0.045],
    [0.72, 0.25, 0.212, 0.04],
    [0.8, 0.205, 0.188, 0.025],
    [0.88, 0.148, 0.148, 0.0],
    [0.94, 0.105, 0.112, -0.02],
    [0.985, 0.058, 0.064, -0.045],
    [1.0, 0.004, 0.004, -0.06],
];

/// A row of a table at `t`, between its rows.
fn between<const N: usize>(table: &[[f32; N]], t: f32) -> [f32; N] {
    let i = table.iter().rposition(|row| row[0] <= t).unwrap_or(0).min(table.len() - 2);
    let (a, b) = (table[i], table[i + 1]);
    let k = ((t - a[0]) / (b[0] - a[0])).clamp(0.0, 1.0);
    std::array::from_fn(|c| mix(a[c], b[c], k))
}

fn head(build: &Build, posture: &Posture) -> Mesh {
    let (rows, cols) = (22, 20);
    let length = 1.04 * build.head;
    // the neck bends step by step
    let mut centres = vec![v3(0.0, 0.74, 0.04)];
    let mut aims = Vec::new();
    for r in 0..=rows {
        let t = r as f32 / rows as f32;
        let bend = smooth(0.1, 0.5, t);
        let aim = Turn::z(-posture.look[0] * bend).after(Turn::x(posture.look[1] * bend));
        centres.push(centres[r] + aim.of(v3(0.0, length / rows as f32, 0.0)));
        aims.push(aim);
    }
    sheet(Skin::Head, [rows, cols], true, true, |r, c| {
        let t = r as f32 / rows as f32;
        let [_, w, h, lift] = between(SECTIONS, t);
        let a = (c as f32 / cols as f32 - 0.5) * TAU;
        let k = build.head;
        // flatter on top than below
        let (x, z) = (w * sin(a), h * cos(a) * if cos(a) > 0.0 { 0.92 } else { 1.0 } + lift);
        let uv = [a / TAU + 0.5, 1.0 - t];
        (centres[r] + aims[r].of(v3(x * k, 0.0, z * k)), uv, mix(0.35, 1.0, smooth(0.05, 0.4, t)))
    })
}

/// A limb: a flat tapering tube along a bending line.
struct Limb {
    skin: Skin,
    side: usize,
    root: V3,
    length: f32,
    /// Direction at the root, from sideways (0) forwards.
    aim: f32,
    /// How far it bends back by its tip.
    bend: f32,
    flap: f32,
    twist: f32,
    /// Place along, half chord, half thickness, in parts of the length.
    table: &'static [[f32; 3]],
}

fn limb(l: &Limb) -> Mesh {
    let (rows, cols) = (13, 10);
    let out = if l.side == 0 { -1.0 } else { 1.0 };
    let mut centres = vec![l.root];
    let mut chords = Vec::new();
    for r in 0..=rows {
        let t = r as f32 / rows as f32;
        let a = l.aim - l.bend * smooth(0.1, 1.0, t);
        let f = l.flap * (0.6 + 0.5 * t);
        let step = v3(out * cos(a) * cos(f), sin(a), sin(f) * 0.9);
        centres.push(centres[r] + step * (l.length / rows as f32));
        let w = l.twist * t;
        let chord = v3(-out * sin(a) * cos(w), cos(a) * cos(w), sin(w));
        chords.push((chord, step.cross(chord).unit() * out));
    }
    sheet(l.skin, [rows, cols], true, l.side == 1, |r, c| {
        let t = r as f32 / rows as f32;
        let [_, half, thick] = between(l.table, t);
        let a = c as f32 / cols as f32 * TAU;
        let (chord, up) = chords[r];
        let along = half * cos(a);
        let p = centres[r] + chord * (along * l.length) + up * (thick * sin(a) * l.length);
        let uv = [0.5 - along / (2.0 * HALF_CHORD), 1.0 - t];
        (p, uv, mix(0.4, 1.0, smooth(0.0, 0.35, t)))
    })
}

const FRONT: &[[f32; 3]] = &[
    [0.0, 0.12, 0.06],
    [0.2, 0.125, 0.055],
    [0.38, 0.135, 0.042],
    [0.6, 0.105, 0.03],
    [0.8, 0.075, 0.02],
    [0.93, 0.045, 0.012],
    [1.0, 0.006, 0.004],
];

const BACK: &[[f32; 3]] =
    &[[0.0, 0.1, 0.07], [0.3, 0.13, 0.05], [0.65, 0.18, 0.03], [0.85, 0.165, 0.02], [1.0, 0.05, 0.008]];

fn front(build: &Build, posture: &Posture, side: usize) -> Mesh {
    let out = if side == 0 { -1.0 } else { 1.0 };
    limb(&Limb {
        skin: Skin::Flipper(side),
        side,
        root: v3(out * 0.46, 0.6, -0.04),
        length: 1.22 * build.flipper,
        aim: 0.35 + posture.sweep[side],
        bend: 1.35,
        flap: posture.flap[side],
        twist: posture.twist[side],
        table: FRONT,
    })
}

fn hind(posture: &Posture, side: usize) -> Mesh {
    let out = if side == 0 { -1.0 } else { 1.0 };
    limb(&Limb {
        skin: Skin::Hind,
        side,
        root: v3(out * 0.3, -0.68, -0.05),
        length: 0.66,
        aim: -1.15 + posture.hind[side],
        bend: 0.35,
        flap: -0.12,
        twist: 0.2,
        table: BACK,
    })
}

fn tail() -> Mesh {
    // it wears the skin of the neck
    sheet(Skin::Head, [4, 8], true, true, |r, c| {
        let t = r as f32 / 4.0;
        let a = (c as f32 / 8.0 - 0.5) * TAU;
        let w = 0.085 * (1.0 - t) + 0.004;
        let p = v3(-w * sin(a), -0.86 - 0.2 * t, -0.03 - 0.04 * t + w * 0.8 * cos(a));
        (p, [0.5 + 0.3 * a / TAU, 0.95 - 0.2 * t], 0.7)
    })
}

/// Where the side of the head meets the top in its picture: keeps `hide` and this file to the same unrolling.
const _: () = assert!(HALF_ROUND > 0.5 && HALF_ROUND < 1.0);
