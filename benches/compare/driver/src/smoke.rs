//! A check that every contestant works: echoes of all kinds on both runtimes, with compression, over TLS and without,
//! and scenarios in memory. Nothing is timed.

use contestant::{Content, Settings};

use crate::{
    Outcome,
    contestants::{Contestant, FLOOR, Field, is_ours},
    load::Load,
    memory,
    scenario::Scenario,
    server::{Server, Start},
    traffic::Traffic,
};

/// Text, multi-byte, binary, empty messages, each width of the length field, and 1 MiB.
const ECHOES: [(usize, Content); 9] = [
    (5, Content::Ascii),
    (125, Content::Multi),
    (126, Content::Multi),
    (4096, Content::Json),
    (0, Content::Binary),
    (0, Content::Ascii),
    (65_535, Content::Binary),
    (65_536, Content::Binary),
    (1 << 20, Content::Multi),
];
const COMPRESSED: [(usize, Content); 4] = [
    (0, Content::Trades),
    (0, Content::Pages),
    (0, Content::LargePages),
    (1024, Content::Binary),
];
const SETTINGS: [&str; 3] = ["6:15:takeover:0", "6:10:takeover:0", "6:15:alone:0"];
const IN_MEMORY: [&str; 2] = [
    "decode server 1 KiB json chunk 4 KiB",
    "encode client 16 KiB binary",
];
const MESSAGES: u64 = 1000;

/// Returns whether all contestants that were built work, and ours and the floors were built.
pub fn run(field: &Field) -> bool {
    let mut fine = true;
    for contestant in field.contestants.iter().filter(|it| !it.again()) {
        match check(contestant) {
            Ok(()) => println!("ok   {}", contestant.name),
            Err(reason) => {
                fine = false;
                println!("FAIL {}: {reason}", contestant.name);
            }
        }
    }
    for (name, reason) in &field.missing {
        println!("UNAVAILABLE {name}: {reason}");
        fine &= !is_ours(name) && !name.starts_with("tcp-");
    }
    fine && field.find(FLOOR).is_some()
}

fn check(contestant: &Contestant) -> Outcome<()> {
    let runtimes = ["current", "multi2"].into_iter();
    for (runtime, tls) in runtimes.flat_map(|it| [(it, false), (it, true)]) {
        let start = Start {
            runtime,
            tls,
            ..Start::CURRENT
        };
        if contestant.serves(start) {
            echo(contestant, start, &ECHOES)
                .map_err(|reason| format!("{runtime}, TLS {tls}, {reason}"))?;
        }
    }
    for text in SETTINGS {
        let settings: Settings = text.parse()?;
        let start = Start {
            deflate: Some(&settings),
            ..Start::CURRENT
        };
        if contestant.serves(start) {
            echo(contestant, start, &COMPRESSED).map_err(|reason| format!("{text}, {reason}"))?;
        }
    }
    for name in IN_MEMORY {
        let scenario = Scenario::parse(name)?;
        if contestant.in_memory(&scenario) {
            memory::ask(contestant, &scenario.argument(MESSAGES), None)
                .map_err(|reason| format!("{name}: {reason}"))?;
        }
    }
    Ok(())
}

fn echo(contestant: &Contestant, start: Start<'_>, kinds: &[(usize, Content)]) -> Outcome<()> {
    let mut server = Server::start(contestant, start)?;
    for (size, content) in kinds {
        let kind = (*size, *content);
        let traffic = Traffic::new(kind, start, contestant.info.raw, 64 << 10)?;
        Load::connect(server.port, 2, &traffic, false)
            .and_then(|mut load| load.run(16, 4))
            .map_err(|reason| format!("{kind:?}: {}", server.explain(reason)))?;
        server.check()?;
    }
    Ok(())
}
