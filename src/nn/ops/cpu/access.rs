//! Ways into memory: slices of dfdx tensors without a copy, and pointers that tasks may share.

use dfdx::prelude::{Cpu, HasShape};

use crate::nn::map::Flat;

/// The values of a flat tensor, without a copy.
pub(super) fn host(tensor: &Flat<Cpu>) -> &[f32] {
    let length = tensor.shape().0;
    if length == 0 {
        return &[];
    }
    let first: &f32 = &tensor[[0]];
    debug_assert!(length == 1 || std::ptr::eq(&tensor[[1]], std::ptr::from_ref(first).wrapping_add(1)));
    // SAFETY: a flat tensor of `nn` is made by `tensor_from_vec`, so its values lie one behind the other from the
    // first, as the assertion above checks; the borrow of the tensor keeps them alive and unchanged.
    unsafe { std::slice::from_raw_parts(first, length) }
}

/// The values of a flat tensor, to change in place; copied first when another tensor shares them.
pub(super) fn host_mut(tensor: &mut Flat<Cpu>) -> &mut [f32] {
    let length = tensor.shape().0;
    if length == 0 {
        return &mut [];
    }
    let first: &mut f32 = &mut tensor[[0]];
    // SAFETY: as in `host`; dfdx's `IndexMut` made the values unshared before it gave the reference.
    unsafe { std::slice::from_raw_parts_mut(first, length) }
}

/// A vector of `length` values that `fill` writes; saves the pass that would zero it first.
///
/// # Safety
/// `fill` must write every one of the `length` values behind the pointer.
pub(super) unsafe fn filled(length: usize, fill: impl FnOnce(Out)) -> Vec<f32> {
    let mut values = Vec::with_capacity(length);
    fill(Out(values.as_mut_ptr()));
    // SAFETY: the capacity is there and the caller's `fill` wrote all values.
    unsafe { values.set_len(length) };
    values
}

/// A pointer that tasks read through.
#[derive(Clone, Copy)]
pub(super) struct In<T = f32>(pub(super) *const T);

/// A pointer that tasks write through, each to places of its own.
#[derive(Clone, Copy)]
pub(super) struct Out<T = f32>(pub(super) *mut T);

// SAFETY: only an address; every use names the memory that a task owns or shares for reading.
unsafe impl<T> Send for In<T> {}
// SAFETY: as above.
unsafe impl<T> Sync for In<T> {}
// SAFETY: as above.
unsafe impl<T> Send for Out<T> {}
// SAFETY: as above.
unsafe impl<T> Sync for Out<T> {}

impl<T> In<T> {
    /// The pointer `offset` values on.
    ///
    /// # Safety
    /// Within the memory that the pointer was made for.
    #[inline(always)]
    pub(super) unsafe fn at(self, offset: usize) -> *const T {
        // SAFETY: the caller's.
        unsafe { self.0.add(offset) }
    }
}

impl<T> Out<T> {
    /// The pointer `offset` values on.
    ///
    /// # Safety
    /// Within the memory that the pointer was made for.
    #[inline(always)]
    pub(super) unsafe fn at(self, offset: usize) -> *mut T {
        // SAFETY: the caller's.
        unsafe { self.0.add(offset) }
    }
}

impl From<&[f32]> for In {
    fn from(slice: &[f32]) -> Self {
        In(slice.as_ptr())
    }
}

impl From<&mut [f32]> for Out {
    fn from(slice: &mut [f32]) -> Self {
        Out(slice.as_mut_ptr())
    }
}

thread_local! {
    static SCRATCH: std::cell::RefCell<Vec<f32>> = const { std::cell::RefCell::new(Vec::new()) };
}

/// Runs `work` with scratch memory of this thread: `length` values of unknown content, aligned to a cache line.
/// Kept between calls, because fresh memory costs more than most kernels. Not to be nested.
pub(super) fn scratch<R>(length: usize, work: impl FnOnce(*mut f32) -> R) -> R {
    const LINE: usize = 64;
    SCRATCH.with_borrow_mut(|memory| {
        let needed = length + LINE / size_of::<f32>();
        if memory.len() < needed {
            memory.resize(needed, 0.0);
        }
        let skip = memory.as_ptr().align_offset(LINE);
        work(memory[skip..].as_mut_ptr())
    })
}
