//! tokio-websockets keeps its masking private. This copies its src/mask.rs, and makes a second copy that never
//! finds AVX-512.

use std::{env, error::Error, fs, path::PathBuf};

use cargo_metadata::MetadataCommand;

const DETECTION: &str = r#"is_x86_feature_detected!("avx512f")"#;
/// The features that its mask.rs asks for. None is on here.
const FEATURES: &str = r#"values("client", "fastrand", "nightly")"#;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=../Cargo.lock");
    println!("cargo::rustc-check-cfg=cfg(feature, {FEATURES})");
    let platform = ["--filter-platform".into(), env::var("TARGET")?];
    let metadata = MetadataCommand::new().other_options(platform).exec()?;
    let mut packages = metadata.packages.iter();
    let package = packages.find(|package| package.name == "tokio-websockets");
    let manifest = &package
        .ok_or("cargo lists no tokio-websockets")?
        .manifest_path;
    let source = fs::read_to_string(manifest.with_file_name("src/mask.rs"))?;
    // An included file has no documentation of its own.
    let source = source.replace("//!", "//");
    let narrow = source.replace(DETECTION, "false");
    if source.matches(DETECTION).count() != 1 {
        return Err(format!("src/mask.rs does not ask once for `{DETECTION}`").into());
    }
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out.join("best.rs"), source)?;
    fs::write(out.join("avx2.rs"), narrow)?;
    Ok(())
}
