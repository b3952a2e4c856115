//! Tile products on AMX: sixteen rows of bf16 pairs times sixteen lines of them, summed in fp32.
//!
//! Stable Rust has no names for the instructions, so they are written out. A process asks the kernel for the tiles
//! once; a thread configures them for a job and gives them up behind it, since live tiles make every switch dearer.

use std::arch::asm;
use std::sync::OnceLock;

use super::product_of_tiles::{Block, Unit};

/// Whether this process may use AMX with bf16.
pub(super) fn available() -> bool {
    static ALLOWED: OnceLock<bool> = OnceLock::new();
    *ALLOWED.get_or_init(|| {
        let features = std::arch::x86_64::__cpuid_count(7, 0).edx;
        let (bf16, tile) = (features >> 22 & 1, features >> 24 & 1);
        let vectors = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq");
        bf16 == 1 && tile == 1 && vectors && permitted()
    })
}

/// Asks Linux for the tile registers (5.16 and later; it refuses where the machine hides them).
fn permitted() -> bool {
    const ARCH_PRCTL: i64 = 158;
    const REQUEST_PERMISSION: i64 = 0x1023;
    const TILE_DATA: i64 = 18;
    if !cfg!(target_os = "linux") {
        return false;
    }
    let mut result = ARCH_PRCTL;
    // SAFETY: the call changes nothing but what this process may execute; the registers that it overwrites are named.
    unsafe {
        asm!("syscall", inout("rax") result, in("rdi") REQUEST_PERMISSION, in("rsi") TILE_DATA,
            out("rcx") _, out("r11") _, options(nostack));
    }
    result == 0
}

/// The instructions.
pub(super) struct Amx;

#[repr(C, align(64))]
struct Configuration {
    palette: u8,
    start: u8,
    reserved: [u8; 14],
    bytes_a_row: [u16; 16],
    rows: [u8; 16],
}

/// Tiles 0 to 3 are sums, 4 and 5 the left factors, 6 and 7 the right: all of sixteen rows of 64 bytes.
static ALL_FULL: Configuration = Configuration {
    palette: 1,
    start: 0,
    reserved: [0; 14],
    bytes_a_row: [64, 64, 64, 64, 64, 64, 64, 64, 0, 0, 0, 0, 0, 0, 0, 0],
    rows: [16, 16, 16, 16, 16, 16, 16, 16, 0, 0, 0, 0, 0, 0, 0, 0],
};

/// The four products of two tiles with two, or those of them that a block has.
macro_rules! multiply {
    (2 2) => {
        "tdpbf16ps tmm0, tmm4, tmm6\ntdpbf16ps tmm1, tmm4, tmm7\ntdpbf16ps tmm2, tmm5, tmm6\ntdpbf16ps tmm3, tmm5, tmm7"
    };
    (2 1) => {
        "tdpbf16ps tmm0, tmm4, tmm6\ntdpbf16ps tmm2, tmm5, tmm6"
    };
    (1 2) => {
        "tdpbf16ps tmm0, tmm4, tmm6\ntdpbf16ps tmm1, tmm4, tmm7"
    };
    (1 1) => {
        "tdpbf16ps tmm0, tmm4, tmm6"
    };
}

/// One step of a block: both sides loaded, the left one, or the right one, then multiplied. `second` is what lies
/// between the two tiles of a side.
macro_rules! steps {
    ($rows:tt $columns:tt: $both:ident $left:ident $right:ident) => {
        #[inline(always)]
        unsafe fn $left(a: *const u8, second: usize) {
            // SAFETY: the caller's: the side is good for its tiles, which are configured.
            unsafe {
                load!($rows, "tmm4", "tmm5", a, second);
                asm!(multiply!($rows $columns), options(nostack, nomem));
            }
        }
        #[inline(always)]
        unsafe fn $right(b: *const u8, second: usize) {
            // SAFETY: as above.
            unsafe {
                load!($columns, "tmm6", "tmm7", b, second);
                asm!(multiply!($rows $columns), options(nostack, nomem));
            }
        }
        #[inline(always)]
        unsafe fn $both(a: *const u8, a_second: usize, b: *const u8, b_second: usize) {
            // SAFETY: as above.
            unsafe {
                load!($rows, "tmm4", "tmm5", a, a_second);
                load!($columns, "tmm6", "tmm7", b, b_second);
                asm!(multiply!($rows $columns), options(nostack, nomem));
            }
        }
    };
}

