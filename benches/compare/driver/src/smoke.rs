//! A round that shows whether every contestant works: echoes of all kinds on both runtimes, and two
//! scenarios in memory. Nothing is timed.

use contestant::Content;

use crate::{
    Outcome,
    contestants::{CONTROL, Contestant, FLOOR, Field},
    deflate,
    load::Load,
    memory,
    server::Server,
    traffic::Traffic,
};

/// Text, multi-byte, binary, empty ones, each width of the length field, and 1 MiB.
const ECHOES: [(Content, usize); 9] = [
    (Content::Ascii, 5),
    (Content::Multi, 125),
    (Content::Multi, 126),
    (Content::Json, 4096),
    (Content::Binary, 0),
    (Content::Ascii, 0),
    (Content::Binary, 65_535),
    (Content::Binary, 65_536),
    (Content::Multi, 1 << 20),
];
const IN_MEMORY: [&str; 2] = [
    "decode:server:1024:json:4096:16:2000",
    "encode:client:16384:binary:65536:0:200",
];

/// Says whether all who could be built work.
pub fn run(field: &Field) -> bool {
    let mut fine = true;
    for contestant in field
        .contestants
        .iter()
        .filter(|contestant| contestant.name != CONTROL)
    {
        match check(contestant) {
            Ok(remarks) => println!("ok   {}{remarks}", contestant.name),
            Err(reason) => {
                fine = false;
                println!("FAIL {}: {reason}", contestant.name);
            }
        }
    }
    let compressing = field.deflate.iter();
    for contestant in compressing.filter(|it| !it.raw && it.name != deflate::OURS_AGAIN) {
        match deflate::smoke(contestant) {
            Ok(remarks) => println!("ok   {}{remarks}", contestant.name),
            Err(reason) => {
                fine = false;
                println!("FAIL {}: {reason}", contestant.name);
            }
        }
    }
    for listing in &field.listings {
        if let Some(reason) = &listing.missing {
            println!("UNAVAILABLE {}: {reason}", listing.name);
            // What is of this repository has no excuse.
            fine &= !listing.is_ours() && !listing.name.starts_with("tcp-");
        }
    }
    if field.find(FLOOR).is_none() {
        println!("FAIL: without {FLOOR} nothing can be compared");
        fine = false;
    }
    fine
}

fn check(contestant: &Contestant) -> Outcome<String> {
    for runtime in ["current", "multi2"] {
        let mut server = Server::start(contestant, runtime, None)?;
        for (content, size) in ECHOES {
            echo(&mut server, contestant, content, size)
                .map_err(|reason| format!("{runtime}, {content:?} of {size} bytes: {reason}"))?;
        }
    }
    let mut remarks = String::new();
    if !contestant.in_memory {
        return Ok(remarks);
    }
    for scenario in IN_MEMORY {
        match memory::ask(contestant, scenario, None) {
            Ok(_) => {}
            Err(reason) if reason.starts_with("unsupported") => {
                remarks.push_str(&format!(" ({scenario}: {reason})"));
            }
            Err(reason) => return Err(format!("{scenario}: {reason}")),
        }
    }
    Ok(remarks)
}

fn echo(
    server: &mut Server,
    contestant: &Contestant,
    content: Content,
    size: usize,
) -> Outcome<()> {
    let traffic = Traffic::with_pool(content, size, contestant.raw, 64 << 10);
    let mut load = Load::connect(server.port, 2, &traffic, false)?;
    load.run(16, 4).map_err(|reason| server.explain(&reason))?;
    server.check()
}
