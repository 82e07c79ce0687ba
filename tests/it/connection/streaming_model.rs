//! Random stories of messages in chunks, beside whole messages as the model.

use wsimd::Config;

use crate::{
    endpoint::model::for_each_seed,
    support::{
        deflate::{agree, deflate},
        stream_story,
        tasks::{Random, runtime},
    },
};

#[test]
fn messages_in_chunks_agree_with_the_model() {
    let runtime = runtime();
    let _entered = runtime.enter();
    for_each_seed(2000, |seed| {
        let mut random = Random::new(seed);
        let _report = Report(seed);
        stream_story::play(&mut |limit| random.below(limit), |takeover| {
            let config = Config::new().extension(deflate(15, takeover));
            agree(&config, &config)
        });
    });
}

/// Prints the seed of a story that fails.
struct Report(u64);

impl Drop for Report {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("seed {}", self.0);
        }
    }
}
