//! The secrets list: names of files and folders that are never read, whatever a workspace says.
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
    ".envrc",
    ".git-credentials",
    ".htpasswd",
    ".my.cnf",
    ".netrc",
    ".npmrc",
    ".pgpass",
    ".pypirc",
    ".s3cfg",
    ".vault-token",
    ".vault_pass",
    "_netrc",
    "htpasswd",
    "kubeconfig",
    "wallet.dat",
];

/// File name extensions, in lower case.
const EXTENSIONS: &[&str] = &[
    "agekey", "env", "gpg", "jks", "kdb", "kdbx", "key", "keystore", "keytab", "ovpn", "p12", "p8", "pem", "pfx",
    "pkcs12", "ppk", "psafe3", "tfstate", "tfvars",
];

/// Beginnings of file names that mean a private key or an environment file.
const PREFIXES: &[&str] = &[".env", "id_dsa", "id_ecdsa", "id_ed25519", "id_rsa"];

/// Beginnings that mean stored credentials, unless the file is source code or prose about them.
const DATA_PREFIXES: &[&str] = &["credential", "secret", "service-account", "service_account", "client_secret"];

/// Extensions under which a file named `credentials` is a program or a page, not the credentials themselves.
const CODE_EXTENSIONS: &[&str] = &[
    "c", "cc", "cpp", "cs", "css", "ex", "exs", "go", "h", "hpp", "hs", "html", "java", "jl", "js", "jsx", "kt",
    "lua", "md", "mdx", "ml", "mli", "php", "pl", "proto", "py", "pyi", "r", "rb", "rs", "rst", "scala", "scss",
    "svelte", "swift", "ts", "tsx", "vue", "zig",
];

/// Whether any part of a path (with `/` or the system's separator) is on the secrets list.
pub fn is_secret(path: &str) -> bool {
    let mut parts = path.split(['/', '\\']).filter(|part| !part.is_empty()).peekable();
    while let Some(part) = parts.next() {
        let name = part.to_lowercase();
        if FOLDERS.contains(&name.as_str()) || (parts.peek().is_none() && is_secret_file(&name)) {
            return true;
        }
    }
    false
}

/// Whether a lower-case file name is on the list.
fn is_secret_file(name: &str) -> bool {
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
    NAMES.contains(&name)
        || EXTENSIONS.contains(&extension)
        || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
        || (DATA_PREFIXES.iter().any(|prefix| name.trim_start_matches('.').starts_with(prefix))
            && !CODE_EXTENSIONS.contains(&extension))
}

#[cfg(test)]
mod tests {
    use super::is_secret;

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
        ];
        for path in secret {
            assert!(is_secret(path), "{path} must be secret");
        }
        for path in plain {
            assert!(!is_secret(path), "{path} must not be secret");
        }
    }
}
