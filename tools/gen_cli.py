#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Writes what people's shells and man need from the option table, src/policy/options.def.

usage: gen_cli.py OPTIONS.DEF KIND OUTPUT [TEMPLATE]
  KIND man      cay.1 from the template docs/man/cay.1.in
       bash, zsh, fish   a completion script
       header   the three scripts as C strings, for `cay completion`
"""
import re
import sys
from pathlib import Path


class Command:
    def __init__(self, ident, name, operands, summary, text):
        self.ident, self.name, self.operands, self.summary, self.text = ident, name, operands, summary, text


class Option:
    def __init__(self, ident, field, name, letter, argument, kind, commands, manifest, group, help_text):
        self.ident, self.name, self.letter, self.argument = ident, name, letter, argument
        self.kind, self.commands, self.group, self.help = kind, commands, group, help_text
        self.manifest = manifest
        self.environment = None if kind in ('KEYS', 'ACTION') else 'CAY_' + ident

    def applies(self, command):
        also_inspect = command.ident == 'INSPECT' and self.group in ('GRANTS', 'LIMITS') and 'P_RUN' in self.commands
        learns = command.ident == 'LEARN' and 'P_RUN' in self.commands  # it takes all that `run` does
        seals = command.ident == 'BUNDLE' and 'P_RUN' in self.commands and self.manifest  # and this what a manifest can say
        return learns or seals or also_inspect or 'P_ALL' in self.commands or 'P_' + command.ident in self.commands

    def choices(self):
        return self.argument.split('|') if self.kind == 'CHOICE' else []


class Table:
    def __init__(self, source):
        rows = list(read_rows(source))
        self.commands = [Command(*cells) for kind, cells in rows if kind == 'COMMAND']
        self.groups = [cells for kind, cells in rows if kind == 'GROUP']
        self.options = [Option(*cells) for kind, cells in rows if kind == 'OPTION']
        self.exits = [cells for kind, cells in rows if kind == 'EXIT']

    def of(self, command):
        return [option for option in self.options if option.applies(command)]


TOKEN = re.compile(r'"((?:[^"\\]|\\.)*)"|\'(.)\'|(\|)|(,)|(\))|([A-Za-z_0-9]+)|\s+')


def read_rows(source):
    """Each row as (kind, cells): texts unquoted and joined, 0 as None, P_A | P_B as a list."""
    source = re.sub(r'/\*.*?\*/', '', source, flags=re.S)
    source = re.sub(r'^#.*$', '', source, flags=re.M)
    for start in re.finditer(r'^POLICY_([A-Z]+)\(', source, flags=re.M):
        at, cells, cell = start.end(), [], []
        while True:
            token = TOKEN.match(source, at)
            if not token:
                sys.exit('gen_cli.py: cannot read ' + source[start.start():at + 20])
            at = token.end()
            text, letter, _, comma, close, word = token.groups()
            if comma or close:
                cells.append(cell_value(cell))
                cell = []
                if close:
                    break
            elif text is not None:
                cell.append(('text', text.encode().decode('unicode_escape')))
            elif letter or word:
                cell.append(('word', letter or word))
        yield start.group(1), cells


def cell_value(parts):
    if parts and parts[0][0] == 'text':
        return ''.join(text for _, text in parts)
    words = [word for _, word in parts]
    if words and words[0].startswith('P_'):
        return words
    return None if words == ['0'] else words[0]


# ---- man ----------------------------------------------------------------------------------------------------------


def roff(text):
    text = text.replace('\\', '\\e').replace('-', '\\-').replace("'", '\\(aq')
    text = re.sub(r'`([^`]*)`', r'\\fB\1\\fR', text)
    return re.sub(r'^\.', r'\\&.', text, flags=re.M)


def roff_option(option):
    names = ['\\fB\\-%s\\fR' % option.letter] if option.letter else []
    names.append('\\fB\\-\\-%s\\fR' % roff(option.name))
    line = ', '.join(names) + (' \\fI%s\\fR' % roff(option.argument) if option.argument else '')
    return '.TP\n%s\n%s\n' % (line, roff(option.help))


def roff_paragraphs(text):
    out = []
    for paragraph in text.split('\n\n'):
        if paragraph.startswith('  '):
            out.append('.PP\n.nf\n%s\n.fi\n' % roff(paragraph))
        else:
            out.append('.PP\n%s\n' % roff(paragraph))
    return ''.join(out)


def man_commands(table):
    out = []
    for command in table.commands:
        operands = ' \\fI%s\\fR' % roff(command.operands) if command.operands else ''
        out.append('.SS "\\fBcay %s\\fR%s"\n' % (command.name, operands))
        out.append(roff_paragraphs(command.text)[len('.PP\n'):])
    return ''.join(out)


def man_options(table):
    out = []
    for ident, heading in table.groups:
        options = [option for option in table.options if option.group == ident]
        out.append('.SS "%s"\n' % roff(heading.replace('"', "'")))
        for option in options:
            out.append(roff_option(option))
            names = [c.name for c in table.commands if option.applies(c)]
            if names and names != ['run'] and len(names) < len(table.commands):
                out.append('(%s)\n' % ', '.join(names))
    return ''.join(out)


def write_man(table, template):
    sections = {
        'COMMANDS': man_commands(table),
        'OPTIONS': man_options(table),
        'EXIT_CODES': ''.join('.TP\n\\fB%s\\fR\n%s\n' % (number, roff(meaning)) for _, number, meaning in table.exits),
        'ENVIRONMENT': ''.join('.TP\n\\fB%s\\fR\nas \\fB\\-\\-%s\\fR\n' % (option.environment, roff(option.name))
                               for option in table.options if option.environment),
    }
    return re.sub(r'^@([A-Z_]+)@\n', lambda match: sections[match.group(1)], template, flags=re.M)


# ---- completions ----------------------------------------------------------------------------------------------------


def takes_value(option):
    return option.argument is not None


def takes_file(option):
    return takes_value(option) and re.search('FILE|HOST', option.argument) is not None


def words_of(option):
    return (['-' + option.letter] if option.letter else []) + ['--' + option.name]


def bash_words(table):
    lines = []
    for command in table.commands:
        words = [word for option in table.of(command) for word in words_of(option)]
        lines.append('    %s) options="%s" ;;' % (command.name, ' '.join(words)))
    return '\n'.join(lines)


def bash_choices(table):
    lines = []
    for option in table.options:
        if option.choices():
            lines.append('    --%s) COMPREPLY=($(compgen -W "%s" -- "$word")); return ;;' %
                         (option.name, ' '.join(option.choices())))
    return '\n'.join(lines)


def write_bash(table):
    valued = '|'.join(word for option in table.options if takes_value(option) for word in words_of(option))
    files = '|'.join(word for option in table.options if takes_file(option) for word in words_of(option))
    names = ' '.join(command.name for command in table.commands)
    return f'''# Completion of cay for bash. Written by the build from the option table.
_cay() {{
  local word=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD-1]}} command= options= i
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    case ${{COMP_WORDS[i]}} in
    {valued}) ((i++)) ;;
    -*) ;;
    *) command=${{COMP_WORDS[i]}}; break ;;
    esac
  done
  case $before in
{bash_choices(table)}
    {files}) COMPREPLY=($(compgen -f -- "$word")); return ;;
    {valued}) return ;;
  esac
  case ${{command:-run}} in
{bash_words(table)}
    *) COMPREPLY=($(compgen -f -- "$word")); return ;;
  esac
  case $command in
    help) COMPREPLY=($(compgen -W "{names} exit-codes environment" -- "$word")); return ;;
    completion) COMPREPLY=($(compgen -W "bash zsh fish" -- "$word")); return ;;
  esac
  if [[ $word == -* ]]; then
    COMPREPLY=($(compgen -W "$options" -- "$word"))
  elif [[ -z $command ]]; then
    COMPREPLY=($(compgen -W "{names}" -- "$word") $(compgen -f -- "$word"))
  else
    COMPREPLY=($(compgen -f -- "$word"))
  fi
}}
complete -o filenames -F _cay cay
'''


def zsh_quoted(text):
    return text.replace("'", "'\\''").replace('[', '\\[').replace(']', '\\]').replace(':', '\\:')


def zsh_spec(option):
    first_sentence = zsh_quoted(re.split(r'[.;:] ', option.help)[0].rstrip('.'))
    action = ''
    if option.choices():
        action = ':value:(%s)' % ' '.join(option.choices())
    elif takes_value(option):
        action = ':%s:%s' % (zsh_quoted(option.argument), '_files' if takes_file(option) else '')
    star = '*' if option.kind in ('TEXTS', 'KEYS') else ''
    return ["'%s%s[%s]%s'" % (star, word, first_sentence, action) for word in words_of(option)]


def write_zsh(table):
    cases = []
    for command in table.commands:
        specs = [spec for option in table.of(command) for spec in zsh_spec(option)]
        operand = {'help': "'1:topic:(%s exit-codes environment)'" % ' '.join(c.name for c in table.commands),
                   'completion': "'1:shell:(bash zsh fish)'",
                   'run': "'1:file:_files' '*::arguments:_normal -p cay'"}.get(command.name, "'*:file:_files'")
        cases.append('    %s) _arguments -S \\\n      %s ;;' % (command.name, ' \\\n      '.join(specs + [operand])))
    described = ' '.join("'%s:%s'" % (c.name, zsh_quoted(c.summary)) for c in table.commands)
    return f'''#compdef cay
# Completion of cay for zsh. Written by the build from the option table.
_cay() {{
  local -a commands=({described})
  if (( CURRENT == 2 )) && [[ $words[2] != -* ]]; then
    _describe command commands
    _files
    return
  fi
  local command=$words[2]
  if (( ! ${{commands[(I)$command:*]}} )); then
    command=run
  else
    shift words
    (( CURRENT-- ))
  fi
  case $command in
{chr(10).join(cases)}
  esac
}}
_cay "$@"
'''


def fish_quoted(text):
    return "'" + text.replace('\\', '\\\\').replace("'", "\\'") + "'"


def fish_option(table, option):
    names = [command.name for command in table.commands if option.applies(command)]
    if not names:
        condition = '__fish_use_subcommand'
    elif 'run' in names:
        others = [command.name for command in table.commands if command.name not in names]
        condition = 'not __fish_seen_subcommand_from ' + ' '.join(others) if others else 'true'
    else:
        condition = '__fish_seen_subcommand_from ' + ' '.join(names)
    line = "complete -c cay -n %s" % fish_quoted(condition)
    line += ' -s ' + option.letter if option.letter else ''
    line += ' -l ' + option.name
    if option.choices():
        line += ' -x -a ' + fish_quoted(' '.join(option.choices()))
    elif takes_value(option):
        line += ' -r' if takes_file(option) else ' -x'
    return line + ' -d ' + fish_quoted(re.split(r'[.;:] ', option.help)[0].rstrip('.'))


def write_fish(table):
    lines = ['# Completion of cay for fish. Written by the build from the option table.']
    for command in table.commands:
        lines.append("complete -c cay -n __fish_use_subcommand -a %s -d %s" % (command.name, fish_quoted(command.summary)))
    names = ' '.join(command.name for command in table.commands)
    lines.append("complete -c cay -f -n '__fish_seen_subcommand_from help' -a '%s exit-codes environment'" % names)
    lines.append("complete -c cay -f -n '__fish_seen_subcommand_from completion' -a 'bash zsh fish'")
    lines += [fish_option(table, option) for option in table.options]
    return '\n'.join(lines) + '\n'


WRITERS = {'bash': write_bash, 'zsh': write_zsh, 'fish': write_fish}


def write_header(table):
    out = ['/* Written by tools/gen_cli.py from src/policy/options.def. */\n']
    for shell, writer in WRITERS.items():
        lines = (line.replace('\\', '\\\\').replace('"', '\\"') for line in writer(table).splitlines())
        out.append('static const char completion_%s[] =\n%s;\n' %
                   (shell, '\n'.join('  "%s\\n"' % line for line in lines)))
    return ''.join(out)


def main():
    if len(sys.argv) not in (4, 5):
        sys.exit(__doc__)
    table = Table(Path(sys.argv[1]).read_text(encoding='utf-8'))
    kind, output = sys.argv[2], Path(sys.argv[3])
    if kind == 'man':
        text = write_man(table, Path(sys.argv[4]).read_text(encoding='utf-8'))
    elif kind == 'header':
        text = write_header(table)
    else:
        text = WRITERS[kind](table)
    if not output.exists() or output.read_text(encoding='utf-8') != text:
        output.write_text(text, encoding='utf-8')


main()
