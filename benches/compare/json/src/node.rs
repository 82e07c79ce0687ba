//! [`Node`]: a value of a tree, as each parser has it.

use simd_json::prelude::*;
use sonic_rs::{JsonContainerTrait, JsonValueTrait};

/// Access to a value whose type is not known before.
pub trait Node: Sized {
    /// Returns a field of an object.
    fn get(&self, name: &str) -> Option<Self>;
    /// Returns the elements of an array.
    fn items(&self) -> impl Iterator<Item = Self>;
    fn text(&self) -> Option<&str>;
    fn number(&self) -> Option<f64>;
    fn integer(&self) -> Option<u64>;
}

impl Node for wsimd::json::Value<'_> {
    fn get(&self, name: &str) -> Option<Self> {
        (*self).get(name)
    }

    fn items(&self) -> impl Iterator<Item = Self> {
        (*self).items()
    }

    fn text(&self) -> Option<&str> {
        self.as_str()
    }

    fn number(&self) -> Option<f64> {
        self.as_f64()
    }

    fn integer(&self) -> Option<u64> {
        self.as_u64()
    }
}

/// The other parsers have methods of the same names, in traits of their own.
macro_rules! nodes {
    ($($value:ty),*) => {$(
        impl Node for &$value {
            fn get(&self, name: &str) -> Option<Self> {
                (**self).get(name)
            }

            fn items(&self) -> impl Iterator<Item = Self> {
                (**self).as_array().into_iter().flatten()
            }

            fn text(&self) -> Option<&str> {
                (**self).as_str()
            }

            fn number(&self) -> Option<f64> {
                (**self).as_f64()
            }

            fn integer(&self) -> Option<u64> {
                (**self).as_u64()
            }
        }
    )*};
}

nodes!(
    serde_json::Value,
    simd_json::BorrowedValue<'_>,
    sonic_rs::Value
);
