//! Embeds the built assets: one table of hashed names, types and bytes, plain and compressed.
//! Refuses to build without them; it never runs npm itself.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

use flate2::{Compression, write::GzEncoder};
use sha2::{Digest, Sha256};

/// Every asset a page may name, with its content type. A missing one means that the assets were not built.
const ASSETS: [(&str, &str); 5] = [
    ("app.css", "text/css; charset=utf-8"),
    ("app.js", "text/javascript; charset=utf-8"),
    ("htmx.js", "text/javascript; charset=utf-8"),
    ("alpine.js", "text/javascript; charset=utf-8"),
    ("licenses.txt", "text/plain; charset=utf-8"),
];
/// Bytes of the hash that stand in a name; enough that two builds never share one.
const HASH_BYTES: usize = 8;

fn main() {
    let folder = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it")).join("assets/dist");
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it"));
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed={}", folder.display());
    let mut table = String::from("[\n");
    for (name, content_type) in ASSETS {
        let Ok(bytes) = fs::read(folder.join(name)) else {
            println!("cargo::error=the web assets are not built ({name} is missing): run `make assets`");
            return;
        };
        table.push_str(&embed(&out, name, content_type, &bytes));
    }
    table.push(']');
    fs::write(out.join("assets.rs"), table).expect("cargo's own folder is writable");
}

/// Writes both forms of one asset and returns its row of the table.
fn embed(out: &Path, name: &str, content_type: &str, bytes: &[u8]) -> String {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).expect("memory takes all bytes");
    let gzip = encoder.finish().expect("memory takes all bytes");
    let (plain_file, gzip_file) = (out.join(name), out.join(format!("{name}.gz")));
    fs::write(&plain_file, bytes).expect("cargo's own folder is writable");
    fs::write(&gzip_file, gzip).expect("cargo's own folder is writable");
    let hash = Sha256::digest(bytes).iter().take(HASH_BYTES).fold(String::new(), |mut hash, byte| {
        write!(hash, "{byte:02x}").expect("a string takes all text");
        hash
    });
    let (stem, extension) = name.split_once('.').expect("every asset has an extension");
    format!(
        "    Asset {{ name: {name:?}, path: \"/assets/{stem}-{hash}.{extension}\", content_type: {content_type:?}, \
         plain: include_bytes!({plain_file:?}), gzip: include_bytes!({gzip_file:?}) }},\n"
    )
}
