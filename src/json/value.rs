//! [`Value`]: a value of a parsed document.

use simd_json::{prelude::*, tape};

/// The type of a [`Value`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool,
    /// A number.
    Number,
    /// A string.
    String,
    /// An array.
    Array,
    /// An object.
    Object,
}

/// A value of a document that was parsed in place, valid for the time of a call.
///
/// ```
/// use wsimd::{JsonError, Message};
///
/// let message = Message::from(r#"{"bids": [["101.5", 2], ["101.4", 7]]}"#);
/// let sum: u64 = message.json_with(|book| {
///     let Some(bids) = book.get("bids") else { return 0 };
///     bids.items().filter_map(|bid| bid.at(1)?.as_u64()).sum()
/// })?;
/// assert_eq!(sum, 9);
/// # Ok::<(), JsonError>(())
/// ```
///
/// Methods for another type return `None`, or an empty iterator. [`get`](Self::get) takes time in proportion to the
/// fields of the object, and [`at`](Self::at) to the elements before the element.
#[derive(Clone, Copy, Debug)]
pub struct Value<'a>(tape::Value<'a, 'a>);

impl<'a> Value<'a> {
    pub(super) const fn new(value: tape::Value<'a, 'a>) -> Self {
        Self(value)
    }

    /// Returns the type of the value.
    pub fn kind(self) -> Kind {
        match self.0.value_type() {
            ValueType::Null => Kind::Null,
            ValueType::Bool => Kind::Bool,
            ValueType::String => Kind::String,
            ValueType::Array => Kind::Array,
            ValueType::Object => Kind::Object,
            _ => Kind::Number,
        }
    }

    /// Returns the last field of an object with this name, as serde_json does.
    pub fn get(self, name: &str) -> Option<Self> {
        let fields = self.entries().filter(|(field, _)| *field == name);
        fields.last().map(|(_, value)| value)
    }

    /// Returns the element of an array.
    pub fn at(self, index: usize) -> Option<Self> {
        self.0.get_idx(index).map(Self)
    }

    /// Returns the elements of an array.
    pub fn items(self) -> impl Iterator<Item = Self> {
        let items = self.0.as_array().map(|array| array.iter());
        items.into_iter().flatten().map(Self)
    }

    /// Returns the names and values of the fields of an object.
    pub fn entries(self) -> impl Iterator<Item = (&'a str, Self)> {
        let entries = self.0.as_object().map(|object| object.iter());
        let entries = entries.into_iter().flatten();
        entries.map(|(name, value)| (name, Self(value)))
    }

    /// Returns the number of elements of an array or of fields of an object; 0 for other values.
    pub fn len(self) -> usize {
        let fields = || self.0.as_object().map(|object| object.len());
        let items = self.0.as_array().map(|array| array.len());
        items.or_else(fields).unwrap_or(0)
    }

    /// Returns whether the value has no element and no field.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// Returns the string.
    pub fn as_str(self) -> Option<&'a str> {
        self.0.into_string()
    }

    /// Returns the boolean.
    pub fn as_bool(self) -> Option<bool> {
        self.0.as_bool()
    }

    /// Returns an integer without fraction and exponent, if it is in range.
    pub fn as_i64(self) -> Option<i64> {
        self.0.as_i64()
    }

    /// Returns an integer without fraction and exponent, if it is in range.
    pub fn as_u64(self) -> Option<u64> {
        self.0.as_u64()
    }

    /// Returns the number, rounded if it is a large integer.
    pub fn as_f64(self) -> Option<f64> {
        self.0.cast_f64()
    }

    /// Returns whether the value is `null`.
    pub fn is_null(self) -> bool {
        self.0.is_null()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Message;

    fn read<R>(text: &str, f: impl FnOnce(Value<'_>) -> R) -> R {
        Message::from(text).json_with(f).unwrap()
    }

    #[test]
    fn values_are_read_by_their_type() {
        read(
            r#"{"s":"a\u00e9","n":-1,"u":18446744073709551615,"f":1.5,"t":true,"z":null,"a":[1,[2]],"o":{}}"#,
            |it| {
                let get = |name| it.get(name).unwrap();
                assert_eq!(get("s").as_str(), Some("aé"));
                assert_eq!(
                    (get("n").as_i64(), get("n").as_u64(), get("n").as_f64()),
                    (Some(-1), None, Some(-1.0))
                );
                assert_eq!(
                    (get("u").as_u64(), get("u").as_i64()),
                    (Some(u64::MAX), None)
                );
                assert_eq!((get("f").as_f64(), get("f").as_i64()), (Some(1.5), None));
                assert_eq!((get("t").as_bool(), get("z").is_null()), (Some(true), true));
                assert_eq!(
                    get("a")
                        .at(1)
                        .and_then(|it| it.at(0))
                        .and_then(Value::as_i64),
                    Some(2)
                );
                assert!(
                    get("a").at(2).is_none() && it.at(0).is_none() && get("a").get("s").is_none()
                );
                assert_eq!((it.len(), get("a").len(), get("s").len()), (8, 2, 0));
                assert!(get("o").is_empty() && get("o").entries().next().is_none());
                assert_eq!(get("s").items().count(), 0);
                let kinds: Vec<Kind> = it.entries().map(|(_, value)| value.kind()).collect();
                use Kind::{Array, Bool, Null, Number, Object, String};
                assert_eq!(
                    kinds,
                    [String, Number, Number, Number, Bool, Null, Array, Object]
                );
            },
        );
    }

    #[test]
    fn of_several_fields_of_a_name_the_last_is_read() {
        assert_eq!(
            read(r#"{"a":1,"a":2}"#, |it| it.get("a")?.as_i64()),
            Some(2)
        );
    }
}
