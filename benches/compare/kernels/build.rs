//! tokio-websockets keeps its masking private. This finds the sources of that crate, and writes a module
//! that includes its src/mask.rs, and a module with a copy that never finds AVX-512.

use std::{
    env,
    error::Error,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

const DETECTION: &str = r#"is_x86_feature_detected!("avx512f")"#;
/// The features that its mask.rs asks for. None is on here.
const FEATURES: &str = r#"values("client", "fastrand", "nightly")"#;

fn main() -> Result<(), Box<dyn Error>> {
    let manifest = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("Cargo.toml");
    println!("cargo::rerun-if-changed=build.rs");
    println!(
        "cargo::rerun-if-changed={}",
        manifest.with_file_name("../Cargo.lock").display()
    );
    println!("cargo::rustc-check-cfg=cfg(feature, {FEATURES})");
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let source = package_folder(&manifest)?.join("src/mask.rs");
    let text = fs::read_to_string(&source)?;
    if text.matches(DETECTION).count() != 1 {
        return Err(format!("src/mask.rs does not ask once for `{DETECTION}`").into());
    }
    let copy = out.join("mask_avx2.rs");
    fs::write(&copy, text.replace(DETECTION, "false"))?;
    let modules = module("best", &source) + &module("avx2", &copy);
    fs::write(out.join("tokio_websockets.rs"), modules)?;
    Ok(())
}

/// Asks cargo for the folder of the package's sources.
fn package_folder(manifest: &Path) -> Result<PathBuf, Box<dyn Error>> {
    let output = Command::new(env::var("CARGO")?)
        .args(["metadata", "--format-version", "1", "--filter-platform"])
        .arg(env::var("TARGET")?)
        .arg("--manifest-path")
        .arg(manifest)
        .output()?;
    let metadata: Value = serde_json::from_slice(&output.stdout)?;
    let packages = metadata["packages"].as_array().ok_or("no packages")?;
    let path = packages
        .iter()
        .find(|package| package["name"] == "tokio-websockets")
        .and_then(|package| package["manifest_path"].as_str())
        .ok_or("cargo metadata does not list the package")?;
    Ok(PathBuf::from(path).with_file_name(""))
}

fn module(name: &str, source: &Path) -> String {
    format!(
        "pub mod {name} {{\n\
         #[path = {source:?}]\n\
         #[allow(clippy::all, clippy::pedantic, dead_code, unsafe_code, reason = \"not ours\")]\n\
         mod mask;\n\
         pub use mask::frame;\n\
         }}\n"
    )
}
