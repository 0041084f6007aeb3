//! A page that stands for Grafana: another origin, which loads `embed.js` from us and has a link beside an alert.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

/// Serves the page on every address of the machine's loopback until the test process ends.
pub struct Grafana {
    port: u16,
}

impl Grafana {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        thread::spawn(move || {
            for stream in listener.incoming() {
                // A browser that goes away in the middle of an answer harms nobody.
                let _ = stream.map(|stream| thread::spawn(move || drop(answer(&stream))));
            }
        });
        Self { port }
    }

    /// The same site as our server, but another port and so another origin.
    pub fn same_site(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Another site.
    pub fn cross_site(&self) -> String {
        format!("http://localhost:{}", self.port)
    }
}

/// The path is `/` for the dashboard and `/frame` for a bare frame that counts its messages; the query is the
/// address of our server, or what is framed.
fn answer(mut stream: &TcpStream) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream).lines();
    let request = lines.next().transpose()?.unwrap_or_default();
    while lines.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
    let target = request.split(' ').nth(1).unwrap_or_default();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let (status, body) = match path {
        "/" => ("200 OK", include_str!("grafana.html").replace("{{app}}", query)),
        "/frame" => ("200 OK", include_str!("frame.html").replace("{{framed}}", query)),
        _ => ("404 Not Found", String::new()),
    };
    let length = body.len();
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )
}
