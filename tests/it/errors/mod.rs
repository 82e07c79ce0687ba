//! The texts of errors, each from a real failure. They name the place, the value, the limit and the setting.

mod connection;
mod opening;
