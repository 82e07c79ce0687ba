//! The documents: made, parsed into a type, and read as trees of values.

use std::borrow::Cow;

use contestant::random::Random;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::node::Node;

/// A document that owns its strings.
pub trait Document: Serialize + DeserializeOwned + Sum {
    /// The same document, with strings that borrow from the message.
    type Borrowed<'a>: Deserialize<'a> + Sum;

    /// Creates a document of `parts` parts.
    fn new(random: &mut Random, parts: usize) -> Self;

    /// Returns the sum of a tree of values.
    fn sum_of(root: impl Node) -> Option<u64>;
}

/// The sum of a few fields, which shows that they were read.
pub trait Sum {
    fn sum(&self) -> u64;
}

/// A string that borrows from the message, unless it has an escape.
#[derive(Deserialize)]
#[serde(transparent)]
pub struct Borrowed<'a>(#[serde(borrow)] Cow<'a, str>);

impl AsRef<str> for Borrowed<'_> {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

/// A trade of an exchange: about 125 bytes.
#[derive(Deserialize, Serialize)]
pub struct Trade<S> {
    symbol: S,
    id: u64,
    price: f64,
    size: f64,
    side: S,
    time: u64,
    is_maker: bool,
}

impl<S: AsRef<str>> Sum for Trade<S> {
    fn sum(&self) -> u64 {
        text(self.symbol.as_ref()) + self.id + hundredths(self.price)
    }
}

impl Document for Trade<String> {
    type Borrowed<'a> = Trade<Borrowed<'a>>;

    fn new(random: &mut Random, _: usize) -> Self {
        Self {
            symbol: pick(random, "BTC-USD ETH-USD SOL-USD XRP-USD BTC-EUR AVAX-EUR"),
            id: 881_000_000 + u64::from(random.below(1_000_000)),
            price: decimal(random, 10_000_000, 100.0),
            size: decimal(random, 100_000, 10_000.0),
            side: pick(random, "buy sell"),
            time: time(random),
            is_maker: random.below(2) == 0,
        }
    }

    fn sum_of(root: impl Node) -> Option<u64> {
        let symbol = text(root.get("symbol")?.text()?);
        let price = hundredths(root.get("price")?.number()?);
        Some(symbol + root.get("id")?.integer()? + price)
    }
}

/// An order book: levels of price and size on each side, of about 18 bytes each.
#[derive(Deserialize, Serialize)]
pub struct Book<S> {
    symbol: S,
    time: u64,
    bids: Vec<(f64, f64)>,
    asks: Vec<(f64, f64)>,
}

impl<S: AsRef<str>> Sum for Book<S> {
    fn sum(&self) -> u64 {
        let best = |side: &[(f64, f64)]| side.first().map_or(0, |level| hundredths(level.0));
        text(self.symbol.as_ref()) + self.time + best(&self.bids) + best(&self.asks)
    }
}

impl Document for Book<String> {
    type Borrowed<'a> = Book<Borrowed<'a>>;

    fn new(random: &mut Random, levels: usize) -> Self {
        let mut side = || {
            let price = |random: &mut Random| decimal(random, 10_000_000, 100.0);
            let levels = (0..levels).map(|_| (price(random), decimal(random, 100_000, 10_000.0)));
            levels.collect()
        };
        Self {
            bids: side(),
            asks: side(),
            symbol: pick(random, "BTC-USD ETH-USD SOL-USD XRP-USD BTC-EUR AVAX-EUR"),
            time: time(random),
        }
    }

    fn sum_of(root: impl Node) -> Option<u64> {
        let best = |side| {
            let level = root.get(side)?.items().next()?;
            let price = level.items().next()?.number()?;
            Some(hundredths(price))
        };
        let symbol = text(root.get("symbol")?.text()?);
        Some(symbol + root.get("time")?.integer()? + best("bids")? + best("asks")?)
    }
}

/// Posts, of about 290 bytes each.
#[derive(Deserialize, Serialize)]
pub struct Posts<S> {
    posts: Vec<Post<S>>,
}

#[derive(Deserialize, Serialize)]
struct Post<S> {
    id: u64,
    author: S,
    text: S,
    likes: u64,
    tags: Vec<S>,
}

impl<S: AsRef<str>> Sum for Posts<S> {
    fn sum(&self) -> u64 {
        let texts = |post: &Post<S>| text(post.author.as_ref()) + text(post.text.as_ref());
        let sums = self.posts.iter().map(|post| texts(post) + post.likes);
        sums.sum()
    }
}

impl Document for Posts<String> {
    type Borrowed<'a> = Posts<Borrowed<'a>>;

    fn new(random: &mut Random, posts: usize) -> Self {
        let post = |_| {
            let words = 22 + random.below(26);
            Post {
                id: random.next() >> 16,
                author: pick(random, "amelie carlos dana jürgen søren wen"),
                text: (0..words).map(|_| pick(random, WORDS) + " ").collect(),
                likes: random.below(5000).into(),
                tags: vec![pick(random, WORDS), pick(random, WORDS)],
            }
        };
        let posts = (0..posts).map(post).collect();
        Self { posts }
    }

    fn sum_of(root: impl Node) -> Option<u64> {
        let posts = root.get("posts")?;
        let sums = posts.items().map(|post| {
            let texts = text(post.get("author")?.text()?) + text(post.get("text")?.text()?);
            Some(texts + post.get("likes")?.integer()?)
        });
        sums.sum()
    }
}

/// The words of posts. A few have escapes in JSON, and a few have characters beyond ASCII.
const WORDS: &str = "the a message of to and market opened higher today because rates fell again this week we \
    expect more news from people with long memories who remember café 日本 🙂 \"quoted\" back\\slash";

fn pick(random: &mut Random, words: &str) -> String {
    let words: Vec<&str> = words.split(' ').collect();
    words[random.below(words.len() as u32) as usize].into()
}

fn decimal(random: &mut Random, most: u32, scale: f64) -> f64 {
    f64::from(1 + random.below(most)) / scale
}

/// Returns a time of a certain day, in milliseconds.
fn time(random: &mut Random) -> u64 {
    1_731_000_000_000 + u64::from(random.below(86_400_000))
}

fn text(text: &str) -> u64 {
    let last = text.bytes().last().unwrap_or(0);
    text.len() as u64 * 256 + u64::from(last)
}

fn hundredths(number: f64) -> u64 {
    (number * 100.0).round() as u64
}
