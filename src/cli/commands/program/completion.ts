import { Argument, type Command, type Option } from "commander";
import { bashCompletion, type CompletedFlag, fishCompletion, powershellCompletion, type Verb, zshCompletion } from "../../completion.ts";
import { type Context, ExitStatus } from "../../ports.ts";

const shells = { bash: bashCompletion, zsh: zshCompletion, fish: fishCompletion, powershell: powershellCompletion } as const;

export function completion(parent: Command, context: Context, finish: (status: number) => void): void {
  parent
    .command("completion")
    .description("Print a shell's completion script.")
    .addArgument(new Argument("<shell>", "whose").choices(Object.keys(shells)))
    .addHelpText(
      "after",
      "\nExamples:\n  source <(dittofs completion bash)\n  dittofs completion zsh > ~/.zfunc/_dittofs\n  dittofs completion fish > ~/.config/fish/completions/dittofs.fish\n  dittofs completion powershell | Out-String | Invoke-Expression",
    )
    .action((shell: keyof typeof shells) => {
      context.terminal.out(shells[shell](collect(parent, [])));
      finish(ExitStatus.ok);
    });
}

/** Every command with its words, its flags and what may follow it; a command that has other names under each of them. */
function collect(command: Command, words: readonly string[]): readonly Verb[] {
  const flags = command.options.filter((option) => !option.hidden).map(flagOf);
  const next = [...command.commands.map((one) => ({ word: one.name(), help: one.description() })), ...command.registeredArguments.flatMap((one) => (one.argChoices ?? []).map((word) => ({ word, help: "" })))];
  const here: Verb = { words, flags: [...flags, { names: ["--help"], takes: "nothing", help: "say what the command does", values: [] }], next };
  return [here, ...command.commands.flatMap((one) => [one.name(), ...one.aliases()].flatMap((name) => collect(one, [...words, name])))];
}

/** What a flag's placeholder says of the word that comes after it. */
const files = /<(file|directory|path|value)>/;

function flagOf(option: Option): CompletedFlag {
  const names = [option.long, option.short].filter((name) => name !== undefined);
  const values = option.argChoices ?? (/[<[]boolean[>\]]/.test(option.flags) ? ["true", "false"] : []);
  const takes = !option.required && !option.optional ? "nothing" : values.length > 0 ? "values" : files.test(option.flags) ? "file" : "anything";
  // A flag that stands alone means true: what comes after it may be anything.
  return { names, takes: option.optional ? "nothing" : takes, help: option.description, values: option.optional ? [] : values };
}
