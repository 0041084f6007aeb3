//! A small HTTP server that keeps what it was sent, byte for byte, and answers as a test says.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// Serves until the test's process ends; every answer closes its connection.
pub struct Server {
    pub url: String,
    requests: Arc<Mutex<Vec<Request>>>,
}

#[derive(Clone, Debug)]
pub struct Request {
    /// `GET /path HTTP/1.1`
    pub line: String,
    pub headers: Vec<String>,
    pub body: Vec<u8>,
}

impl Request {
    /// The first header of this name, in whatever case it was sent.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find_map(|header| {
            let (found, value) = header.split_once(": ")?;
            found.eq_ignore_ascii_case(name).then_some(value)
        })
    }

    pub fn method(&self) -> &str {
        self.line.split(' ').next().unwrap_or_default()
    }

    /// Path and query.
    pub fn target(&self) -> &str {
        self.line.split(' ').nth(1).unwrap_or_default()
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl Server {
    /// A server that misbehaves as the path says, see [`answer`].
    pub fn start() -> Self {
        Self::with(|stream, request| answer(stream, request.target()))
    }

    /// A server with answers of the test's own.
    pub fn with<F>(answer: F) -> Self
    where
        F: Fn(&mut TcpStream, &Request) -> io::Result<()> + Send + Sync + 'static,
    {
        Self::on("127.0.0.1", answer)
    }

    /// The same on another address of this machine.
    pub fn on<F>(address: &str, answer: F) -> Self
    where
        F: Fn(&mut TcpStream, &Request) -> io::Result<()> + Send + Sync + 'static,
    {
        let listener = TcpListener::bind((address, 0)).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&requests);
        let answer = Arc::new(answer);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (mut stream, kept, answer) = (stream.unwrap(), Arc::clone(&kept), Arc::clone(&answer));
                thread::spawn(move || {
                    let Some(request) = read_request(&stream) else {
                        return;
                    };
                    kept.lock().unwrap().push(request.clone());
                    // The client may be gone already; that is for the test to judge, from its side.
                    let _sent = answer(&mut stream, &request);
                });
            }
        });
        Self { url, requests }
    }

    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    pub fn only_request(&self) -> Request {
        let requests = self.requests();
        assert_eq!(requests.len(), 1, "{requests:?}");
        requests[0].clone()
    }
}

/// Sends a whole answer; `headers` end with a line end each.
pub fn reply(stream: &mut TcpStream, status: u16, headers: &str, body: &[u8]) -> io::Result<()> {
    write!(
        stream,
        "HTTP/1.1 {status} Some\r\n{headers}Content-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    )?;
    stream.write_all(body)
}

/// `None` where the client said less than a request.
pub fn read_request(stream: &TcpStream) -> Option<Request> {
    let mut reader = BufReader::new(stream);
    let line = read_line(&mut reader)?;
    let mut headers = Vec::new();
    loop {
        match read_line(&mut reader)? {
            header if header.is_empty() => break,
            header => headers.push(header),
        }
    }
    let mut request = Request { line, headers, body: Vec::new() };
    let length = request.header("Content-Length").map_or(0, |length| length.parse().unwrap());
    request.body.resize(length, 0);
    reader.read_exact(&mut request.body).ok()?;
    Some(request)
}

fn read_line(reader: &mut impl BufRead) -> Option<String> {
    let mut line = Vec::new();
    reader.read_until(b'\n', &mut line).ok()?;
    let line = String::from_utf8_lossy(&line).into_owned();
    line.strip_suffix("\r\n").map(str::to_owned)
}

fn answer(stream: &mut TcpStream, target: &str) -> io::Result<()> {
    match target {
        "/redirect" => reply(stream, 302, "Location: /elsewhere\r\n", b""),
        "/silent" => wait_for_the_client(stream),
        "/stuck" => {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")?;
            wait_for_the_client(stream)
        }
        "/chunked" => stream.write_all(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n\
              3\r\none\r\n4\r\n two\r\n0\r\n\r\n",
        ),
        "/endless" => {
            stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")?;
            loop {
                write!(stream, "10000\r\n")?;
                stream.write_all(&[b'x'; 0x10000])?;
                stream.write_all(b"\r\n")?;
            }
        }
        // A byte a moment, and never the last one.
        "/slow" => {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")?;
            loop {
                stream.write_all(b"x")?;
                thread::sleep(Duration::from_millis(50));
            }
        }
        "/headers" => {
            stream.write_all(b"HTTP/1.1 200 OK\r\n")?;
            loop {
                stream.write_all(b"X-More: and more\r\n")?;
            }
        }
        "/gigabyte" => {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n")?;
            (0..16_384).try_for_each(|_| stream.write_all(&[b'x'; 0x10000]))
        }
        "/binary" => reply(stream, 200, "", b"\x00\xff\n\x1b["),
        "/nothing" => Ok(()),
        "/garbage" => stream.write_all(b"220 mail.example ESMTP\r\n"),
        other => {
            let status = other.strip_prefix("/status/").map_or(200, |status| status.parse().unwrap());
            reply(stream, status, "", if status == 204 { b"" } else { b"answer" })
        }
    }
}

/// Returns when the client has closed its side.
pub fn wait_for_the_client(stream: &mut TcpStream) -> io::Result<()> {
    stream.read_to_end(&mut Vec::new()).map(drop)
}
