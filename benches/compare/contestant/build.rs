//! Writes a table of the versions in Cargo.lock, so that every contestant names its library's version.

use std::{env, error::Error, fs, path::Path};

fn main() -> Result<(), Box<dyn Error>> {
    let lock = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("../Cargo.lock");
    println!("cargo::rerun-if-changed={}", lock.display());
    println!("cargo::rerun-if-changed=build.rs");
    let text = fs::read_to_string(lock).unwrap_or_default();
    let table: String = text.split("[[package]]").filter_map(row).collect();
    let out = Path::new(&env::var("OUT_DIR")?).join("versions.rs");
    fs::write(out, format!("&[\n{table}]\n"))?;
    Ok(())
}

/// Returns a line of the table for one package of the lock file.
fn row(package: &str) -> Option<String> {
    let field = |name: &str| {
        package
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(" = "))
    };
    Some(format!("({}, {}),\n", field("name")?, field("version")?))
}
