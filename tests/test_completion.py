"""What a shell completes: each in a real one, at a terminal."""

import os
import pty
import select
import shutil
import subprocess
import sys

import pytest

from mockdata.command import arguments
from mockdata.command.completion import SHELLS
from mockdata.vaults.catalogue import READY_MADE

START = {
    "bash": ["bash", "--norc", "--noprofile", "-i"],
    "zsh": ["zsh", "-f", "-i"],
    "fish": ["fish", "--no-config", "-i"],
}

SETUP = {
    "bash": "mockdata() {{ printf '<%s>' \"$@\"; echo; }}; source {script}; PS1=; PS2=",
    "zsh": "autoload -U compinit; compinit -u -D; mockdata() {{ printf '<%s>' \"$@\"; echo }}; "
    "source {script}; PS1=",
    "fish": "function mockdata; printf '<%s>' $argv; echo; end; source {script}",
}


@pytest.fixture(params=SHELLS)
def completed(request, tmp_path):
    """Return a function that types words in a shell; it returns the words of the command."""
    shell = request.param
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    script = tmp_path / f"mockdata.{shell}"
    words = [sys.executable, "-W", "error", "-m", "mockdata", "--completion", shell]
    script.write_text(subprocess.run(words, capture_output=True, text=True, check=True).stdout)
    (tmp_path / "clinic.toml").write_text("[vaults.member]\nvalue = 'M-{index}'\n")
    (tmp_path / "folder").mkdir()
    main, side = pty.openpty()
    env = {"PATH": os.environ["PATH"], "TERM": "xterm", "HOME": str(tmp_path), "INPUTRC": "/dev/null"}
    running = subprocess.Popen(
        START[shell],
        cwd=tmp_path,
        env=env,
        start_new_session=True,
        **dict.fromkeys(["stdin", "stdout", "stderr"], side),
    )
    os.close(side)

    def typed(line):
        os.write(main, f"{line}\n".encode())
        return read(main, ">\r\n")

    os.write(main, f"{SETUP[shell].format(script=script)}; mockdata ready\n".encode())
    assert read(main, "<ready>\r\n") == "<ready>"
    yield typed
    os.close(main)
    running.kill()
    running.wait()


def read(terminal, end):
    """Return the last line that a shell's command has printed."""
    shown = ""
    while not shown.endswith(end):
        assert select.select([terminal], [], [], 20)[0], shown
        shown += os.read(terminal, 65536).decode(errors="replace")
    return "<" + shown.split("\n")[-2].partition("<")[2].strip()


def test_words_are_completed(completed):
    for typed, words in {
        "mockdata nam\t5": "<name=5>",
        "mockdata ss\t5 em\t10k": "<ssn=5><email=10k>",
        "mockdata 5 --see\t7": "<5><--seed><7>",
        "mockdata 5 --no-cl\t-q": "<5><--no-clobber><-q>",
        "mockdata 5 -s parq\t-q": "<5><-s><parquet><-q>",
        "mockdata 5 -s stdout -f j\t-q": "<5><-s><stdout><-f><jsonl><-q>",
        "mockdata 5 -o fol\t": "<5><-o><folder/>",
        "mockdata --vaults cli\tme\t5": "<--vaults><clinic.toml><member=5>",
        "mockdata --completion ba\t": "<--completion><bash>",
    }.items():
        assert completed(typed) == words, typed


def test_the_script_has_every_option_and_vault():
    for shell in SHELLS:
        words = [sys.executable, "-m", "mockdata", "--completion", shell]
        script = subprocess.run(words, capture_output=True, text=True, check=True).stdout
        assert all(name in script for name in READY_MADE)
        for action in arguments._parser()._actions:
            for option in action.option_strings:
                assert (option.lstrip("-") if shell == "fish" else option) in script


def test_another_shell_is_wrong_use(mockdata_command):
    done = mockdata_command("--completion", "bsh")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "mockdata: completion: 'bsh' is not one of bash, fish, zsh; did you mean bash? (see --help)\n"
    )
