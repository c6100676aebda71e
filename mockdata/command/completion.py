"""What ``--completion`` prints: a script that completes the command's words in a shell."""

from __future__ import annotations

import argparse
from typing import Final

import shtab

from mockdata.command.plugins import OURS
from mockdata.errors import PlanError
from mockdata.vaults.catalogue import READY_MADE
from mockdata.vaults.texts import not_one_of

__all__ = ["SHELLS", "completion"]

SHELLS: Final = ("bash", "fish", "zsh")

SECTIONS: Final = r"s/^ *\[(vaults|tables)\.([a-z0-9_]*)\].*/\2/p"
"""For sed: the names of the vaults and tables that a file defines."""

BASH: Final = r"""
_mockdata_vaults() {
  local i file=
  for ((i = 1; i < COMP_CWORD; i++)); do
    [[ ${COMP_WORDS[i]} == --vaults ]] && file=${COMP_WORDS[i + 1]}
  done
  compgen -S = -W "NAMES $([[ -f $file ]] && sed -En 'SECTIONS' "$file")" -- "$1"
}
"""

BASH_END: Final = r"""
# What ends in = is followed by a count, and not by a space.
_mockdata() {
  [[ ${COMP_WORDS[COMP_CWORD]} == = || ${COMP_WORDS[COMP_CWORD - 1]} == = ]] && return
  _shtab_mockdata "$@"
  [[ ${COMPREPLY[*]} == *= ]] && compopt -o nospace
}

complete -o bashdefault -F _mockdata mockdata
"""

ZSH: Final = r"""
_mockdata_vaults() {
  local file=${~opt_args[--vaults]}
  local -a names=(NAMES)
  [[ -f $file ]] && names+=(${(f)"$(sed -En 'SECTIONS' $file)"})
  compadd -S = -- $names
}
"""

ZSH_ANY_NUMBER: Final = {'"(*)::COUNT': '"*:COUNT', "_defaults_added=0": "_defaults_added=1"}
"""Makes zsh complete every VAULT=COUNT; with shtab alone, it completes only the first."""

FISH: Final = r"""
function _mockdata_vaults
    printf '%s=\n' NAMES
    set -l words (commandline -opc)
    if set -l place (contains -i -- --vaults $words)
        set -l file $words[(math $place + 1)]
        test -f "$file"; and sed -En 'SECTIONS' "$file" | string replace -r '$' =
    end
end
"""

VAULTS: Final = {
    "bash": "_mockdata_vaults",
    "zsh": "_mockdata_vaults",
    "fish": "(_mockdata_vaults)",
    "preamble": {"bash": BASH, "zsh": ZSH, "fish": FISH},
}

FOLLOWED_BY: Final = {
    "sink": list(OURS),
    "format": ["csv", "jsonl"],
    "dask": ["local"],
    "completion": list(SHELLS),
}
"""Words that an option is often followed by; it may be followed by others."""


def completion(shell: str, parser: argparse.ArgumentParser) -> str:
    """Return the script for a shell. Raises PlanError for a shell that there is none for."""
    if shell not in SHELLS:
        raise PlanError("completion", not_one_of(shell, SHELLS))
    for action in parser._actions:  # noqa: SLF001  # as shtab itself does
        if action.dest == "counts":
            action.help = "COUNT or VAULT=COUNT"
            _complete_by(action, VAULTS)
        elif action.dest == "vaults":
            _complete_by(action, shtab.FILE)
        elif action.dest == "output":
            _complete_by(action, shtab.DIRECTORY)
        elif action.dest in FOLLOWED_BY:
            action.choices = FOLLOWED_BY[action.dest]
    script = shtab.complete(parser, shell)
    for text, instead in ZSH_ANY_NUMBER.items() if shell == "zsh" else ():
        script = script.replace(text, instead)
    script = script.replace("NAMES", " ".join(READY_MADE)).replace("SECTIONS", SECTIONS)
    return f"{script.rstrip()}\n{BASH_END if shell == 'bash' else ''}"


def _complete_by(action: argparse.Action, how: object) -> None:
    action.complete = how  # type: ignore[attr-defined]
