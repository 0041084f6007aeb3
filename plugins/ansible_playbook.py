#!/usr/bin/env python3
# Needs: ansible-playbook
"""Runs an Ansible playbook on the task's host.

The playbook is named, never given as a path, and found in the directory of playbooks. Values reach it as extra
variables in a file, marked as unsafe: nothing in them is read as an option or as YAML, and Ansible does not
evaluate {{ }} in them. Its tasks become steps."""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from typing import Optional

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

import selfservice  # noqa: E402

DEFAULT_PLAYBOOKS = os.path.join(HERE, "..", "etc", "ansible")
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*\Z")
HOST = re.compile(r"[A-Za-z0-9_:][A-Za-z0-9_.:-]*\Z")
TASK = re.compile(r"(?:TASK|RUNNING HANDLER) \[(.*)\] \**$")
LISTED = re.compile(r"^ {6}(\S.*?)\tTAGS: \[")
RECAP = re.compile(r"\b(ok|changed|unreachable|failed|skipped)=(\d+)")


def arguments() -> selfservice.Arguments:
    parser = selfservice.Arguments(__doc__ or "")
    parser.add_argument("--playbook", required=True, help="its file name in the directory of playbooks")
    parser.add_argument("--directory", default=DEFAULT_PLAYBOOKS, help="the directory of playbooks (default ../etc/ansible)")
    parser.add_argument("--host", default=os.environ.get("NAGIOS_HOSTADDRESS", ""), help="name or address (default: the task's host)")
    parser.add_argument("--port", type=int, help="the port of its SSH server")
    parser.add_argument("--user", help="remote user")
    parser.add_argument("--local", action="store_true", help="do not sign in anywhere: run on this machine")
    return parser


def main() -> None:
    options = arguments().parse_args()
    if not NAME.match(options.playbook):
        selfservice.finish(selfservice.UNKNOWN, f"--playbook {options.playbook!r} is refused: it must be a plain file name")
    if not HOST.match(options.host):
        selfservice.finish(selfservice.UNKNOWN, f"--host {options.host!r} is refused: it must be a name or an address")
    playbook = os.path.abspath(os.path.join(options.directory, options.playbook))
    if not os.path.isfile(playbook):
        selfservice.finish(selfservice.UNKNOWN, f"there is no playbook {playbook}")
    program = shutil.which("ansible-playbook")
    if program is None:
        selfservice.finish(selfservice.UNKNOWN, "ansible-playbook is not installed on the machine that runs plugins")
    with tempfile.TemporaryDirectory() as work:
        run(program, playbook, options, work)


