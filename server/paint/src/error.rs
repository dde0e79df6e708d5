//! Why an image is not made, cut by what the caller does about it.

/// Why an image is not made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PaintError {
    /// A file of the model is missing, damaged or asks for something we do not do; another request does not help.
    #[error("the model cannot be used: {file}: {reason}")]
    BadModel {
        /// The file, relative to the model's folder.
        file: String,
        /// What is wrong with it, with the name of the key or tensor.
        reason: String,
    },
    /// The request asks for something that this model or this program does not do; the text says what to change.
    #[error("{0}")]
    BadRequest(String),
    /// A model gave numbers that are not finite. Damaged weights do this, and settings far out of range.
    #[error("the model gave numbers that are not finite at {place}")]
    NotFinite {
        /// Where it was noticed.
        place: String,
    },
    /// The device failed; the text is the tensor library's.
    #[error("the computation failed: {0}")]
    Compute(String),
    /// The device has no memory for this; less at once may go.
    #[error("there is not enough memory: {0}")]
    OutOfMemory(String),
    /// The caller took the request back.
    #[error("cancelled")]
    Cancelled,
    /// A defect of ours.
    #[error("internal error of the image engine: {0}")]
    Bug(String),
}

impl PaintError {
    /// A file of the model that cannot be used, and why.
    pub(crate) fn bad_model(file: &str, reason: impl Into<String>) -> Self {
        Self::BadModel { file: file.to_owned(), reason: reason.into() }
    }
}

impl From<candle_core::Error> for PaintError {
    fn from(error: candle_core::Error) -> Self {
        let text = error.to_string();
        if is_out_of_memory(&text) { Self::OutOfMemory(text) } else { Self::Compute(text) }
    }
}

/// The tensor library has no error of its own for this; these are the words of CUDA's driver, of its library of products
/// and of Metal.
fn is_out_of_memory(text: &str) -> bool {
    ["OUT_OF_MEMORY", "CUBLAS_STATUS_ALLOC_FAILED", "Failed to create metal resource"]
        .iter()
        .any(|words| text.contains(words))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_devices_say_without_memory_is_told_from_other_failures() {
        let of = |text: &str| PaintError::from(candle_core::Error::Msg(text.to_owned()));
        for text in [
            r#"DriverError(CUDA_ERROR_OUT_OF_MEMORY, "out of memory")"#,
            "CublasError(CUBLAS_STATUS_ALLOC_FAILED)",
            "Failed to create metal resource: Buffer",
        ] {
            assert_eq!(of(text), PaintError::OutOfMemory(text.to_owned()));
        }
        let other = r#"DriverError(CUDA_ERROR_ILLEGAL_ADDRESS, "an illegal memory access was encountered")"#;
        assert_eq!(of(other), PaintError::Compute(other.to_owned()));
    }
}
