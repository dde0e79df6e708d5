//! The secrets list: names of files and folders that are never read, whatever a workspace says, and private keys under any
//! name.
//!
//! Refuses: any setting. A false alarm costs one unindexed file; a miss puts a key into a prompt.

/// Folders that hold credentials.
const FOLDERS: &[&str] = &[
    ".aws",
    ".azure",
    ".docker",
    ".gcloud",
    ".gnupg",
    ".gpg",
    ".kube",
    ".password-store",
    ".ssh",
    ".1password",
    ".keychain",
    ".secrets",
];

/// Complete file names, in lower case.
const NAMES: &[&str] = &[
    ".boto",
    ".dockercfg",
    ".bash_history",
    ".envrc",
    ".git-credentials",
    ".htpasswd",
    ".my.cnf",
    ".mysql_history",
    ".netrc",
    ".npmrc",
    ".pgpass",
    ".psql_history",
    ".pypirc",
    ".s3cfg",
    ".vault-token",
    ".vault_pass",
    ".zsh_history",
    "_netrc",
    "auth.json",
    "htpasswd",
    "kubeconfig",
    "kubeconfig.yaml",
    "kubeconfig.yml",
    "local.settings.json",
    "rclone.conf",
    "token.json",
    "wallet.dat",
];

/// File name extensions, in lower case.
const EXTENSIONS: &[&str] = &[
    "agekey", "env", "gpg", "jks", "kdb", "kdbx", "key", "keystore", "keytab", "ovpn", "p12", "p8", "pem", "pfx",
    "pkcs12", "ppk", "psafe3", "tfstate", "tfvars",
];

/// Beginnings of file names that mean a private key or an environment file.
const PREFIXES: &[&str] = &[".env", "id_dsa", "id_ecdsa", "id_ed25519", "id_rsa"];

/// Ends of paths, in lower case, of files whose name alone says nothing.
const PATHS: &[&str] = &[".m2/settings.xml", "gh/hosts.yml"];

/// Parts of file names that mean private keys or environment files, unless the file is source code or prose.
const DATA_PARTS: &[&str] = &[".env.", "id_dsa", "id_ecdsa", "id_ed25519", "id_rsa"];

/// Beginnings that mean stored credentials, unless the file is source code or prose about them.
const DATA_PREFIXES: &[&str] = &["credential", "secret", "service-account", "service_account", "client_secret"];

/// Ends of file names without their extension that mean the same.
const DATA_ENDS: &[&str] = &["credentials"];

/// Extensions under which a file named `credentials` is a program or a page, not the credentials themselves.
const CODE_EXTENSIONS: &[&str] = &[
    "c", "cc", "cpp", "cs", "css", "ex", "exs", "go", "h", "hpp", "hs", "html", "java", "jl", "js", "jsx", "kt",
    "lua", "md", "mdx", "ml", "mli", "php", "pl", "proto", "py", "pyi", "r", "rb", "rs", "rst", "scala", "scss",
    "svelte", "swift", "ts", "tsx", "vue", "zig",
];

/// Whether any part of a path (with `/` or the system's separator) is on the secrets list.
pub fn is_secret(path: &str) -> bool {
    let mut parts = path.split(['/', '\\']).filter(|part| !part.is_empty()).peekable();
    let mut before = String::new();
    while let Some(part) = parts.next() {
        let name = part.to_lowercase();
        if parts.peek().is_none() && PATHS.contains(&format!("{before}/{name}").as_str()) {
            return true;
        }
        if FOLDERS.contains(&name.as_str()) || (parts.peek().is_none() && is_secret_file(&name)) {
            return true;
        }
        before = name;
    }
    false
}

/// Whether a file is a private key by its first line, as RFC 7468 and OpenSSH write them.
pub(crate) fn is_private_key(bytes: &[u8]) -> bool {
    let first = bytes.trim_ascii_start().split(|byte| *byte == b'\n').next().unwrap_or_default().trim_ascii_end();
    first.starts_with(b"-----BEGIN ") && first.ends_with(b"PRIVATE KEY-----")
}

/// Whether a lower-case file name is on the list.
fn is_secret_file(name: &str) -> bool {
    let (stem, extension) = name.rsplit_once('.').unwrap_or((name, ""));
    let is_data = || {
        DATA_PREFIXES.iter().any(|prefix| name.trim_start_matches('.').starts_with(prefix))
            || DATA_PARTS.iter().any(|part| name.contains(part))
            || DATA_ENDS.iter().any(|end| stem.ends_with(end))
    };
    NAMES.contains(&name)
        || EXTENSIONS.contains(&extension)
        || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
        || (!CODE_EXTENSIONS.contains(&extension) && is_data())
}

#[cfg(test)]
mod tests {
    use super::{is_private_key, is_secret};

    #[test]
    fn secrets_are_known_by_name() {
        let secret = [
            ".env",
            "a/.env.local",
            "a/.env.example",
            "prod.env",
            "deploy.pem",
            "x/y.key",
            "id_rsa",
            "id_rsa.pub",
            "id_ed25519",
            "credentials",
            "Credentials.json",
            ".aws/config",
            "home/.ssh/known_hosts",
            ".npmrc",
            ".pypirc",
            ".netrc",
            "vault.kdbx",
            "terraform.tfstate",
            "a\\.gnupg\\x",
            "secrets.yaml",
            ".envrc",
            "service-account-prod.json",
            "ID_RSA",
            "application_default_credentials.json",
            "home/.m2/settings.xml",
            ".config/gh/hosts.yml",
            "token.json",
            ".bash_history",
            "rclone.conf",
            "local.settings.json",
            "prod.env.local",
            "my_id_rsa",
            "aws_credentials.txt",
        ];
        let plain = [
            "src/credentials.py",
            "docs/secrets.md",
            "environment.py",
            "keys.rs",
            "env.py",
            "src/key/mod.rs",
            "secretary/.keep.txt",
            "docs/id.md",
            "tokenizer.rs",
            "Makefile",
            "src/valid_rsa.py",
            "settings.xml",
            "ansible/hosts.yml",
            "aws_credentials.py",
        ];
        for path in secret {
            assert!(is_secret(path), "{path} must be secret");
        }
        for path in plain {
            assert!(!is_secret(path), "{path} must not be secret");
        }
        let key = |kind: &str| format!("\n-----BEGIN {kind}-----\r\nb3Bl\n");
        for (text, expected) in [
            (key("OPENSSH PRIVATE KEY"), true),
            (key("PRIVATE KEY"), true),
            (key("PUBLIC KEY"), false),
            (format!("KEY = {}", key("RSA PRIVATE KEY")), false),
        ] {
            assert_eq!(is_private_key(text.as_bytes()), expected, "{text}");
        }
    }
}
