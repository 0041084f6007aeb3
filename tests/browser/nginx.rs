//! A real nginx with the lines that the documentation gives.

use std::fs::File;
use std::net::TcpStream;
use std::path::Path;

use supervisor::TemporaryDirectory;
use supervisor::process::{GuardedChild, ProcessSpec};
use test_support::{FreePort, eventually};

const SERVER: &str = "/usr/sbin/nginx";
const DOCUMENTATION: &str = include_str!("../../docs/PROXY.md");

/// The lines for nginx that people copy.
fn documented() -> &'static str {
    let block = DOCUMENTATION.split("```nginx\n").nth(1).and_then(|rest| rest.split("```").next());
    block.unwrap_or_else(|| panic!("docs/PROXY.md has no lines for nginx"))
}

/// A running proxy; it ends with the value.
pub struct Nginx {
    server: GuardedChild,
    directory: TemporaryDirectory,
}

impl Nginx {
    /// Listens on `port` and passes on to `upstream` (`127.0.0.1:PORT`) as documented.
    pub fn start(port: &FreePort, upstream: &str) -> Self {
        assert!(Path::new(SERVER).exists(), "{SERVER} is missing: install nginx-light (`make test` does)");
        let directory = TemporaryDirectory::create(None).unwrap();
        let at = directory.path().display();
        let lines = documented().replace("127.0.0.1:8080", upstream);
        let user = if nix::unistd::geteuid().is_root() { "user root;" } else { "" };
        let text = format!(
            "daemon off; {user} worker_processes 1; pid {at}/pid; error_log {at}/error.log;
             events {{ worker_connections 64; }}
             http {{
                 access_log off;
                 client_body_temp_path {at}/body; proxy_temp_path {at}/proxy; fastcgi_temp_path {at}/fastcgi;
                 uwsgi_temp_path {at}/uwsgi; scgi_temp_path {at}/scgi;
                 server {{ listen 127.0.0.1:{}; {lines} }}
             }}",
            port.number()
        );
        let configuration = directory.path().join("nginx.conf");
        std::fs::write(&configuration, text).unwrap();
        let log = File::create(directory.path().join("log")).unwrap();
        let server = ProcessSpec::new(SERVER)
            .args(["-e", "stderr", "-c"])
            .arg(configuration.display().to_string())
            .spawn(&log)
            .unwrap();
        let proxy = Self { server, directory };
        eventually("nginx answers", || {
            assert!(proxy.server.ended().is_none(), "nginx has ended: {}", proxy.log());
            TcpStream::connect(("127.0.0.1", port.number())).ok()
        });
        proxy
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }
}
