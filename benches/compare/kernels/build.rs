//! tokio-websockets keeps its masking to itself, so this finds where cargo has put the sources of
//! that crate and writes a module that includes src/mask.rs from there, as it is. Where that fails,
//! the module holds the reason instead, and the contender is reported as missing.

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
/// The features that its mask.rs asks for; none is on here.
const FEATURES: &str = r#"values("client", "fastrand", "nightly")"#;

fn main() -> Result<(), Box<dyn Error>> {
    let manifest = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("Cargo.toml");
    let lock = manifest.with_file_name("../Cargo.lock");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed={}", lock.display());
    println!("cargo::rustc-check-cfg=cfg(feature, {FEATURES})");
    let module = match mask_source(&manifest) {
        Ok(source) => including(&source),
        Err(reason) => format!("pub const MASK: Result<Mask, &str> = Err({reason:?});\n"),
    };
    let out = Path::new(&env::var("OUT_DIR")?).join("tokio_websockets.rs");
    fs::write(out, module)?;
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

fn including(source: &Path) -> String {
    format!(
        "#[path = {source:?}]\n\
         #[allow(clippy::all, clippy::pedantic, unsafe_code, reason = \"not ours\")]\n\
         mod mask;\n\
         pub const MASK: Result<Mask, &str> = Ok(mask::frame);\n"
    )
}
