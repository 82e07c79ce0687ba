//! Messages like those of real servers, for compression. They are the same in every run.

use std::fmt::Write;

use bytes::Bytes;

use crate::{Content, random::Random};

/// Creates the messages, all distinct. Together they are many times as long as a window.
pub fn messages(content: Content) -> Vec<Bytes> {
    const LARGE: [usize; 12] = [64, 1024, 128, 96, 512, 768, 256, 80, 384, 640, 192, 320];
    let mut random = Random::new(0xDEF1A7E);
    let random = &mut random;
    let texts: Vec<String> = match content {
        Content::Trades => market(random, 4096, trade),
        Content::Books => market(random, 1024, book),
        Content::Chat => (0..4096).map(|_| line(random)).collect(),
        Content::LargePages => LARGE.iter().map(|kib| page(random, kib << 10)).collect(),
        _ => (0..256)
            .map(|_| {
                let length = 12_000 + random.below(9_000) as usize;
                page(random, length)
            })
            .collect(),
    };
    texts.into_iter().map(Bytes::from).collect()
}

const SYMBOLS: [(&str, u32); 12] = [
    ("BTC-USD", 6_412_050),
    ("ETH-USD", 318_425),
    ("SOL-USD", 14_260),
    ("XRP-USD", 5_210),
    ("ADA-USD", 4_433),
    ("DOGE-USD", 1_287),
    ("BTC-EUR", 5_903_310),
    ("ETH-EUR", 293_377),
    ("LTC-USD", 8_214),
    ("DOT-USD", 6_120),
    ("LINK-USD", 13_590),
    ("AVAX-EUR", 2_764),
];

/// Prices that wander, a clock and a counter.
struct Market {
    prices: [u32; 12],
    time: u64,
    id: u64,
}

fn market(
    random: &mut Random,
    count: usize,
    message: fn(&mut Market, &mut Random) -> String,
) -> Vec<String> {
    let mut market = Market {
        prices: SYMBOLS.map(|(_, price)| price),
        time: 1_731_000_000_000,
        id: 881_204_771,
    };
    let mut all = Vec::with_capacity(count);
    for _ in 0..count {
        market.time += u64::from(random.below(90));
        market.id += 1 + u64::from(random.below(4));
        all.push(message(&mut market, random));
    }
    all
}

/// Some symbols are traded more than others.
fn pick(market: &mut Market, random: &mut Random) -> (&'static str, u32) {
    let index = (random.below(12).min(random.below(12))) as usize;
    let price = &mut market.prices[index];
    let step = (*price / 4000).max(2);
    *price = (*price + random.below(2 * step + 1))
        .saturating_sub(step)
        .max(10);
    (SYMBOLS[index].0, *price)
}

fn cents(price: u32) -> String {
    format!("{}.{:02}", price / 100, price % 100)
}

fn trade(market: &mut Market, random: &mut Random) -> String {
    let (symbol, price) = pick(market, random);
    let (time, id) = (market.time, market.id);
    let side = ["buy", "sell"][random.below(2) as usize];
    format!(
        "{{\"type\":\"trade\",\"symbol\":\"{symbol}\",\"id\":{id},\"price\":\"{}\",\
         \"size\":\"{}.{:04}\",\"side\":\"{side}\",\"time\":{time}}}",
        cents(price),
        random.below(9).saturating_sub(6),
        random.below(10_000),
    )
}

fn book(market: &mut Market, random: &mut Random) -> String {
    let (symbol, price) = pick(market, random);
    let (time, id) = (market.time, market.id);
    let mut text = format!(
        "{{\"type\":\"book\",\"symbol\":\"{symbol}\",\"sequence\":{id},\"time\":{time},\"bids\":["
    );
    for (side, end) in [(-1, "],\"asks\":["), (1, "]}")] {
        let mut at = i64::from(price);
        for level in 0..19 {
            at += side * i64::from(1 + random.below(6));
            let comma = if level == 0 { "" } else { "," };
            let (whole, part) = (random.below(12), random.below(10_000));
            let price = cents(u32::try_from(at.max(1)).unwrap_or(1));
            let _ = write!(text, "{comma}[\"{price}\",\"{whole}.{part:04}\"]");
        }
        text.push_str(end);
    }
    text
}

