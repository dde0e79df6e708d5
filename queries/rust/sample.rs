//! A shop, small enough to read.

use std::collections::HashMap;
use std::fmt::{self, Display};

mod stock;

/// The most items one basket holds.
const ITEMS_MAX: usize = 10;

/// What a customer carries.
#[derive(Default)]
pub struct Basket<T> {
    items: Vec<T>,
    prices: HashMap<String, u32>,
}

// Not a doc comment, but it belongs to the block below.
impl<T: Display> Basket<T> {
    /// Adds one item.
    ///
    /// Full baskets refuse.
    pub fn add(&mut self, item: T) -> Result<(), Full> {
        if self.items.len() >= ITEMS_MAX {
            return Err(Full { wanted: ITEMS_MAX });
        }
        self.items.push(item);
        Ok(())
    }
}

pub struct Full {
    wanted: usize,
}

impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "more than {}", self.wanted)
    }
}

pub enum Pay {
    Cash,
    Card(u64),
}

trait Discount {
    type Unit;
    fn percent(&self) -> u8;
}

macro_rules! shelf {
    ($name:ident) => {
        stock::shelf(stringify!($name))
    };
}

mod tests {
    fn fills() {
        let basket = super::Basket::<u8>::default();
        shelf!(fruit);
        drop(basket);
    }
}
