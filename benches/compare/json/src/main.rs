//! Measures JSON messages in memory: a server receives each message in a masked frame, parses the document and reads
//! a few fields.
//!
//! Prints a line for each measurement: scenario, contestant, and the medians of nanoseconds and allocations of a
//! message. A scenario is `typed` or `dynamic` and a kind of document.

mod contender;
mod document;
mod node;
mod pool;

use contestant::{BoxError, rounds};

use contender::{Contender, dynamic, typed};
use document::{Book, Document, Posts, Trade};
use pool::Pool;

type Outcome<T> = Result<T, BoxError>;

/// The median of the rounds is the result.
const ROUNDS: usize = 15;

fn main() -> Outcome<()> {
    run::<Trade<String>>("trade 125 B", 125, 1)?;
    run::<Book<String>>("book 800 B", 800, 21)?;
    run::<Book<String>>("book 15 KB", 15_000, 440)?;
    run::<Posts<String>>("posts 580 B", 580, 2)?;
    run::<Posts<String>>("posts 5.8 KB", 5800, 20)?;
    run::<Posts<String>>("posts 58 KB", 58_000, 200)
}

/// Measures all contenders with one kind of document.
fn run<D: Document>(name: &str, size: usize, parts: usize) -> Outcome<()> {
    let pool = Pool::new::<D>(size, parts)?;
    run_all(&format!("typed {name}"), &pool, &typed::<D>())?;
    run_all(&format!("dynamic {name}"), &pool, &dynamic::<D>())
}

fn run_all(scenario: &str, pool: &Pool, contenders: &[Contender]) -> Outcome<()> {
    let medians = rounds::medians(contenders.len(), ROUNDS, |turn| {
        let Contender { name, run } = &contenders[turn];
        run(pool).map_err(|error| format!("{scenario}: {name}: {error}"))
    })?;
    for (contender, [ns, allocations]) in contenders.iter().zip(medians) {
        println!("{scenario}\t{}\t{ns:.2}\t{allocations:.2}", contender.name);
    }
    Ok(())
}
