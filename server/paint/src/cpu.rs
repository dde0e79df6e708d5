//! The kernels that take most of a step's time on a processor, in f32, as candle's own operations.
//!
//! candle's do the same sums with a copy for each step between; these keep what they work on in the cache. Refuses:
//! other devices and other types, for which candle's operations stay.

mod attention;
mod conv;
mod exp;
mod gelu;
mod group_norm;
mod product;
#[cfg(test)]
mod tests;
mod winograd;

use candle_core::{CpuStorage, DType, Layout, Tensor};

pub(crate) use attention::Attention;
pub(crate) use conv::Conv;
pub(crate) use gelu::GatedGelu;
pub(crate) use group_norm::GroupNorm;

/// Whether these kernels can take a tensor.
pub(crate) fn takes(x: &Tensor) -> bool {
    x.device().is_cpu() && x.dtype() == DType::F32 && has_fused_products()
}

/// Without an instruction for `a * b + c` each of them would be a call.
fn has_fused_products() -> bool {
    #[cfg(target_arch = "x86_64")]
    return std::arch::is_x86_feature_detected!("fma");
    #[cfg(not(target_arch = "x86_64"))]
    return cfg!(target_arch = "aarch64");
}

/// The numbers of a tensor from its first on.
fn numbers<'a>(storage: &'a CpuStorage, layout: &Layout) -> candle_core::Result<&'a [f32]> {
    Ok(&storage.as_slice::<f32>()?[layout.start_offset()..])
}

/// The numbers of a tensor that has no gaps.
fn contiguous<'a>(storage: &'a CpuStorage, layout: &Layout) -> candle_core::Result<&'a [f32]> {
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(&storage.as_slice::<f32>()?[start..end]),
        None => candle_core::bail!("a kernel was given a tensor with gaps"),
    }
}
