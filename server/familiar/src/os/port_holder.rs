//! Which process listens on a port, as far as this user may see. Refuses: guessing; where the system does not say,
//! nothing is said.

use std::path::Path;

/// Processes looked at; more do not run on one machine.
const PROCESSES_MAX: usize = 100_000;
/// The state of a socket that waits for connections, as the kernel writes it.
const LISTENING: &str = "0A";

/// The process that listens on `port`, as `name (pid 12)`.
pub(crate) fn port_holder(port: u16) -> Option<String> {
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"];
    let inode = tables.iter().filter_map(|table| std::fs::read_to_string(table).ok()).find_map(|table| {
        let mut lines = table.lines();
        lines.find_map(|line| listener_inode(line, port))
    })?;
    let socket = format!("socket:[{inode}]");
    let processes = std::fs::read_dir("/proc").ok()?.take(PROCESSES_MAX).filter_map(Result::ok);
    let mut pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let pid = pids.find(|pid| holds(*pid, &socket))?;
    Some(format!("{} (pid {pid})", name(pid)))
}

/// What the process was started as; its short name may be that of a link.
fn name(pid: u32) -> String {
    let words = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let first = words.split(|byte| *byte == 0).next().unwrap_or_default();
    let program = String::from_utf8_lossy(first);
    let name = program.rsplit('/').next().unwrap_or_default();
    if name.is_empty() { "a process".to_owned() } else { name.to_owned() }
}

/// The inode of the socket in `line` of the kernel's table when it listens on `port`.
fn listener_inode(line: &str, port: u16) -> Option<u64> {
    let mut fields = line.split_whitespace();
    let local = fields.nth(1)?;
    let state = fields.nth(1)?;
    let inode = fields.nth(5)?;
    let found = u16::from_str_radix(local.rsplit_once(':')?.1, 16).ok()?;
    (state == LISTENING && found == port).then(|| inode.parse().ok())?
}

fn holds(pid: u32, socket: &str) -> bool {
    let Ok(files) = std::fs::read_dir(format!("/proc/{pid}/fd")) else { return false };
    let mut links = files.filter_map(Result::ok).filter_map(|file| std::fs::read_link(file.path()).ok());
    links.any(|link| link == Path::new(socket))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_table_is_read() {
        let line =
            "   0: 0100007F:12A6 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 4711 1 0";
        assert_eq!(listener_inode(line, 4774), Some(4711));
        assert_eq!(listener_inode(line, 4775), None);
        assert_eq!(listener_inode(&line.replace(" 0A ", " 01 "), 4774), None, "a connection is no listener");
        assert_eq!(listener_inode("  sl  local_address rem_address", 4774), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn our_own_listener_is_found() {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let holder = port_holder(port).expect("we hold it");
        assert!(holder.ends_with(&format!("(pid {})", std::process::id())), "{holder}");
    }
}
