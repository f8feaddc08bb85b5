package manual

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// WriteBash writes the completion for bash. It needs nothing of the bash-completion package but being loaded by it.
func (m *Manual) WriteBash(w io.Writer) error {
	var b strings.Builder
	names := []string{"help"}
	var flags, words, files, values strings.Builder
	var taken []string // command:flag of those that take a value
	for _, v := range m.Verbs {
		names = append(names, v.Name)
		var own []string
		for _, f := range v.Flags {
			own = append(own, "--"+f.Name)
			if f.Arg == "" {
				continue
			}
			taken = append(taken, v.Name+":--"+f.Name)
			switch list := v.Values(f); {
			case len(list) > 0:
				fmt.Fprintf(&values, "\t%s:--%s) _textback_words %q; return ;;\n", v.Name, f.Name, strings.Join(list, " "))
			case slices.Contains([]string{"FILE", "SOCKET", "DIR", "FOLDER"}, f.Arg):
				fmt.Fprintf(&values, "\t%s:--%s) _textback_files; return ;;\n", v.Name, f.Name)
			}
		}
		fmt.Fprintf(&flags, "\t%s) flags=%q ;;\n", v.Name, strings.Join(append(own, "--help"), " "))
		var first []string
		for _, c := range v.Choices() {
			if c.Word != "" {
				first = append(first, c.Word)
			}
			if c.File {
				fmt.Fprintf(&files, "\t%s:%s) _textback_files ;;\n", v.Name, c.Word)
			}
		}
		if len(first) > 0 {
			fmt.Fprintf(&words, "\t%s) words=%q ;;\n", v.Name, strings.Join(first, " "))
		}
	}
	fmt.Fprintf(&words, "\thelp) words=%q ;;\n", strings.Join(names[1:], " "))
	all := strings.Join(taken, " | ")
	fmt.Fprintf(&b, script, all, strings.Join(names, " "), values.String(), all, flags.String(), words.String(), files.String())
	_, err := io.WriteString(w, b.String())
	return err
}

// script takes: the flags that take a value, the commands, what is given to a flag, the flags that take a value again, each
// command's flags, its first words, and after which of them files stand.
const script = `# bash completion for textback(1)                          -*- shell-script -*-
# Made by textback/cmd/packaging out of the commands' own help: do not edit.

_textback_words() {
	mapfile -t COMPREPLY < <(compgen -W "$1" -- "$cur")
}

_textback_files() {
	compopt -o filenames 2>/dev/null
	mapfile -t COMPREPLY < <(compgen -f -- "$cur")
}

_textback() {
	local cur=${COMP_WORDS[COMP_CWORD]} flag=${COMP_WORDS[COMP_CWORD - 1]} verb= first= flags= words= i
	COMPREPLY=()
	# --flag=value comes as three words.
	if [[ $cur == = ]]; then
		cur=
	elif [[ $flag == = ]]; then
		flag=${COMP_WORDS[COMP_CWORD - 2]}
	fi
	for ((i = 1; i < COMP_CWORD; i++)); do
		case $verb:${COMP_WORDS[i]} in
		%s)
			# Its value is no argument.
			[[ ${COMP_WORDS[i + 1]} == = ]] && i=$((i + 1))
			i=$((i + 1))
			;;
		*:-* | *:=) ;;
		:*) verb=${COMP_WORDS[i]} ;;
		*) first=${first:-${COMP_WORDS[i]}} ;;
		esac
	done
	if [[ -z $verb ]]; then
		_textback_words %q
		return
	fi
	case $verb:$flag in
%s	%s) return ;;
	esac
	case $verb in
%s	esac
	if [[ $cur == -* ]]; then
		_textback_words "$flags"
		return
	fi
	case $verb in
%s	esac
	if [[ -z $first && -n $words ]]; then
		_textback_words "$words"
		return
	fi
	case $verb:$first in
%s	esac
}

complete -F _textback textback
`
