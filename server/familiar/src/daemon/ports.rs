//! Which port the web page gets. Refuses: any address but this machine's own, and another port than the one that was
//! asked for by name.

use std::io;
use std::net::Ipv4Addr;

use app::{Config, Home};
use tokio::net::TcpListener;

use crate::failure::Failure;
use crate::os;

/// Ports tried, the wanted one included.
const PORTS_TRIED_MAX: u16 = 50;

/// Listens for the web page and remembers where, so that bookmarks stay right.
///
/// # Errors
/// When the port that was asked for by name is taken, or none of those tried is free.
pub(crate) async fn listen(home: &Home, config: &Config) -> Result<(TcpListener, u16), Failure> {
    let stored = std::fs::read_to_string(home.port_file()).ok().and_then(|text| text.trim().parse().ok());
    for port in candidates(config.port, config.port_explicit, stored) {
        match TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await {
            Ok(listener) => {
                if !config.port_explicit && stored != Some(port) {
                    // Only a convenience of the next start.
                    let _ = std::fs::write(home.port_file(), format!("{port}\n"));
                }
                return Ok((listener, port));
            }
            Err(error) if config.port_explicit => return Err(refused(port, &error)),
            Err(error) => tracing::info!(port, %error, "this port cannot be used; trying the next one"),
        }
    }
    Err(Failure::new(format!("no port from {} on is free", config.port)).hint("name a free one with `--port N`"))
}

/// Refuses a port that was asked for by name and is taken. One that `leaving` has counts as free: it will be when that
/// daemon ended.
///
/// # Errors
/// When nobody could listen on it.
pub(crate) async fn refuse_taken(config: &Config, leaving: Option<u16>) -> Result<(), Failure> {
    if !config.port_explicit || leaving == Some(config.port) {
        return Ok(());
    }
    let listened = TcpListener::bind((Ipv4Addr::LOCALHOST, config.port)).await;
    listened.map(drop).map_err(|error| refused(config.port, &error))
}

/// The ports to try, best first. A remembered port counts as long as it could have come from the wanted one.
fn candidates(wanted: u16, explicit: bool, stored: Option<u16>) -> Vec<u16> {
    if explicit {
        return vec![wanted];
    }
    let range = wanted..=wanted.saturating_add(PORTS_TRIED_MAX - 1);
    let remembered = stored.filter(|port| range.contains(port));
    let others = range.filter(|port| Some(*port) != remembered);
    remembered.into_iter().chain(others).collect()
}

fn refused(port: u16, error: &io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            let holder = os::port_holder(port).unwrap_or_else(|| "another process".into());
            Failure::new(format!("port {port} is in use by {holder}"))
                .hint("end that process, choose another port, or leave `--port` out to get the next free one")
        }
        io::ErrorKind::PermissionDenied => {
            Failure::new(format!("port {port} is reserved by the system")).hint("choose a port above 1023")
        }
        _ => Failure::new(format!("cannot listen on port {port}: {error}")).hint("choose another port"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_tried_in_order() {
        assert_eq!(candidates(4774, true, Some(4780)), [4774]);
        let first = |wanted, stored| candidates(wanted, false, stored).into_iter().take(3).collect::<Vec<_>>();
        assert_eq!(first(4774, None), [4774, 4775, 4776]);
        assert_eq!(first(4774, Some(4775)), [4775, 4774, 4776]);
        assert_eq!(first(4774, Some(9000)), [4774, 4775, 4776], "remembered for another wish");
        assert_eq!(candidates(u16::MAX, false, None), [u16::MAX]);
        assert_eq!(candidates(4774, false, Some(4774)).len(), usize::from(PORTS_TRIED_MAX));
    }

    #[tokio::test]
    async fn a_taken_port_gives_the_next_one_and_is_remembered() {
        let folder = tempfile::tempdir().expect("a folder");
        let home = Home::under(folder.path());
        home.create().expect("folders");
        let blocker = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
        let port = blocker.local_addr().expect("an address").port();
        let mut config = Config::default();
        config.port = port;
        let (_listener, found) = listen(&home, &config).await.expect("another one is free");
        assert_ne!(found, port);
        assert_eq!(std::fs::read_to_string(home.port_file()).expect("it is stored"), format!("{found}\n"));
        config.port_explicit = true;
        let error = listen(&home, &config).await.expect_err("it is taken");
        assert!(error.message.starts_with(&format!("port {port} is in use by ")), "{error}");
        assert_eq!(refuse_taken(&config, None).await, Err(error.clone()));
        assert_eq!(refuse_taken(&config, Some(found)).await, Err(error), "the daemon has another one");
        assert_eq!(refuse_taken(&config, Some(port)).await, Ok(()), "the daemon that leaves has it");
        drop(blocker);
        assert_eq!(refuse_taken(&config, None).await, Ok(()));
    }
}
