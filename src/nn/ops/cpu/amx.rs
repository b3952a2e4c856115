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

/// Tiles 0 to 3 are sums, 4 and 5 pixels, 6 and 7 weights: all of sixteen rows of 64 bytes.
static ALL_FULL: Configuration = Configuration {
    palette: 1,
    start: 0,
    reserved: [0; 14],
    bytes_a_row: [64, 64, 64, 64, 64, 64, 64, 64, 0, 0, 0, 0, 0, 0, 0, 0],
    rows: [16, 16, 16, 16, 16, 16, 16, 16, 0, 0, 0, 0, 0, 0, 0, 0],
};

/// The four products of two tiles of pixels with two of weights, or those of them that a block has.
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

macro_rules! load_pixels {
    (2) => {
        "tileloadd tmm4, [{a} + {s}]\ntileloadd tmm5, [{a} + {s} + 1024]"
    };
    (1) => {
        "tileloadd tmm4, [{a} + {s}]"
    };
}

macro_rules! load_weights {
    (2) => {
        "tileloadd tmm6, [{b} + {s}]\ntileloadd tmm7, [{b} + {s} + 1024]"
    };
    (1) => {
        "tileloadd tmm6, [{b} + {s}]"
    };
}

/// One step of a block: both sides loaded, one side, or the other, then multiplied.
macro_rules! steps {
    ($rows:tt $columns:tt: $both:ident $pixels:ident $weights:ident) => {
        #[inline(always)]
        unsafe fn $both(a: *const u8, b: *const u8) {
            // SAFETY: the caller's: both sides are good for their tiles, which are configured.
            unsafe {
                asm!(load_pixels!($rows), load_weights!($columns), multiply!($rows $columns),
                    a = in(reg) a, b = in(reg) b, s = in(reg) 64usize, options(nostack, readonly));
            }
        }
        #[inline(always)]
        unsafe fn $pixels(a: *const u8) {
            // SAFETY: as above.
            unsafe {
                asm!(load_pixels!($rows), multiply!($rows $columns),
                    a = in(reg) a, s = in(reg) 64usize, options(nostack, readonly));
            }
        }
        #[inline(always)]
        unsafe fn $weights(b: *const u8) {
            // SAFETY: as above.
            unsafe {
                asm!(load_weights!($columns), multiply!($rows $columns),
                    b = in(reg) b, s = in(reg) 64usize, options(nostack, readonly));
            }
        }
    };
}
steps!(2 2: both22 pixels22 weights22);
steps!(2 1: both21 pixels21 weights21);
steps!(1 2: both12 pixels12 weights12);
steps!(1 1: both11 pixels11 weights11);

/// The sums of one form of block.
macro_rules! block {
    ($name:ident: $columns:tt $both:ident $pixels:ident $weights:ident) => {
        #[inline(always)]
        unsafe fn $name<const PARTS: usize>(block: &Block) {
            let tile = $columns * 1024;
            let mut b = block.weights;
            // SAFETY: the caller's.
            unsafe {
                for pair in 0..block.pairs {
                    let pixels = block.pixels.add(pair * block.pair);
                    for &tap in block.taps {
                        let a = |part: usize| pixels.add(part * block.part + tap);
                        match PARTS {
                            1 => $both(a(0), b),
                            // low by high, high by high, high by low: one side stays in its registers
                            2 => {
                                $both(a(1), b);
                                $pixels(a(0));
                                $weights(b.add(tile));
                            }
                            _ => {
                                $both(a(2), b);
                                $both(a(1), b.add(tile));
                                $weights(b);
                                $pixels(a(0));
                                $weights(b.add(tile));
                                $weights(b.add(2 * tile));
                            }
                        }
                        b = b.add(PARTS * tile);
                    }
                }
            }
        }
    };
}
block!(block22: 2 both22 pixels22 weights22);
block!(block21: 1 both21 pixels21 weights21);
block!(block12: 2 both12 pixels12 weights12);
block!(block11: 1 both11 pixels11 weights11);

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
    unsafe fn block<const PARTS: usize>(block: &Block, sums: *mut f32) {
        // SAFETY: the caller's.
        unsafe {
            asm!("tilezero tmm0", "tilezero tmm1", "tilezero tmm2", "tilezero tmm3", options(nostack, nomem));
            match (block.rows, block.columns) {
                (2, 2) => block22::<PARTS>(block),
                (2, _) => block21::<PARTS>(block),
                (_, 2) => block12::<PARTS>(block),
                _ => block11::<PARTS>(block),
            }
            asm!("tilestored [{c} + {s}], tmm0", "tilestored [{c} + {s} + 1024], tmm1",
                "tilestored [{c} + {s} + 2048], tmm2", "tilestored [{c} + {s} + 3072], tmm3",
                c = in(reg) sums, s = in(reg) 64usize, options(nostack));
        }
    }
}
