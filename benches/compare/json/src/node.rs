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
        wsimd::json::Value::get(*self, name)
    }

    fn items(&self) -> impl Iterator<Item = Self> {
        wsimd::json::Value::items(*self)
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

impl Node for &serde_json::Value {
    fn get(&self, name: &str) -> Option<Self> {
        serde_json::Value::get(self, name)
    }

    fn items(&self) -> impl Iterator<Item = Self> {
        self.as_array().into_iter().flatten()
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

impl Node for &simd_json::BorrowedValue<'_> {
    fn get(&self, name: &str) -> Option<Self> {
        ValueObjectAccess::get(*self, name)
    }

    fn items(&self) -> impl Iterator<Item = Self> {
        ValueAsArray::as_array(*self).into_iter().flatten()
    }

    fn text(&self) -> Option<&str> {
        ValueAsScalar::as_str(*self)
    }

    fn number(&self) -> Option<f64> {
        ValueAsScalar::as_f64(*self)
    }

    fn integer(&self) -> Option<u64> {
        ValueAsScalar::as_u64(*self)
    }
}

impl Node for &sonic_rs::Value {
    fn get(&self, name: &str) -> Option<Self> {
        JsonValueTrait::get(*self, name)
    }

    fn items(&self) -> impl Iterator<Item = Self> {
        JsonContainerTrait::as_array(*self).into_iter().flatten()
    }

    fn text(&self) -> Option<&str> {
        JsonValueTrait::as_str(*self)
    }

    fn number(&self) -> Option<f64> {
        JsonValueTrait::as_f64(*self)
    }

    fn integer(&self) -> Option<u64> {
        JsonValueTrait::as_u64(*self)
    }
}
