# SPDX-License-Identifier: Apache-2.0
# Bash completion for skep. Options come from the command's own --help, so that
# there is no second list of them.

_skep() {
  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]} words
  case $previous in
    --engine) COMPREPLY=($(compgen -W "interp checked baseline jit kernel" -- "$current")); return;;
    --backend) COMPREPLY=($(compgen -W "skep kernel both" -- "$current")); return;;
    --arch) COMPREPLY=($(compgen -W "x64 arm64" -- "$current")); return;;
    --flag) COMPREPLY=($(compgen -W "any noexist exist" -- "$current")); return;;
    --clock) COMPREPLY=($(compgen -W "fixed real" -- "$current")); return;;
  esac
  if [ "$COMP_CWORD" -eq 1 ]; then
    words=$("${COMP_WORDS[0]}" --help 2>/dev/null | sed -n '/^Subcommands:/,/^$/s/^  \([a-z]*\) .*/\1/p')
    COMPREPLY=($(compgen -W "$words --help --version" -- "$current"))
    return
  fi
  # A subcommand may have subcommands of its own.
  local command=("${COMP_WORDS[1]}")
  words=$("${COMP_WORDS[0]}" "${command[@]}" --help 2>/dev/null | sed -n '/^Subcommands:/,/^$/s/^  \([a-z]*\) .*/\1/p')
  if [ -n "$words" ] && [ "$COMP_CWORD" -eq 2 ]; then
    COMPREPLY=($(compgen -W "$words --help" -- "$current"))
    return
  fi
  if [ -n "$words" ]; then command+=("${COMP_WORDS[2]}"); fi
  if [[ $current == -* ]]; then
    words=$("${COMP_WORDS[0]}" "${command[@]}" --help 2>/dev/null | sed -n '/^Options:/,/^$/p' | grep -oE '(^|[ ,])--?[a-z][a-z-]*' | tr -d ' ,')
    COMPREPLY=($(compgen -W "$words" -- "$current"))
    return
  fi
  COMPREPLY=($(compgen -f -- "$current"))
}
complete -o filenames -F _skep skep
