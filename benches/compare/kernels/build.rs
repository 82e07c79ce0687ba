//! tokio-websockets keeps its masking to itself, so this finds where cargo has put the sources of
//! that crate and writes a module that includes src/mask.rs from there, as it is, and one of a copy
//! that never finds AVX-512. Where that fails, the module holds the reason instead, and the contender
//! is reported as missing.

use std::{
    env,
    error::Error,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

const PACKAGE: &str = "tokio-websockets";
const SIGNATURE: &str = "pub fn frame(key: &mut [u8; 4], input: &mut [u8])";
/// What the copy has `false` for.
const DETECTION: &str = r#"is_x86_feature_detected!("avx512f")"#;
/// The features that its mask.rs asks for; none is on here.
const FEATURES: &str = r#"values("client", "fastrand", "nightly")"#;

fn main() -> Result<(), Box<dyn Error>> {
    let manifest = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("Cargo.toml");
    let lock = manifest.with_file_name("../Cargo.lock");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed={}", lock.display());
    println!("cargo::rustc-check-cfg=cfg(feature, {FEATURES})");
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let source = mask_source(&manifest);
    let copy = source
        .clone()
        .and_then(|source| without_avx512(&source, &out.join("mask_avx2.rs")));
    let modules = module("best", source) + &module("avx2", copy);
    fs::write(out.join("tokio_websockets.rs"), modules)?;
    Ok(())
}

/// Finds mask.rs and checks that it still has the function that is wanted.
fn mask_source(manifest: &Path) -> Result<PathBuf, String> {
    let package = package_folder(manifest).map_err(|error| error.to_string())?;
    let source = package.join("src/mask.rs");
    let text = fs::read_to_string(&source).map_err(|error| format!("src/mask.rs: {error}"))?;
    if !text.contains(SIGNATURE) {
        return Err(format!("src/mask.rs has no `{SIGNATURE}`"));
    }
    println!("cargo::rerun-if-changed={}", source.display());
    Ok(source)
}

/// Asks cargo where the package's sources are.
fn package_folder(manifest: &Path) -> Result<PathBuf, Box<dyn Error>> {
    let output = Command::new(env::var("CARGO")?)
        .args(["metadata", "--format-version", "1", "--filter-platform"])
        .arg(env::var("TARGET")?)
        .arg("--manifest-path")
        .arg(manifest)
        .output()?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr);
        return Err(format!("cargo metadata: {}", text.trim()).into());
    }
    let metadata: Value = serde_json::from_slice(&output.stdout)?;
    let packages = metadata["packages"].as_array().ok_or("no packages")?;
    let path = packages
        .iter()
        .find(|package| package["name"] == PACKAGE)
        .and_then(|package| package["manifest_path"].as_str())
        .ok_or("cargo metadata does not list the package")?;
    Ok(PathBuf::from(path).with_file_name(""))
}

/// Writes a copy of mask.rs that chooses AVX2 at best.
fn without_avx512(source: &Path, copy: &Path) -> Result<PathBuf, String> {
    let text = fs::read_to_string(source).map_err(|error| error.to_string())?;
    if text.matches(DETECTION).count() != 1 {
        return Err(format!("src/mask.rs does not ask once for `{DETECTION}`"));
    }
    fs::write(copy, text.replace(DETECTION, "false")).map_err(|error| error.to_string())?;
    Ok(copy.into())
}

/// Writes a module with the function of a source file, or with the reason why there is none.
fn module(name: &str, source: Result<PathBuf, String>) -> String {
    let content = match source {
        Ok(source) => format!(
            "#[path = {source:?}]\n\
             #[allow(clippy::all, clippy::pedantic, dead_code, unsafe_code, reason = \"not ours\")]\n\
             mod mask;\n\
             pub use mask::frame;\n\
             pub const MISSING: Option<&str> = None;\n"
        ),
        Err(reason) => format!(
            "pub fn frame(_: &mut [u8; 4], _: &mut [u8]) {{ unreachable!() }}\n\
             pub const MISSING: Option<&str> = Some({reason:?});\n"
        ),
    };
    format!("pub mod {name} {{\n{content}}}\n")
}
