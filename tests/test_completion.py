"""What a shell completes: each in a real one, at a terminal."""

import os
import pty
import select
import shutil
import subprocess
import sys

import pytest

from mockdata.command.completion import SHELLS
from mockdata.command.options import argument_parser
from mockdata.vaults.catalogue import READY_MADE

START = {
    "bash": ["bash", "--norc", "--noprofile", "-i"],
    "zsh": ["zsh", "-f", "-i"],
    "fish": ["fish", "--no-config", "-i"],
}

SETUP = {
    "bash": "mockdata() { printf '<%s>' \"$@\" >&3; echo >&3; }; source ./mockdata.bash",
    "zsh": "autoload -U compinit; compinit -u -D; "
    'mockdata() { printf \'<%s>\' "$@" >&3; echo >&3; }; eval "$(<mockdata.zsh)"',
    "fish": "function mockdata; printf '<%s>' $argv >&3; echo >&3; end; source ./mockdata.fish",
}
"""Has the command say which words it is given."""


class Shell:
    """A shell at a terminal, whose command says on a pipe what it is given."""

    def __init__(self, name, folder):
        self.terminal, side = pty.openpty()
        self.told, telling = os.pipe()
        redirected = 'exec "$@" 3>&"$0"'
        env = {"PATH": os.environ["PATH"], "TERM": "xterm", "HOME": str(folder)}
        self.process = subprocess.Popen(
            ["setsid", "--ctty", "bash", "-c", redirected, str(telling), *START[name]],
            cwd=folder,
            env=env | {"INPUTRC": "/dev/null", "XDG_DATA_HOME": str(folder)},
            pass_fds=[telling],
            **dict.fromkeys(["stdin", "stdout", "stderr"], side),
        )
        os.close(side)
        os.close(telling)

    def type(self, line):
        """Type a line; return what the command is given."""
        os.write(self.terminal, f"{line}\n".encode())
        said = shown = b""
        while not said.endswith(b"\n"):
            ready, _, _ = select.select([self.terminal, self.told], [], [], 20)
            assert ready, shown.decode(errors="replace")
            if self.told in ready:
                said += os.read(self.told, 4096)
            elif self.terminal in ready:
                shown += os.read(self.terminal, 65536)
        return said.decode().strip()

    def close(self):
        self.process.kill()
        self.process.wait()
        os.close(self.terminal)
        os.close(self.told)


@pytest.fixture(params=SHELLS)
def shell(request, tmp_path):
    """Return a shell that has read the script."""
    if shutil.which(request.param) is None:
        pytest.skip(f"{request.param} is not installed")
    words = [sys.executable, "-W", "error", "-m", "mockdata", "--completion", request.param]
    script = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    (tmp_path / f"mockdata.{request.param}").write_text(script)
    (tmp_path / "clinic.toml").write_text("[vaults.member]\nvalue = 'M-{index}'\n")
    (tmp_path / "folder").mkdir()
    started = Shell(request.param, tmp_path)
    try:
        assert started.type(f"{SETUP[request.param]}; mockdata ready") == "<ready>"
        yield started
    finally:
        started.close()


def test_words_are_completed(shell):
    for typed, words in {
        "mockdata nam\t5": "<name=5>",
        "mockdata ss\t5 em\t10k": "<ssn=5><email=10k>",
        "mockdata 5 --see\t7": "<5><--seed><7>",
        "mockdata 5 --no-cl\t-q": "<5><--no-clobber><-q>",
        "mockdata 5 -s parq\t-q": "<5><-s><parquet><-q>",
        "mockdata 5 -s stdout -f j\t-q": "<5><-s><stdout><-f><jsonl><-q>",
        "mockdata 5 -o fol\t": "<5><-o><folder>",
        "mockdata --vaults cli\tme\t5": "<--vaults><clinic.toml><member=5>",
        "mockdata --completion ba\t": "<--completion><bash>",
    }.items():
        assert shell.type(typed).replace("/>", ">") == words, typed


def test_the_script_has_every_option_and_vault():
    for shell in SHELLS:
        words = [sys.executable, "-m", "mockdata", "--completion", shell]
        script = subprocess.run(words, capture_output=True, text=True, check=True).stdout
        assert all(name in script for name in READY_MADE)
        for action in argument_parser()._actions:
            for option in action.option_strings:
                assert (option.lstrip("-") if shell == "fish" else option) in script


def test_another_shell_is_wrong_use(mockdata_command):
    done = mockdata_command("--completion", "bsh")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "mockdata: completion: 'bsh' is not one of bash, fish, zsh; did you mean bash? (see --help)\n"
    )
