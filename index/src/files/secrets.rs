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
    ".oci",
    ".secrets",
];

/// Folders in which whatever is no program and no page is a secret. They are entered: packages are named so as well.
const DATA_FOLDERS: &[&str] = &["credentials", "secret", "secrets"];

/// Complete file names, in lower case.
const NAMES: &[&str] = &[
    ".authinfo",
    ".bash_history",
    ".boto",
    ".databrickscfg",
    ".dockercfg",
    ".dockerconfigjson",
    ".envrc",
    ".fetchmailrc",
    ".ftpconfig",
    ".git-credentials",
    ".htdigest",
    ".htpasswd",
    ".msmtprc",
    ".my.cnf",
    ".mylogin.cnf",
    ".mysql_history",
    ".netrc",
    ".node_repl_history",
    ".npmrc",
    ".pgpass",
    ".psql_history",
    ".pypirc",
    ".python_history",
    ".rediscli_history",
    ".s3cfg",
    ".smbcredentials",
    ".sqlite_history",
    ".terraformrc",
    ".zsh_history",
    "_netrc",
    "auth.json",
    "env",
    "fish_history",
    "htpasswd",
    "kubeconfig",
    "kubeconfig.yaml",
    "kubeconfig.yml",
    "local.settings.json",
    "pgpass.conf",
    "rclone.conf",
    "sftp-config.json",
    "sitemanager.xml",
    "terraform.rc",
    "token.json",
    "wallet.dat",
    "wp-config.php",
];

/// File name extensions, in lower case.
const EXTENSIONS: &[&str] = &[
    "agekey", "bks", "env", "gpg", "jceks", "jks", "kdb", "kdbx", "key", "keystore", "keytab", "kwallet", "ovpn",
    "p12", "p8", "pem", "pfx", "pgp", "pkcs12", "ppk", "psafe3", "tfstate", "tfvars",
];

/// Beginnings of file names that mean a private key or an environment file.
const PREFIXES: &[&str] = &[".env", ".vault", "id_dsa", "id_ecdsa", "id_ed25519", "id_rsa"];

/// Ends of paths, in lower case, of files whose name alone says nothing.
const PATHS: &[&str] = &[".cargo/credentials", ".m2/settings.xml", ".vscode/sftp.json", "gh/hosts.yml"];

/// Parts of file names that mean private keys or environment files, unless the file is source code or prose.
const DATA_PARTS: &[&str] = &[".env.", "firebase-adminsdk", "id_dsa", "id_ecdsa", "id_ed25519", "id_rsa"];

/// Beginnings that mean stored credentials, unless the file is source code or prose about them.
const DATA_PREFIXES: &[&str] = &[
    "client_secret",
    "credential",
    "secret",
    "service-account",
    "service_account",
    "serviceaccount",
    "vault-pass",
    "vault_pass",
];

/// Ends of file names without their extension that mean the same.
const DATA_ENDS: &[&str] = &["credentials"];

/// File names without their extension that mean the same, whether or not a dot stands in front.
const DATA_STEMS: &[&str] = &[
    "access-token",
    "access_token",
    "api-key",
    "api-keys",
    "api_key",
    "api_keys",
    "apikey",
    "apikeys",
    "auth-token",
    "auth_token",
    "passwd",
    "password",
    "passwords",
    "private-key",
    "private_key",
];

/// What stands behind `env.` in the name of an environment file; its templates say other words.
const STAGES: &[&str] =
    &["dev", "development", "live", "local", "private", "prod", "production", "stage", "staging"];

/// Extensions of copies that people and editors leave beside a file.
const COPY_EXTENSIONS: &[&str] = &[
    "backup", "bak", "copy", "disabled", "old", "orig", "rpmnew", "rpmsave", "save", "saved", "swo", "swp", "tmp",
];
/// Copies of copies that are looked through.
const COPIES_MAX: usize = 4;

/// Extensions under which a file named `credentials` is a program or a page, not the credentials themselves.
const CODE_EXTENSIONS: &[&str] = &[
    "c", "cc", "cpp", "cs", "css", "ex", "exs", "go", "h", "hpp", "hs", "html", "java", "jl", "js", "jsx", "kt",
    "lua", "md", "mdx", "ml", "mli", "php", "pl", "proto", "py", "pyi", "r", "rb", "rs", "rst", "scala", "scss",
    "svelte", "swift", "ts", "tsx", "vue", "zig",
];

/// Whether the file at a path (with `/` or the system's separator) is on the secrets list, or lies in a folder that is.
pub fn is_secret(path: &str) -> bool {
    let path = path.to_lowercase();
    let mut parts: Vec<&str> = path.split(['/', '\\']).filter(|part| !part.is_empty()).collect();
    if parts.iter().any(|part| FOLDERS.contains(part)) {
        return true;
    }
    let Some(name) = parts.pop() else { return false };
    let is_at_listed_path = |above: &&str| PATHS.contains(&format!("{above}/{name}").as_str());
    is_secret_file(name)
        || parts.last().is_some_and(is_at_listed_path)
        || !is_code(name) && parts.iter().any(|part| DATA_FOLDERS.contains(part))
}

/// Whether a folder at a path holds secrets, whatever the files in it are called.
pub(crate) fn is_secret_folder(path: &str) -> bool {
    path.to_lowercase().split(['/', '\\']).any(|part| FOLDERS.contains(&part))
}

