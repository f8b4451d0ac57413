// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! http PORT | http fd N: the service of http.c, in Rust. The standard library can wait for one socket only, so poll is
//! called by name; both C libraries have it.
mod workload;

use std::ffi::{c_int, c_short, c_ulong};
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsRawFd, FromRawFd};

const REQUEST_MAX: usize = 1024;
const PRIMES_MAX: usize = 1 << 20;

#[repr(C)]
struct Polled {
    fd: c_int,
    events: c_short,
    revents: c_short,
}

// Of the same value in both C libraries.
const POLLIN: c_short = 1;

extern "C" {
    fn poll(polled: *mut Polled, count: c_ulong, timeout_ms: c_int) -> c_int;
}

struct Connection {
    stream: TcpStream,
    request: Vec<u8>,
}

fn primes_below(composite: &mut [bool], limit: usize) -> usize {
    let limit = limit.min(PRIMES_MAX);
    let composite = &mut composite[..limit];
    composite.fill(false);
    let mut count = 0;
    for n in 2..limit {
        if !composite[n] {
            count += 1;
            composite.iter_mut().skip(2 * n).step_by(n).for_each(|multiple| *multiple = true);
        }
    }
    count
}

fn answer(stream: &mut TcpStream, request: &str, composite: &mut [bool]) -> bool {
    let path = request.strip_prefix("GET ").and_then(|rest| rest.split(' ').next()).unwrap_or("");
    let body = match path {
        "/ping" => "pong".to_string(),
        "/quit" => std::process::exit(0),
        _ => match path.strip_prefix("/primes/").and_then(|limit| limit.parse().ok()) {
            Some(limit) => format!("{{\"below\":{limit},\"primes\":{}}}", primes_below(composite, limit)),
            None => return false,
        },
    };
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: ";
    stream.write_all(format!("{head}{}\r\n\r\n{body}", body.len()).as_bytes()).is_ok()
}

/// Takes what has arrived; false when the connection has ended.
fn serve(connection: &mut Connection, composite: &mut [bool]) -> bool {
    let mut arrived = [0; REQUEST_MAX];
    match connection.stream.read(&mut arrived) {
        Ok(0) => return false,
        Ok(got) => connection.request.extend_from_slice(&arrived[..got]),
        Err(error) => return error.kind() == ErrorKind::WouldBlock,
    }
    while let Some(end) = connection.request.windows(4).position(|four| four == b"\r\n\r\n") {
        let request: Vec<u8> = connection.request.drain(..end + 4).collect();
        if !answer(&mut connection.stream, &String::from_utf8_lossy(&request), composite) {
            return false;
        }
    }
    connection.request.len() < REQUEST_MAX
}

fn listener() -> TcpListener {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["fd", number] => unsafe { TcpListener::from_raw_fd(number.parse().unwrap()) },
        [port] => TcpListener::bind(("127.0.0.1", port.parse().unwrap())).unwrap(),
        _ => panic!("usage: http PORT | http fd N"),
    }
}

fn main() {
    let listener = listener();
    listener.set_nonblocking(true).unwrap();
    let mut connections: Vec<Connection> = Vec::new();
    let mut composite = vec![false; PRIMES_MAX];
    workload::ready();
    loop {
        let sockets = std::iter::once(listener.as_raw_fd()).chain(connections.iter().map(|one| one.stream.as_raw_fd()));
        let mut polled: Vec<Polled> = sockets.map(|fd| Polled { fd, events: POLLIN, revents: 0 }).collect();
        if unsafe { poll(polled.as_mut_ptr(), polled.len() as c_ulong, -1) } < 0 {
            panic!("poll: {}", std::io::Error::last_os_error());
        }
        for i in (0..connections.len()).rev() {
            if polled[i + 1].revents != 0 && !serve(&mut connections[i], &mut composite) {
                connections.swap_remove(i);
            }
        }
        while polled[0].revents != 0 {
            let Ok((stream, _)) = listener.accept() else { break };
            stream.set_nonblocking(true).unwrap();
            let _ = stream.set_nodelay(true); // WASI 0.1 knows none
            connections.push(Connection { stream, request: Vec::new() });
        }
    }
}
