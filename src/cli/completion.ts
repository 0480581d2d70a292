/** One command as completion needs it: `["config", "show"]`, its flags, and the words that may follow. */
export interface Verb {
  readonly words: readonly string[];
  readonly flags: readonly { readonly name: string; readonly takesValue: boolean; readonly help: string; readonly values: readonly string[] }[];
  readonly next: readonly { readonly word: string; readonly help: string }[];
}

function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/** The first sentence of a help text: what fits beside a word. */
function brief(help: string): string {
  return help.split(/[.;:] /)[0]?.replaceAll(/[[\]]/g, "") ?? "";
}

export function bashCompletion(verbs: readonly Verb[]): string {
  const cases = verbs.map((verb) => `    ${quote(verb.words.join(" "))}) words=${quote([...verb.next.map((one) => one.word), ...verb.flags.map((flag) => flag.name)].join(" "))};;`);
  const values = verbs.flatMap((verb) => verb.flags.filter((flag) => flag.values.length > 0).map((flag) => `    ${quote(`${verb.words.join(" ")} ${flag.name}`)}) words=${quote(flag.values.join(" "))};;`));
  const withValue = [...new Set(verbs.flatMap((verb) => verb.flags.filter((flag) => flag.takesValue).map((flag) => flag.name)))];
  return `_dittofs() {
  local current=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD-1]} path= words= i
  for ((i = 1; i < COMP_CWORD; i++)); do
    case \${COMP_WORDS[i]} in
    -*) ;;
    *) case \${COMP_WORDS[i-1]} in
      ${withValue.join("|")}) ;;
      *) path="\${path:+$path }\${COMP_WORDS[i]}";;
      esac;;
    esac
  done
  case "$path $previous" in
${values.join("\n")}
    *)
      case $previous in
      ${withValue.join("|")}) COMPREPLY=($(compgen -f -- "$current")); return;;
      esac
      case $path in
${cases.join("\n")}
      esac;;
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -o filenames -F _dittofs dittofs
`;
}

export function zshCompletion(verbs: readonly Verb[]): string {
  const cases = verbs.map((verb) => {
    const next = verb.next.map((one) => quote(`${one.word.replaceAll(":", "\\:")}:${brief(one.help)}`)).join(" ");
    const flags = verb.flags.map((flag) => quote(`${flag.name}:${brief(flag.help)}`)).join(" ");
    return `    ${quote(verb.words.join(" "))}) next=(${next}); flags=(${flags});;`;
  });
  const withValue = [...new Set(verbs.flatMap((verb) => verb.flags.filter((flag) => flag.takesValue).map((flag) => flag.name)))];
  return `#compdef dittofs
_dittofs() {
  local -a next flags path
  local i
  for ((i = 2; i < CURRENT; i++)); do
    case $words[i] in
    -*) ;;
    *) case $words[i-1] in
      ${withValue.join("|")}) ;;
      *) path+=($words[i]);;
      esac;;
    esac
  done
  case $words[CURRENT-1] in
    ${withValue.join("|")}) _files; return;;
  esac
  case "$path" in
${cases.join("\n")}
  esac
  (( $#next )) && _describe command next
  (( $#flags )) && _describe option flags
}
if [ "$funcstack[1]" = _dittofs ]; then _dittofs "$@"; else compdef _dittofs dittofs; fi
`;
}

export function fishCompletion(verbs: readonly Verb[]): string {
  let out = `function __dittofs_at
  set -l given (commandline -opc)[2..-1]
  set -l path
  for one in $given
    string match -q -- '-*' $one; or set -a path $one
  end
  test "$path" = "$argv[1]"
end
complete -c dittofs -f
`;
  for (const verb of verbs) {
    const here = `-n ${quote(`__dittofs_at ${quote(verb.words.join(" "))}`)}`;
    for (const one of verb.next) out += `complete -c dittofs ${here} -a ${quote(one.word)} -d ${quote(brief(one.help))}\n`;
    for (const flag of verb.flags) {
      const values = flag.values.length > 0 ? ` -xa ${quote(flag.values.join(" "))}` : flag.takesValue ? " -rF" : "";
      out += `complete -c dittofs ${here} -l ${flag.name.replace(/^--?/, "")}${values} -d ${quote(brief(flag.help))}\n`;
    }
  }
  return out;
}
