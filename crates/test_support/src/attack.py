#!/usr/bin/python3 -IS
"""Tries what a plugin must not be able to do. Every argument is KIND:TARGET; for each one it prints a line with
KIND:TARGET and "done", or "refused" and the system's reason."""

import ctypes
import fcntl
import os
import signal
import socket
import subprocess
import sys

PTRACE_ATTACH, PTRACE_DETACH = 16, 17
libc = ctypes.CDLL(None, use_errno=True)


def read(path):
    with open(path, "rb") as file:
        file.read(1)


def environ(pid):
    read(f"/proc/{pid}/environ")


def memory(pid):
    read(f"/proc/{pid}/maps")
    os.close(os.open(f"/proc/{pid}/mem", os.O_RDWR))


def standard_input(pid):
    read(f"/proc/{pid}/fd/0")


def directory(pid):
    os.listdir(f"/proc/{pid}/cwd/")


def ptrace(pid):
    if libc.ptrace(PTRACE_ATTACH, int(pid), None, None) == -1:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    os.waitpid(int(pid), 0x40000000)
    libc.ptrace(PTRACE_DETACH, int(pid), None, None)


def harmless_signal(pid):
    os.kill(int(pid), signal.SIGURG)


def pidfd(pid):
    descriptor = os.pidfd_open(int(pid))
    try:
        signal.pidfd_send_signal(descriptor, signal.SIGURG)
    finally:
        os.close(descriptor)


def kill(pid):
    os.kill(int(pid), signal.SIGKILL)


def connect(path):
    socket.socket(socket.AF_UNIX).connect(path)


def ask_launcher(path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as channel:
        channel.settimeout(20)
        channel.connect(path)
        channel.send(b'i"Examine"')
        if not channel.recv(1):
            raise ConnectionResetError("closed without an answer")


def write(path):
    os.close(os.open(path, os.O_WRONLY))


def make(path):
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL))


def chmod(path):
    os.chmod(path, 0o777)


def remove(path):
    os.unlink(path)


def run_as_root(program):
    if subprocess.run([program, "-u"], capture_output=True, check=False).stdout != b"0\n":
        raise PermissionError("it did not become root")


def become(user):
    os.setresuid(int(user), int(user), int(user))


def privileges(_):
    with open("/proc/self/status", encoding="utf-8") as status:
        fields = dict(line.rstrip().split(":\t", 1) for line in status)
    if fields["NoNewPrivs"] == "1" and not any(int(fields[name], 16) for name in ("CapEff", "CapPrm", "CapInh")):
        raise PermissionError("it has none and gets none")


def descriptors(_):
    """Any descriptor beside the three, and a terminal behind those."""
    # The list has the descriptor by which it was read, too; that one is closed again.
    others = [name for name in os.listdir("/proc/self/fd") if int(name) > 2 and os.path.lexists(f"/proc/self/fd/{name}")]
    if not others and not any(os.isatty(number) for number in range(3)):
        raise FileNotFoundError("only 0, 1 and 2")


def type_into_terminal(_):
    with open("/dev/tty", "rb") as terminal:
        fcntl.ioctl(terminal, 0x5412, b"x")


for argument in sys.argv[1:]:
    kind, target = argument.split(":", 1)
    try:
        globals()[kind](target)
        print(argument, "done", flush=True)
    except OSError as error:
        print(argument, "refused", error.strerror or error, flush=True)
