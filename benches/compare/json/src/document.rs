//! The documents, as types and as trees of values.

use std::borrow::Cow;

use serde::{Deserialize, de::DeserializeOwned};

use crate::node::Node;

/// A document that owns its strings.
pub trait Document: DeserializeOwned + Sum {
    /// The same document, with strings that borrow from the message.
    type Lent<'a>: Deserialize<'a> + Sum;

    /// Returns the sum of the same fields of a tree of values.
    fn sum_of(root: impl Node) -> Option<u64>;
}

/// The sum of a few fields, which shows that they were read.
pub trait Sum {
    fn sum(&self) -> u64;
}

/// A string that borrows from the message, unless it has an escape.
#[derive(Deserialize)]
#[serde(transparent)]
pub struct Lent<'a>(#[serde(borrow)] Cow<'a, str>);

impl AsRef<str> for Lent<'_> {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "fields are parsed, and some are read")]
pub struct Trade<S> {
    symbol: S,
    id: u64,
    price: f64,
    size: f64,
    side: S,
    time: u64,
    maker: bool,
}

impl<S: AsRef<str>> Sum for Trade<S> {
    fn sum(&self) -> u64 {
        text(self.symbol.as_ref()) + self.id + number(self.price)
    }
}

impl Document for Trade<String> {
    type Lent<'a> = Trade<Lent<'a>>;

    fn sum_of(root: impl Node) -> Option<u64> {
        let symbol = text(root.get("symbol")?.text()?);
        let price = number(root.get("price")?.number()?);
        Some(symbol + root.get("id")?.integer()? + price)
    }
}

/// Price and size of each level.
type Levels = Vec<(f64, f64)>;

#[derive(Deserialize)]
#[expect(dead_code, reason = "fields are parsed, and some are read")]
pub struct Book<S> {
    symbol: S,
    sequence: u64,
    time: u64,
    bids: Levels,
    asks: Levels,
}

impl<S: AsRef<str>> Sum for Book<S> {
    fn sum(&self) -> u64 {
        let best = |levels: &Levels| levels.first().map_or(0, |(price, _)| number(*price));
        text(self.symbol.as_ref()) + self.sequence + best(&self.bids) + best(&self.asks)
    }
}

impl Document for Book<String> {
    type Lent<'a> = Book<Lent<'a>>;

    fn sum_of(root: impl Node) -> Option<u64> {
        let best = |side| {
            let level = root.get(side)?.items().next()?;
            let price = level.items().next()?.number()?;
            Some(number(price))
        };
        let symbol = text(root.get("symbol")?.text()?);
        Some(symbol + root.get("sequence")?.integer()? + best("bids")? + best("asks")?)
    }
}

#[derive(Deserialize)]
pub struct Posts<S> {
    posts: Vec<Post<S>>,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "fields are parsed, and some are read")]
struct Post<S> {
    id: u64,
    author: S,
    text: S,
    likes: u64,
    tags: Vec<S>,
}

impl<S: AsRef<str>> Sum for Posts<S> {
    fn sum(&self) -> u64 {
        let posts = self.posts.iter();
        let sums =
            posts.map(|post| text(post.author.as_ref()) + text(post.text.as_ref()) + post.likes);
        sums.sum()
    }
}

impl Document for Posts<String> {
    type Lent<'a> = Posts<Lent<'a>>;

    fn sum_of(root: impl Node) -> Option<u64> {
        let posts = root.get("posts")?;
        let sums = posts.items().map(|post| {
            let texts = text(post.get("author")?.text()?) + text(post.get("text")?.text()?);
            Some(texts + post.get("likes")?.integer()?)
        });
        sums.sum()
    }
}

fn text(text: &str) -> u64 {
    let last = text.bytes().last().unwrap_or(0);
    text.len() as u64 * 256 + u64::from(last)
}

/// Returns hundredths.
fn number(number: f64) -> u64 {
    (number * 100.0).round() as u64
}
