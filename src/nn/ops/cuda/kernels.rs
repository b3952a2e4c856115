//! Our own kernels: their sources, their names, and how they are compiled for the card.

use std::ffi::CString;

use cudarc::driver::{result, sys};
use cudarc::nvrtc::{CompileError, CompileOptions, compile_ptx_with_opts};

use super::Problem;
use super::engine::failed;

/// One text for the compiler: the first piece is what the others share.
const SOURCE: &str = concat!(
    include_str!("kernels/common.cu"),
    include_str!("kernels/elements.cu"),
    include_str!("kernels/norm.cu"),
    include_str!("kernels/sums.cu"),
    include_str!("kernels/pool.cu"),
    include_str!("kernels/depthwise.cu"),
    include_str!("kernels/conv.cu"),
    include_str!("kernels/update.cu"),
    include_str!("kernels/retrieval.cu"),
    include_str!("kernels/layer_norm.cu"),
    include_str!("kernels/attention.cu"),
    include_str!("kernels/patches.cu"),
);

/// Names the kernels of `kernels/`.
macro_rules! kernels {
    ($($kernel:ident)*) => {
        /// A kernel of `kernels/`, by its name there.
        #[allow(non_camel_case_types, missing_docs)]
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Kernel { $($kernel),* }
        const NAMES: &[&str] = &[$(stringify!($kernel)),*];
    };
}
kernels! {
    photos activate_4 activate_1 activate_back_4 activate_back_1 blend_4 blend_1 mix_4 mix_1 narrow widen add_bias scale_4 scale_1 spread_4 spread_1
    norm_4 norm_1 norm_back_4 norm_back_1 sums_4 sums_1 plain_sums_4 plain_sums_1 moments_4 moments_1 norm_back_sums_4 norm_back_sums_1 finish_sums finish_map finish_moments finish_norm_back
    pool pool_place pool_back
    depthwise_3_1 depthwise_3_2 depthwise_back_3_1 depthwise_weight_3_1 depthwise_weight_3_2
    depthwise_5_1 depthwise_5_2 depthwise_back_5_1 depthwise_weight_5_1 depthwise_weight_5_2
    depthwise_7_1 depthwise_7_2 depthwise_back_7_1 depthwise_weight_7_1 depthwise_weight_7_2
    depthwise_back_3_2_4 depthwise_back_3_2_1 depthwise_back_5_2_4 depthwise_back_5_2_1 depthwise_back_7_2_4
    depthwise_back_7_2_1 conv conv_back conv_weight adam sgd squares distances
    layer_norm layer_norm_back layer_norm_back_sums_4 layer_norm_back_sums_1 attention attention_back merge part reframe
}

/// Compiles the kernels for a card of that compute capability, with maps of f32 or bf16; in the order of [`Kernel`].
pub(super) fn compile(capability: [i32; 2], half_maps: bool) -> Result<Vec<sys::CUfunction>, Problem> {
    let arch = format!("compute_{}{}", capability[0], capability[1]);
    let options = CompileOptions { arch: Some(Box::leak(arch.into_boxed_str())), ..CompileOptions::default() };
    let source = if half_maps { format!("#define HALF_MAPS\n{SOURCE}") } else { SOURCE.to_owned() };
    let ptx = compile_ptx_with_opts(source, options).map_err(|e| Problem::Kernels {
        reason: match e {
            CompileError::CompileError { log, .. } => log.to_string_lossy().trim().to_owned(),
            other => format!("{other:?}"),
        },
    })?;
    let image = CString::new(ptx.to_src()).map_err(|e| Problem::Kernels { reason: e.to_string() })?;
    // SAFETY: text that ends with a zero, as the driver wants its PTX.
    let module = unsafe { result::module::load_data(image.as_ptr().cast()) };
    let module = module.map_err(|e| failed("cuModuleLoadData", e))?;
    let function = |name: &&str| {
        let name = CString::new(*name).unwrap_or_default();
        // SAFETY: a module that is never unloaded.
        unsafe { result::module::get_function(module, name) }.map_err(|e| failed("cuModuleGetFunction", e))
    };
    NAMES.iter().map(function).collect()
}
