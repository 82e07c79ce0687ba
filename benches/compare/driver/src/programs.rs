//! The parts that are a program each, with all contenders in one process: runs it several times and collects its
//! lines.

use std::process::{Command, Stdio};

use crate::{
    Outcome, contestants::build, machine, options::Part, plan::Place, server::prepare,
    session::Session,
};

pub const KERNELS: &str = "kernels";
pub const JSON: &str = "json";
/// The parts and their packages.
pub const PARTS: [(Part, &str); 2] = [(Part::Kernels, KERNELS), (Part::Json, JSON)];

pub fn run(session: &mut Session) -> Outcome<()> {
    for part in session.plan.programs.clone() {
        run_program(session, part)?;
    }
    Ok(())
}

fn run_program(session: &mut Session, part: &'static str) -> Outcome<()> {
    let path = build(&session.workspace, part)?.join(part);
    for round in 0..session.plan.rounds.programs {
        eprintln!("{part}, round {}", round + 1);
        let mut command = Command::new(&path);
        command.stdin(Stdio::null()).stderr(Stdio::inherit());
        prepare(&mut command, (machine::cores() >= 2).then_some(1));
        let output = command.output()?;
        if !output.status.success() {
            return Err(format!("`{part}` failed ({})", output.status).into());
        }
        // Scenario, contestant, nanoseconds and perhaps allocations.
        for line in String::from_utf8_lossy(&output.stdout).lines() {
            let mut fields = line.split('\t');
            let (Some(scenario), Some(contestant)) = (fields.next(), fields.next()) else {
                return Err(format!("`{part}` printed {line:?}").into());
            };
            let place = Place {
                part,
                scenario,
                contestant,
                round,
            };
            let measures = ["ns", "allocations"].into_iter().zip(fields);
            let values = measures.map(|(measure, value)| Ok((measure, value.parse()?)));
            session.add(&place, Ok(values.collect::<Outcome<_>>()?));
        }
    }
    Ok(())
}
