//! One packet socket that carries JSON messages and descriptors, used by both sides. It never blocks: what the
//! peer does not take yet waits here, so a stopped peer cannot stop this process.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, IoSlice, IoSliceMut, Seek, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::fs::FileExt;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, recvmsg, sendmsg};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::sys;

/// Longer bodies travel as a memory file beside the packet: a packet is limited by the socket's send buffer, which
/// an unprivileged process cannot raise far enough.
const INLINE_BYTES: usize = 32 * 1024;
/// No message is longer; a peer that sends more is broken.
const BODY_LIMIT: u64 = 16 * 1024 * 1024;
const DESCRIPTORS: usize = 4;
const INLINE: u8 = b'i';
const IN_FILE: u8 = b'f';

struct Packet {
    bytes: Vec<u8>,
    descriptors: Vec<OwnedFd>,
}

/// What one look at the socket gave.
pub(crate) enum Received<M> {
    Message(M, Vec<OwnedFd>),
    Nothing,
    Closed,
}

pub(crate) struct Channel {
    socket: OwnedFd,
    outgoing: VecDeque<Packet>,
    buffer: Vec<u8>,
}

impl Channel {
    /// Takes over a connected `SOCK_SEQPACKET` socket and makes it non-blocking.
    pub fn new(socket: OwnedFd) -> io::Result<Self> {
        fcntl(&socket, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        Ok(Self { socket, outgoing: VecDeque::new(), buffer: vec![0; INLINE_BYTES + 1] })
    }

    /// Sends a message, or keeps it until [`Channel::flush`] when the peer takes no more now.
    pub fn send(&mut self, message: &impl Serialize, mut descriptors: Vec<OwnedFd>) -> io::Result<()> {
        let mut bytes = vec![INLINE];
        serde_json::to_writer(&mut bytes, message)?;
        if bytes.len() > INLINE_BYTES {
            descriptors.push(memory_file(bytes.get(1..).unwrap_or_default())?.into());
            bytes = vec![IN_FILE];
        }
        self.outgoing.push_back(Packet { bytes, descriptors });
        self.flush()
    }

    /// Sends what is waiting, as far as the peer takes it.
    pub fn flush(&mut self) -> io::Result<()> {
        while let Some(packet) = self.outgoing.front() {
            match send_packet(&self.socket, packet) {
                Ok(()) => self.outgoing.pop_front(),
                Err(Errno::EAGAIN) => return Ok(()),
                Err(Errno::EINTR) => continue,
                Err(error) => return Err(error.into()),
            };
        }
        Ok(())
    }

    /// True while messages wait for the peer.
    pub fn has_waiting(&self) -> bool {
        !self.outgoing.is_empty()
    }

    /// Takes one message. Errors mean that the peer sent something that is no message.
    pub fn receive<M: DeserializeOwned>(&mut self) -> io::Result<Received<M>> {
        let (length, mut descriptors) = match receive_packet(&self.socket, &mut self.buffer) {
            Ok(received) => received,
            Err(Errno::EAGAIN | Errno::EINTR) => return Ok(Received::Nothing),
            Err(Errno::ECONNRESET) => return Ok(Received::Closed),
            Err(error) => return Err(error.into()),
        };
        let message = match self.buffer.get(..length).and_then(<[u8]>::split_first) {
            None => return Ok(Received::Closed),
            Some((&INLINE, body)) => serde_json::from_slice(body)?,
            Some((&IN_FILE, [])) => {
                let file = descriptors.pop().ok_or_else(|| io::Error::other("a message without its file"))?;
                serde_json::from_slice(&read_whole(&file.into())?)?
            }
            Some(_) => return Err(io::Error::other("a packet that is no message")),
        };
        Ok(Received::Message(message, descriptors))
    }
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// A file in memory that holds `content` and is positioned at its start.
pub(crate) fn memory_file(content: &[u8]) -> io::Result<File> {
    let mut file = File::from(memfd_create(c"plugin_runner", MFdFlags::MFD_CLOEXEC)?);
    file.write_all(content)?;
    file.rewind()?;
    Ok(file)
}

fn read_whole(file: &File) -> io::Result<Vec<u8>> {
    let length = file.metadata()?.len();
    if length > BODY_LIMIT {
        return Err(io::Error::other(format!("a message of {length} bytes; {BODY_LIMIT} are allowed")));
    }
    let mut body = vec![0; usize::try_from(length).map_err(io::Error::other)?];
    file.read_exact_at(&mut body, 0)?;
    Ok(body)
}

fn send_packet(socket: &OwnedFd, packet: &Packet) -> nix::Result<()> {
    let raw: Vec<RawFd> = packet.descriptors.iter().map(AsRawFd::as_raw_fd).collect();
    let rights = [ControlMessage::ScmRights(&raw)];
    let control = if raw.is_empty() { &[] } else { rights.as_slice() };
    let body = [IoSlice::new(&packet.bytes)];
    sendmsg::<()>(socket.as_raw_fd(), &body, control, MsgFlags::MSG_NOSIGNAL, None).map(drop)
}

fn receive_packet(socket: &OwnedFd, buffer: &mut [u8]) -> nix::Result<(usize, Vec<OwnedFd>)> {
    let mut control = nix::cmsg_space!([RawFd; DESCRIPTORS]);
    let mut body = [IoSliceMut::new(buffer)];
    let flags = MsgFlags::MSG_CMSG_CLOEXEC;
    let message = recvmsg::<()>(socket.as_raw_fd(), &mut body, Some(&mut control), flags)?;
    let mut descriptors = Vec::new();
    for part in message.cmsgs()? {
        if let ControlMessageOwned::ScmRights(received) = part {
            descriptors.extend(received.into_iter().map(sys::own));
        }
    }
    if message.flags.contains(MsgFlags::MSG_TRUNC) {
        return Err(Errno::EMSGSIZE);
    }
    Ok((message.bytes, descriptors))
}