const NAMES: [&str; 24] = [
    "amelie", "björn", "carlos", "dana", "emeka", "fatima", "george", "hana", "igor", "jürgen",
    "kofi", "lena", "mateo", "noor", "olga", "priya", "quentin", "rosa", "søren", "tomás", "uma",
    "viktor", "wen", "zoë",
];

/// Common words first: they are picked as often as people use them.
const WORDS: &str = include_str!("words.txt");

fn words() -> Vec<&'static str> {
    WORDS.split_whitespace().collect()
}

fn word<'a>(words: &[&'a str], random: &mut Random) -> &'a str {
    let part = f64::from(random.below(1 << 20)) / f64::from(1 << 20);
    words[(part * part * words.len() as f64) as usize]
}

/// Appends a sentence of about so many bytes.
fn sentence(text: &mut String, words: &[&str], random: &mut Random, length: usize) {
    let start = text.len();
    while text.len() < start + length {
        let word = word(words, random);
        if text.len() == start {
            text.extend(word.chars().take(1).flat_map(char::to_uppercase));
            text.push_str(&word[1..]);
        } else {
            text.push_str([" ", " ", " ", " ", " ", ", "][random.below(6) as usize]);
            text.push_str(word);
        }
    }
    text.push_str([".", ".", ".", "?", "!", " 🙂", " 👍"][random.below(7) as usize]);
}

fn line(random: &mut Random) -> String {
    let words = words();
    let name = NAMES[random.below(24).min(random.below(24)) as usize];
    let (hour, minute) = (8 + random.below(12), random.below(60));
    let mut text = format!("[{hour:02}:{minute:02}] {name}: ");
    if random.below(4) == 0 {
        let _ = write!(text, "@{} ", NAMES[random.below(24) as usize]);
    }
    let length = 30 + random.below(90) as usize;
    sentence(&mut text, &words, random, length);
    if random.below(12) == 0 {
        let _ = write!(text, " https://example.com/t/{:x}", random.next());
    }
    text
}

/// A page of articles and tables.
fn page(random: &mut Random, length: usize) -> String {
    let words = words();
    let mut text = String::from("<!DOCTYPE html>\n<html lang=\"en\">\n<head><title>");
    sentence(&mut text, &words, random, 30);
    text.push_str(
        "</title><meta charset=\"utf-8\"><link rel=\"stylesheet\" href=\"/static/site.css\"></head>\n\
         <body class=\"page\">\n<nav><a href=\"/\">Home</a> <a href=\"/news\">News</a></nav>\n",
    );
    while text.len() < length {
        let id = random.below(1_000_000);
        let _ = write!(text, "<article class=\"post\" id=\"post-{id}\">\n  <h2>");
        sentence(&mut text, &words, random, 25);
        let name = NAMES[random.below(24) as usize];
        let day = 1 + random.below(28);
        let _ = writeln!(
            text,
            "</h2>\n  <p class=\"meta\">by <a href=\"/people/{name}\">{name}</a>, \
             <time datetime=\"2026-11-{day:02}\">{day} November</time></p>"
        );
        for _ in 0..1 + random.below(3) {
            text.push_str("  <p>");
            for _ in 0..2 + random.below(4) {
                let length = 40 + random.below(80) as usize;
                sentence(&mut text, &words, random, length);
                text.push(' ');
            }
            text.push_str("</p>\n");
        }
        if random.below(3) == 0 {
            text.push_str("  <table class=\"figures\">\n");
            for _ in 0..3 + random.below(6) {
                let (name, a, b) = (word(&words, random), random.below(9999), random.below(100));
                let _ = writeln!(
                    text,
                    "    <tr><td>{name}</td><td class=\"number\">{a}</td>\
                     <td class=\"number\">{b} %</td></tr>"
                );
            }
            text.push_str("  </table>\n");
        }
        text.push_str("</article>\n");
    }
    text.push_str("</body>\n</html>\n");
    text
}
