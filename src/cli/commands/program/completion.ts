import { Argument, type Command } from "commander";
import { type Context, ExitStatus } from "../../ports.ts";
import { bashCompletion, fishCompletion, type Verb, zshCompletion } from "../../completion.ts";

export function completion(parent: Command, context: Context, finish: (status: number) => void): void {
  parent
    .command("completion")
    .description("Print a shell's completion script.")
    .addArgument(new Argument("<shell>", "whose").choices(["bash", "zsh", "fish"]))
    .addHelpText("after", "\nExamples:\n  source <(dittofs completion bash)\n  dittofs completion zsh > ~/.zfunc/_dittofs\n  dittofs completion fish > ~/.config/fish/completions/dittofs.fish")
    .action((shell: string) => {
      const verbs = collect(parent, []);
      const script = shell === "bash" ? bashCompletion(verbs) : shell === "zsh" ? zshCompletion(verbs) : fishCompletion(verbs);
      context.terminal.out(script);
      finish(ExitStatus.ok);
    });
}

/** Every command with its words, its flags and what may follow it. */
function collect(command: Command, words: readonly string[]): readonly Verb[] {
  const flags = command.options.filter((option) => !option.hidden).map((option) => ({ name: option.long ?? option.short ?? "", takesValue: option.required || option.optional, help: option.description, values: option.argChoices ?? [] }));
  const next = [...command.commands.map((one) => ({ word: one.name(), help: one.description() })), ...command.registeredArguments.flatMap((one) => (one.argChoices ?? []).map((word) => ({ word, help: "" })))];
  return [{ words, flags: [...flags, { name: "--help", takesValue: false, help: "say what the command does", values: [] }], next }, ...command.commands.flatMap((one) => collect(one, [...words, one.name()]))];
}