/// Loads one tile or two.
macro_rules! load {
    (2, $first:literal, $other:literal, $from:ident, $second:ident) => {
        asm!(concat!("tileloadd ", $first, ", [{p} + {s}]"), concat!("tileloadd ", $other, ", [{q} + {s}]"),
            p = in(reg) $from, q = in(reg) $from.wrapping_add($second), s = in(reg) 64usize, options(nostack, readonly))
    };
    (1, $first:literal, $other:literal, $from:ident, $second:ident) => {{
        let _ = $second;
        asm!(concat!("tileloadd ", $first, ", [{p} + {s}]"),
            p = in(reg) $from, s = in(reg) 64usize, options(nostack, readonly))
    }};
}
steps!(2 2: both22 left22 right22);
steps!(2 1: both21 left21 right21);
steps!(1 2: both12 left12 right12);
steps!(1 1: both11 left11 right11);

/// The sums of one form of block.
macro_rules! block {
    ($name:ident: $both:ident $left:ident $right:ident) => {
        #[inline(always)]
        unsafe fn $name<const PARTS: usize>(block: &Block) {
            let [second_a, second_b] = block.second;
            // SAFETY: the caller's.
            unsafe {
                for round in 0..block.rounds {
                    let (left, right) =
                        (block.left.add(round * block.round[0]), block.right.add(round * block.round[1]));
                    for &[at_a, at_b] in block.steps {
                        let (left, right) = (left.add(at_a), right.add(at_b));
                        let a = |part: usize| left.wrapping_add(part * block.part[0]);
                        let b = |part: usize| right.wrapping_add(part * block.part[1]);
                        match PARTS {
                            1 => $both(left, second_a, right, second_b),
                            // low by high, high by high, high by low: one side stays in its registers
                            2 => {
                                $both(a(1), second_a, right, second_b);
                                $left(left, second_a);
                                $right(b(1), second_b);
                            }
                            _ => {
                                $both(a(2), second_a, right, second_b);
                                $both(a(1), second_a, b(1), second_b);
                                $right(right, second_b);
                                $left(left, second_a);
                                $right(b(1), second_b);
                                $right(b(2), second_b);
                            }
                        }
                    }
                }
            }
        }
    };
}
block!(block22: both22 left22 right22);
block!(block21: both21 left21 right21);
block!(block12: both12 left12 right12);
block!(block11: both11 left11 right11);

impl Unit for Amx {
    #[inline(always)]
    unsafe fn begin() {
        // SAFETY: the caller's: AMX is there; the configuration is valid for palette 1.
        unsafe { asm!("ldtilecfg [{}]", in(reg) &raw const ALL_FULL, options(nostack, readonly)) }
    }

    #[inline(always)]
    unsafe fn end() {
        // SAFETY: the caller's.
        unsafe { asm!("tilerelease", options(nostack, nomem)) }
    }

    #[inline(always)]
    unsafe fn block<const PARTS: usize>(block: &Block, to: [*mut f32; 4]) {
        let [c0, c1, c2, c3] = to;
        // SAFETY: the caller's.
        unsafe {
            if block.add {
                asm!("tileloadd tmm0, [{c0} + {s}]", "tileloadd tmm1, [{c1} + {s}]",
                    "tileloadd tmm2, [{c2} + {s}]", "tileloadd tmm3, [{c3} + {s}]",
                    c0 = in(reg) c0, c1 = in(reg) c1, c2 = in(reg) c2, c3 = in(reg) c3, s = in(reg) 64usize,
                    options(nostack, readonly));
            } else {
                asm!("tilezero tmm0", "tilezero tmm1", "tilezero tmm2", "tilezero tmm3", options(nostack, nomem));
            }
            match (block.rows, block.columns) {
                (2, 2) => block22::<PARTS>(block),
                (2, _) => block21::<PARTS>(block),
                (_, 2) => block12::<PARTS>(block),
                _ => block11::<PARTS>(block),
            }
            asm!("tilestored [{c0} + {s}], tmm0", "tilestored [{c1} + {s}], tmm1",
                "tilestored [{c2} + {s}], tmm2", "tilestored [{c3} + {s}], tmm3",
                c0 = in(reg) c0, c1 = in(reg) c1, c2 = in(reg) c2, c3 = in(reg) c3, s = in(reg) 64usize,
                options(nostack));
        }
    }
}
