/** One command as completion needs it: `["config", "show"]`, its flags, and the words that may follow. */
export interface Verb {
  readonly words: readonly string[];
  readonly flags: readonly CompletedFlag[];
  readonly next: readonly { readonly word: string; readonly help: string }[];
}

export interface CompletedFlag {
  /** `--follow`, and `-f` where it has one. */
  readonly names: readonly string[];
  /** What comes after it: nothing, one of `values`, the name of a file, or something nobody can guess. */
  readonly takes: "nothing" | "values" | "file" | "anything";
  readonly help: string;
  readonly values: readonly string[];
}

function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/** The first sentence of a help text: what fits beside a word. */
function brief(help: string): string {
  return help.split(/[.;:] /)[0]?.replaceAll(/[[\]]/g, "") ?? "";
}

const pathOf = (verb: Verb): string => verb.words.join(" ");
const longOf = (flag: CompletedFlag): string => flag.names[0] ?? "";
const unique = (words: readonly string[]): readonly string[] => [...new Set(words)];

/** Flags, long and short, after which such a word comes. */
function flagsThatTake(verbs: readonly Verb[], takes: CompletedFlag["takes"]): readonly string[] {
  return unique(verbs.flatMap((verb) => verb.flags.filter((flag) => flag.takes === takes).flatMap((flag) => flag.names)));
}

/** `share create --read-only`, with what may come after. */
function valuesByFlag(verbs: readonly Verb[]): readonly { readonly at: string; readonly values: readonly string[] }[] {
  return verbs.flatMap((verb) => verb.flags.filter((flag) => flag.takes === "values").flatMap((flag) => flag.names.map((name) => ({ at: `${pathOf(verb)} ${name}`.trim(), values: flag.values }))));
}

/** Commands and flags that go before what a flag of that name means elsewhere. */
function never(names: readonly string[]): string {
  return names.length === 0 ? "--" : names.join("|");
}

export function bashCompletion(verbs: readonly Verb[]): string {
  const known = verbs.filter((verb) => verb.words.length > 0).map((verb) => quote(pathOf(verb)));
  const cases = verbs.map((verb) => `    ${quote(pathOf(verb))}) words=${quote([...verb.next.map((one) => one.word), ...verb.flags.map(longOf)].join(" "))};;`);
  const values = valuesByFlag(verbs).map((one) => `    ${quote(one.at)}) words=${quote(one.values.join(" "))};;`);
  return `_dittofs() {
  local current=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD-1]} path= words= i
  for ((i = 1; i < COMP_CWORD; i++)); do
    case "\${path:+$path }\${COMP_WORDS[i]}" in
    ${known.join("|")}) path="\${path:+$path }\${COMP_WORDS[i]}";;
    esac
  done
  case "$path $previous" in
${values.join("\n")}
    *)
      case $previous in
      ${never(flagsThatTake(verbs, "file"))}) COMPREPLY=($(compgen -f -- "$current")); return;;
      ${never(flagsThatTake(verbs, "anything"))}) return;;
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
  const known = verbs.filter((verb) => verb.words.length > 0).map((verb) => quote(pathOf(verb)));
  const cases = verbs.map((verb) => {
    const next = verb.next.map((one) => quote(`${one.word.replaceAll(":", "\\:")}:${brief(one.help)}`)).join(" ");
    const flags = verb.flags.map((flag) => quote(`${longOf(flag)}:${brief(flag.help)}`)).join(" ");
    return `    ${quote(pathOf(verb))}) next=(${next}); flags=(${flags});;`;
  });
  const values = valuesByFlag(verbs).map((one) => `    ${quote(one.at)}) compadd -- ${one.values.map(quote).join(" ")}; return;;`);
  return `#compdef dittofs
_dittofs() {
  local -a next flags
  local i path_=
  for ((i = 2; i < CURRENT; i++)); do
    case "\${path_:+$path_ }$words[i]" in
    (${known.join("|")}) path_="\${path_:+$path_ }$words[i]";;
    esac
  done
  case "$path_ $words[CURRENT-1]" in
${values.join("\n")}
  esac
  case $words[CURRENT-1] in
    ${never(flagsThatTake(verbs, "file"))}) _files; return;;
    ${never(flagsThatTake(verbs, "anything"))}) return;;
  esac
  case "$path_" in