def run(program: str, playbook: str, options: argparse.Namespace, work: str) -> None:
    # The parameters under one name, so that none of them can take the place of Ansible's own variables.
    task = selfservice.task()
    extra = {"selfservice": {key: task.get(key) for key in ("uuid", "user", "host", "service", "environment", "parameters")}}
    variables = os.path.join(work, "variables.yml")
    with open(variables, "w", encoding="ascii") as file:
        file.write(unsafe_yaml(extra))
    # The comma makes a list of hosts of it, not the name of an inventory file.
    command = [program, "--inventory", f"{options.host},", "--limit", options.host, "--extra-vars", f"@{variables}"]
    if options.local:
        command += ["--connection", "local"]
    if options.user:
        command += ["--user", options.user]
    environment = surroundings(work)
    if options.port:
        environment["ANSIBLE_REMOTE_PORT"] = str(options.port)
    with open(environment["ANSIBLE_CONFIG"], "w", encoding="utf-8"):
        pass
    plan = subprocess.run(
        [*command, "--list-tasks", playbook], env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    if plan.returncode != 0:
        sys.stderr.write(plan.stderr)
        selfservice.finish(selfservice.UNKNOWN, f"the playbook cannot be read: {plan.stderr.strip().splitlines()[:1]}")
    names = [found.group(1) for found in map(LISTED.match, plan.stdout.splitlines()) if found]
    if options.check:
        selfservice.finish(selfservice.OK, f"{len(names)} tasks would run on {options.host}")
    selfservice.steps(names)
    child = subprocess.Popen(
        [*command, playbook], env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
        errors="surrogateescape", bufsize=1,
    )

    def stop() -> str:
        child.send_signal(signal.SIGINT)
        try:
            child.wait(timeout=max(1, int(os.environ.get("SELFSERVICE_GRACE", "8")) - 3))
        except subprocess.TimeoutExpired:
            child.kill()
            return "ansible-playbook had to be killed; what it had begun on the host may go on there"
        return "ansible-playbook has ended; the task that it was in may have been left half done"

    selfservice.on_cancel(stop)
    recap = follow(child)
    report(child.wait(), recap)


def unsafe_yaml(value: object) -> str:
    """The value as YAML of one line, whose texts Ansible takes as they are."""
    if isinstance(value, str):
        return "!unsafe " + quoted(value)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{quoted(str(key))}: {unsafe_yaml(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(unsafe_yaml, value)) + "]"
    return json.dumps(value)


def quoted(text: str) -> str:
    plain = (c if " " <= c <= "~" and c not in '"\\' else f"\\U{ord(c):08x}" for c in text)
    return '"' + "".join(plain) + '"'


def surroundings(work: str) -> dict[str, str]:
    """Ansible's own files go to the private directory; keys and host keys come from [ssh]."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
    ssh = os.environ.get("SELFSERVICE_SSH_DIRECTORY") or os.path.join(HERE, "..", "etc", "ssh")
    options = (
        "BatchMode=yes", "IdentitiesOnly=yes", "IdentityAgent=none", "ForwardAgent=no", "PermitLocalCommand=no",
        "StrictHostKeyChecking=yes", "GlobalKnownHostsFile=/dev/null",
        # ssh takes a list of files here, Ansible a list of words.
        f'UserKnownHostsFile="{os.path.abspath(ssh)}/known_hosts"',
    )
    environment.update(
        TMPDIR=work, ANSIBLE_HOME=work, ANSIBLE_LOCAL_TEMP=work, ANSIBLE_CONFIG=os.path.join(work, "ansible.cfg"), ANSIBLE_NOCOLOR="1",
        ANSIBLE_STDOUT_CALLBACK="default", ANSIBLE_RETRY_FILES_ENABLED="false", ANSIBLE_HOST_KEY_CHECKING="true",
        ANSIBLE_SSH_ARGS=shlex.join(["-F", "none", *(word for option in options for word in ("-o", option))]),
        ANSIBLE_PRIVATE_KEY_FILE=os.path.join(ssh, "id_ed25519"), LC_ALL="C.UTF-8",
    )
    return environment


def follow(child: "subprocess.Popen[str]") -> dict[str, int]:
    """Passes the output on, turns its tasks into steps, and gives the sums of the recap."""
    recap: dict[str, int] = {}
    in_recap = False
    assert child.stdout is not None
    for line in child.stdout:
        sys.stdout.buffer.write(line.encode(errors="surrogateescape"))
        sys.stdout.buffer.flush()
        in_recap = in_recap or line.startswith("PLAY RECAP ")
        found: Optional["re.Match[str]"] = TASK.match(line.rstrip("\n"))
        if found:
            selfservice.step(found.group(1))
        elif in_recap:
            for name, count in RECAP.findall(line):
                recap[name] = recap.get(name, 0) + int(count)
    return recap


def report(code: int, recap: dict[str, int]) -> None:
    words = ", ".join(f"{count} {name}" for name, count in recap.items())
    if code == 0 and recap.get("ok", 0) + recap.get("changed", 0) == 0:
        # Ansible calls a playbook that met no host a success; nobody has been helped by it.
        selfservice.finish(selfservice.UNKNOWN, f"no task ran on any host ({words or 'no recap'})", recap)
    if code == 0:
        selfservice.finish(selfservice.OK, words, recap)
    trouble = "the host could not be reached" if recap.get("unreachable") else f"ansible-playbook ended with {code}"
    selfservice.finish(selfservice.UNKNOWN if recap.get("unreachable") else selfservice.CRITICAL, f"{trouble} ({words})", recap)


if __name__ == "__main__":
    main()
