//! `config.json` of a part of a model, read strictly: each key is taken by its name and the rest must be known to be of no
//! consequence.
//!
//! Refuses: keys nobody took, values of another type, and sizes without bounds.

use std::cell::RefCell;
use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::error::PaintError;

/// Largest size, count of heads, channels or the like in any model here.
pub(crate) const SIZE_MAX: usize = 1 << 20;

/// The keys of one file.
pub(crate) struct ModelConfig {
    file: String,
    map: Map<String, Value>,
    taken: RefCell<BTreeSet<String>>,
}

impl ModelConfig {
    /// # Errors
    /// `BadModel` when the text is no JSON object.
    pub(crate) fn parse(file: &str, text: &str) -> Result<Self, PaintError> {
        match serde_json::from_str(text) {
            Ok(Value::Object(map)) => Ok(Self { file: file.to_owned(), map, taken: RefCell::default() }),
            Ok(_) => Err(PaintError::bad_model(file, "it is no JSON object")),
            Err(error) => Err(PaintError::bad_model(file, format!("it is no JSON: {error}"))),
        }
    }

    /// An error about this file.
    pub(crate) fn wrong(&self, reason: impl Into<String>) -> PaintError {
        PaintError::bad_model(&self.file, reason)
    }

    fn take(&self, key: &str) -> Option<&Value> {
        self.taken.borrow_mut().insert(key.to_owned());
        self.map.get(key).filter(|value| !value.is_null())
    }

    /// The keys of an object within the file, which are read and finished like those of a file.
    pub(crate) fn within(&self, key: &str) -> Result<Option<Self>, PaintError> {
        let within = |value: &Value| {
            let map = value.as_object().cloned().ok_or_else(|| self.wrong(format!("`{key}` is no object")))?;
            Ok(Self { file: self.file.clone(), map, taken: RefCell::default() })
        };
        self.take(key).map(within).transpose()
    }

    /// A size from 1 to [`SIZE_MAX`].
    pub(crate) fn size(&self, key: &str, default: Option<usize>) -> Result<usize, PaintError> {
        self.optional_size(key)?.or(default).ok_or_else(|| self.wrong(format!("`{key}` is missing")))
    }

    pub(crate) fn optional_size(&self, key: &str) -> Result<Option<usize>, PaintError> {
        self.take(key)
            .map(|value| size(value).ok_or_else(|| self.wrong(format!("`{key}` is no size"))))
            .transpose()
    }

    /// A list of sizes, or one size for all `count` of them.
    pub(crate) fn sizes(&self, key: &str, count: usize, default: Option<usize>) -> Result<Vec<usize>, PaintError> {
        let wrong = || self.wrong(format!("`{key}` is neither a size nor a list of {count}"));
        let Some(value) = self.take(key) else {
            return default.map(|size| vec![size; count]).ok_or_else(|| self.wrong(format!("`{key}` is missing")));
        };
        match value {
            Value::Array(list) if list.len() == count => {
                list.iter().map(|item| size(item).ok_or_else(wrong)).collect()
            }
            Value::Array(_) => Err(wrong()),
            one => Ok(vec![size(one).ok_or_else(wrong)?; count]),
        }
    }

    /// A list of sizes of any length up to `most`.
    pub(crate) fn list(&self, key: &str, most: usize) -> Result<Vec<usize>, PaintError> {
        let wrong = || self.wrong(format!("`{key}` is no list of 1 to {most} sizes"));
        let list = self.take(key).and_then(Value::as_array).ok_or_else(wrong)?;
        if list.is_empty() || list.len() > most {
            return Err(wrong());
        }
        list.iter().map(|item| size(item).ok_or_else(wrong)).collect()
    }

    /// A list of sizes, or this one where the key is absent.
    pub(crate) fn list_or(&self, key: &str, most: usize, default: &[usize]) -> Result<Vec<usize>, PaintError> {
        if self.take(key).is_none() { Ok(default.to_vec()) } else { self.list(key, most) }
    }

    pub(crate) fn number(&self, key: &str, default: Option<f64>) -> Result<f64, PaintError> {
        match self.take(key) {
            None => default.ok_or_else(|| self.wrong(format!("`{key}` is missing"))),
            Some(value) => {
                let number = value.as_f64().filter(|number| number.is_finite());
                number.ok_or_else(|| self.wrong(format!("`{key}` is no number")))
            }
        }
    }

    pub(crate) fn flag(&self, key: &str, default: bool) -> Result<bool, PaintError> {
        self.take(key).map_or(Ok(default), |value| {
            value.as_bool().ok_or_else(|| self.wrong(format!("`{key}` is neither true nor false")))
        })
    }

    pub(crate) fn word(&self, key: &str) -> Result<Option<&str>, PaintError> {
        self.take(key)
            .map(|value| value.as_str().ok_or_else(|| self.wrong(format!("`{key}` is no word"))))
            .transpose()
    }

    pub(crate) fn words(&self, key: &str, most: usize) -> Result<Vec<&str>, PaintError> {
        let wrong = || self.wrong(format!("`{key}` is no list of 1 to {most} words"));
        let list = self.take(key).and_then(Value::as_array).ok_or_else(wrong)?;
        if list.is_empty() || list.len() > most {
            return Err(wrong());
        }
        list.iter().map(|item| item.as_str().ok_or_else(wrong)).collect()
    }

    /// A key whose other values we do not do; absent and `null` count as the value.
    pub(crate) fn only(&self, key: &str, allowed: &[Value]) -> Result<(), PaintError> {
        match self.take(key) {
            Some(value) if !allowed.iter().any(|allowed| same(allowed, value)) => {
                Err(self.wrong(format!("`{key}` is {value}, which we do not do")))
            }
            _ => Ok(()),
        }
    }

    /// Ends the reading: every key was taken, begins with an underscore, or is among those of no consequence.
    pub(crate) fn finish(&self, of_no_consequence: &[&str]) -> Result<(), PaintError> {
        let taken = self.taken.borrow();
        let mut rest = self.map.keys().filter(|key| !key.starts_with('_') && !taken.contains(*key));
        match rest.find(|key| !of_no_consequence.contains(&key.as_str())) {
            Some(key) => Err(self.wrong(format!("the key `{key}` is unknown"))),
            None => Ok(()),
        }
    }
}

fn size(value: &Value) -> Option<usize> {
    value.as_u64().and_then(|size| usize::try_from(size).ok()).filter(|size| (1..=SIZE_MAX).contains(size))
}

/// Numbers are compared as numbers: 1 and 1.0 are the same.
fn same(a: &Value, b: &Value) -> bool {
    match (a.as_f64(), b.as_f64()) {
        (Some(a), Some(b)) => (a - b).abs() <= 0.0,
        _ => a == b,
    }
}
