//! The part of byte kernels: runs `kernels` several times and collects its lines.

use std::process::{Command, Stdio};

use crate::{Outcome, contestants::build, machine, plan::Place, server::prepare, session::Session};

pub const PART: &str = "kernels";

pub fn run(session: &mut Session) -> Outcome<()> {
    if !session.plan.kernels {
        return Ok(());
    }
    let path = build(&session.workspace, PART)?.join(PART);
    for round in 0..session.plan.rounds.kernels {
        eprintln!("kernels, round {}", round + 1);
        let mut command = Command::new(&path);
        command.stdin(Stdio::null()).stderr(Stdio::inherit());
        prepare(&mut command, (machine::cores() >= 2).then_some(1));
        let output = command.output()?;
        if !output.status.success() {
            return Err(format!("`kernels` failed ({})", output.status).into());
        }
        // Scenario, contestant and nanoseconds.
        for line in String::from_utf8_lossy(&output.stdout).lines() {
            let fields: Vec<&str> = line.split('\t').collect();
            let [scenario, contestant, ns] = fields[..] else {
                return Err(format!("`kernels` printed {line:?}").into());
            };
            let place = Place {
                part: PART,
                scenario,
                contestant,
                round,
            };
            session.add(&place, Ok(vec![("ns", ns.parse()?)]));
        }
    }
    Ok(())
}