/// Whether a lower-case file name is that of a program or a page.
fn is_code(name: &str) -> bool {
    name.rsplit_once('.').is_some_and(|(_, extension)| CODE_EXTENSIONS.contains(&extension))
}

/// Whether a file is a private key by its first line, as RFC 7468 and OpenSSH write them.
pub(crate) fn is_private_key(bytes: &[u8]) -> bool {
    let first = bytes.trim_ascii_start().split(|byte| *byte == b'\n').next().unwrap_or_default().trim_ascii_end();
    let ends = [&b"PRIVATE KEY-----"[..], b"PRIVATE KEY BLOCK-----"];
    first.starts_with(b"-----BEGIN ") && ends.iter().any(|end| first.ends_with(end))
}

/// Whether a lower-case file name is on the list, or that of a copy of such a file.
fn is_secret_file(name: &str) -> bool {
    let copied = std::iter::successors(Some(name), |name| copy_of(name));
    copied.take(COPIES_MAX + 1).any(is_listed)
}

/// The name of the file that this one is a copy of, by its name.
fn copy_of(name: &str) -> Option<&str> {
    // An editor saves `#name#` by itself and keeps `name~`.
    if let Some(name) = name.strip_prefix('#').and_then(|rest| rest.strip_suffix('#')) {
        return Some(name);
    }
    if let Some(name) = name.strip_suffix('~') {
        return Some(name);
    }
    let (stem, extension) = name.rsplit_once('.')?;
    let plain = extension.trim_end_matches(|letter: char| letter.is_ascii_digit() || matches!(letter, '-' | '_'));
    // The swap file of `a.pem` is `.a.pem.swp`; that of `.netrc` is `.netrc.swp`.
    let is_swap = matches!(plain, "swp" | "swo");
    let own = stem.strip_prefix('.').filter(|rest| is_swap && rest.contains('.')).unwrap_or(stem);
    (plain.is_empty() || COPY_EXTENSIONS.contains(&plain)).then_some(own).filter(|own| !own.is_empty())
}

/// Whether a lower-case file name is itself on the list.
fn is_listed(name: &str) -> bool {
    let (stem, extension) = name.rsplit_once('.').unwrap_or((name, ""));
    let bare = if stem.is_empty() { extension } else { stem.trim_start_matches('.') };
    let is_data = || {
        DATA_PREFIXES.iter().any(|prefix| name.trim_start_matches('.').starts_with(prefix))
            || DATA_PARTS.iter().any(|part| name.contains(part))
            || DATA_ENDS.iter().any(|end| stem.ends_with(end))
            || DATA_STEMS.contains(&bare)
            || bare == "env" && STAGES.contains(&extension)
    };
    NAMES.contains(&name)
        || EXTENSIONS.contains(&extension)
        || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
        || (!is_code(name) && is_data())
}

#[cfg(test)]
mod tests {
    use super::{is_private_key, is_secret, is_secret_folder};

    const SECRET: &[&str] = &[
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
        "env",
        "env.bak",
        "env.old~",
        ".env.bak",
        ".env.save",
        "env.production",
        "prod.env.bak",
        "server.key.bak",
        "x/deploy.pem.old.1",
        ".netrc~",
        ".netrc.swp",
        ".deploy.pem.swp",
        "#.pgpass#",
        ".npmrc.bak2",
        "terraform.tfstate.backup",
        "terraform.tfstate.1700000000.backup",
        "credentials.json.orig",
        "kubeconfig.bak",
        ".smbcredentials",
        ".cargo/credentials",
        ".vscode/sftp.json",
        ".vault_pass.txt",
        "vault_password",
        "wp-config.php",
        "wp-config.php.bak",
        "password.txt",
        "API_KEY",
        ".apikey",
        "private_key",
        "app-firebase-adminsdk-1a2b3.json",
        "master.key",
        "deploy/secrets/db_password",
        "secrets/prod.yaml",
    ];

    const PLAIN: &[&str] = &[
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
        "aws_credentials.py.bak",
        "env.example",
        "env.d.ts",
        "env.yml",
        "environment.bak",
        "password.py",
        "templates/password_reset_subject.txt",
        "src/auth_token.rs",
        "notes.bak",
        "release.1.2",
        "~",
        "##",
        ".bak",
        "env/bin/activate",
        "airflow/secrets/base.py",
        "credentials/README.md",
    ];

    #[test]
    fn secrets_are_known_by_name() {
        for path in SECRET {
            assert!(is_secret(path), "{path} must be secret");
        }
        for path in PLAIN {
            assert!(!is_secret(path), "{path} must not be secret");
        }
    }

    #[test]
    fn folders_of_secrets_are_known_by_name() {
        for (folder, expected) in [
            (".ssh", true),
            ("a/.AWS", true),
            ("src/secrets", false),
            ("secretary", false),
            ("env", false),
            ("x.key", false),
        ] {
            assert_eq!(is_secret_folder(folder), expected, "{folder}");
        }
    }

    #[test]
    fn private_keys_are_known_by_their_first_line() {
        let key = |kind: &str| format!("\n-----BEGIN {kind}-----\r\nb3Bl\n");
        for (text, expected) in [
            (key("OPENSSH PRIVATE KEY"), true),
            (key("PRIVATE KEY"), true),
            (key("PGP PRIVATE KEY BLOCK"), true),
            (key("PUBLIC KEY"), false),
            (format!("KEY = {}", key("RSA PRIVATE KEY")), false),
        ] {
            assert_eq!(is_private_key(text.as_bytes()), expected, "{text}");
        }
    }
}