${cases.join("\n")}
  esac
  (( $#next )) && _describe command next
  (( $#flags )) && _describe option flags
}
if [ "$funcstack[1]" = _dittofs ]; then _dittofs "$@"; else compdef _dittofs dittofs; fi
`;
}

export function fishCompletion(verbs: readonly Verb[]): string {
  let out = `function __dittofs_path
  set -l path
  for one in (commandline -opc)[2..-1]
    if contains -- "$path $one" $__dittofs_known
      set path "$path $one"
    end
  end
  echo -- (string trim -- "$path")
end
function __dittofs_at
  test (__dittofs_path) = "$argv[1]"
end
set -g __dittofs_known ${verbs.filter((verb) => verb.words.length > 0).map((verb) => quote(` ${pathOf(verb)}`)).join(" ")}
complete -c dittofs -f
`;
  for (const verb of verbs) {
    const here = `-n ${quote(`__dittofs_at ${quote(pathOf(verb))}`)}`;
    for (const one of verb.next) out += `complete -c dittofs ${here} -a ${quote(one.word)} -d ${quote(brief(one.help))}\n`;
    for (const flag of verb.flags) {
      const names = flag.names.map((name) => (name.startsWith("--") ? `-l ${name.slice(2)}` : `-s ${name.slice(1)}`)).join(" ");
      const values = { nothing: "", values: ` -xa ${quote(flag.values.join(" "))}`, file: " -rF", anything: " -x" }[flag.takes];
      out += `complete -c dittofs ${here} ${names}${values} -d ${quote(brief(flag.help))}\n`;
    }
  }
  return out;
}

export function powershellCompletion(verbs: readonly Verb[]): string {
  // PowerShell takes the curved quotes for the straight one, at a string's end, too.
  const text = (value: string) => `'${value.replaceAll(/['\u2018-\u201b]/g, "$&$&")}'`;
  const offered = (verb: Verb) => [...verb.next.map((one) => [one.word, one.help]), ...verb.flags.map((flag) => [longOf(flag), flag.help])].map(([word = "", help = ""]) => text(`${word}|${brief(help) || word}`));
  const words = verbs.map((verb) => `    ${text(pathOf(verb))} = @(${offered(verb).join(", ")})`);
  const values = valuesByFlag(verbs).map((one) => `    ${text(one.at)} = @(${one.values.map((value) => text(`${value}|${value}`)).join(", ")})`);
  const list = (names: readonly string[]) => `@(${names.map(text).join(", ")})`;
  return `Register-ArgumentCompleter -Native -CommandName dittofs -ScriptBlock {
  param($current, $ast, $cursor)
  $words = @{
${words.join("\n")}
  }
  $values = @{
${values.join("\n")}
  }
  # Nothing to offer after these: PowerShell then offers files.
  $open = ${list(unique([...flagsThatTake(verbs, "file"), ...flagsThatTake(verbs, "anything")]))}
  $path = ''
  $previous = ''
  foreach ($element in ($ast.CommandElements | Select-Object -Skip 1)) {
    $word = $element.Extent.Text
    if ($element.Extent.EndOffset -ge $cursor -and $word -eq $current) { break }
    $longer = "$path $word".Trim()
    if ($words.ContainsKey($longer)) { $path = $longer }
    $previous = $word
  }
  $at = "$path $previous".Trim()
  if ($values.ContainsKey($at)) { $found = $values[$at] }
  elseif ($open -ccontains $previous) { return }
  else { $found = $words[$path] }
  $found | ForEach-Object {
    $word, $help = $_ -split '\\|', 2
    if ($word.StartsWith($current)) { [System.Management.Automation.CompletionResult]::new($word, $word, 'ParameterValue', $help) }
  }
}
`;
}
