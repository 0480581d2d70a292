import { type Command, Option } from "commander";
import type { AnyRoute } from "#api/contract/index.ts";
import { type Context, ExitStatus, type Terminal } from "../ports.ts";
import { printable } from "../table.ts";
import { ContextStore } from "./contexts.ts";
import { Interrupted } from "../interrupted.ts";
import { CommandFailure, UsageError } from "./failure.ts";
import { fieldSchema, readField } from "./fields.ts";
import { asText, type Column, facts, type Format, itemsTable } from "./print.ts";
import { type Connection, Session } from "./session.ts";
import type { Flag, Verb } from "./verb.ts";

/** How often a question is put again before the person is given up on. */
const questionsMax = 3;

/** One run of a command: what it was given, whom it may ask, and where its results go. */
export class Call {
  readonly context: Context;
  readonly terminal: Terminal;
  readonly command: Command;
  private readonly verb: Verb;
  private readonly options: Readonly<Record<string, unknown>>;
  private connected: Session | null = null;
  private piped: string[] | null = null;

  constructor(verb: Verb, command: Command, context: Context) {
    this.verb = verb;
    this.command = command;
    this.context = context;
    this.terminal = context.terminal;
    this.options = command.opts();
  }

  get format(): Format {
    return this.options["output"] as Format;
  }

  get colours(): boolean {
    return this.terminal.colours && this.options["color"] !== false;
  }

  get contexts(): ContextStore {
    return new ContextStore(this.context);
  }

  session(): Session {
    this.connected ??= new Session(this.context, this.options as Connection);
    return this.connected;
  }

  /** An argument by its name; one that may be left out and was is null. */
  optionalArgument(name: string): string | null {
    const at = this.command.registeredArguments.findIndex((one) => one.name() === name);
    return (this.command.processedArgs[at] as string | undefined) ?? null;
  }

  argument(name: string): string {
    const given = this.optionalArgument(name);
    if (given === null) throw new UsageError(`missing required argument '${name}'`);
    return given;
  }

  /** What a flag was given, by its long name without dashes; null where it wasn't. */
  text(name: string): string | null {
    const value = this.options[new Option(`--${name}`).attributeName()];
    return typeof value === "string" ? value : null;
  }

  texts(name: string): readonly string[] {
    const value = this.options[new Option(`--${name}`).attributeName()];
    return Array.isArray(value) ? (value as string[]) : [];
  }

  has(name: string): boolean {
    const value = this.options[new Option(`--${name}`).attributeName()];
    return value === true || value === "true";
  }

  /** The path parameters of the verb's route, from the arguments; a share's slash in front is left out. */
  params<T>(): T {
    const names = Object.keys(this.verb.route?.params.properties ?? {});
    return Object.fromEntries(names.map((name) => [name, this.verb.params?.[name] ?? inPath(name, this.argument(name))])) as T;
  }

  /** The fields that flags were given for; what can't be left out is asked for. */
  async fields<T>(): Promise<T> {
    const { route } = this.verb;
    const found: Record<string, unknown> = {};
    for (const flag of this.verb.flags ?? []) {
      if (flag.field === undefined || route === undefined) continue;
      const value = flag.secret === undefined ? await this.field(flag, route) : await this.secret(flag);
      if (value !== undefined) found[flag.field] = value;
    }
    return found as T;
  }

  /** As `fields`, of a change: one at least must be given. */
  async changes<T>(): Promise<T> {
    const found = await this.fields<Record<string, unknown>>();
    if (Object.keys(found).length > 0) return found as T;
    const flags = (this.verb.flags ?? []).flatMap((flag) => (flag.field === undefined ? [] : [longOf(flag)]));
    throw new UsageError(`nothing to change; give at least one of ${flags.join(", ")}`);
  }

  private async field(flag: Flag, route: AnyRoute): Promise<unknown> {
    const schema = fieldSchema(route.body, flag.field ?? "") ?? fieldSchema(route.query, flag.field ?? "");
    if (schema === null) throw new TypeError(`${route.path} has no field ${flag.field}`);
    const read = (given: string) => readField(schema, given, { flag: longOf(flag), as: flag.as, nullWord: flag.nullWord });
    const given = this.options[new Option(flag.flags).attributeName()];
    if (given !== undefined) return read(given === true ? "true" : String(given));
    return flag.ask === undefined ? undefined : await this.ask(flag, read);
  }

  /** Puts the question until its answer can be read; elsewhere than at a terminal, says which flag is missing. */
  async ask<T>(flag: Pick<Flag, "flags" | "ask">, read: (given: string) => T, standard: string | null = null): Promise<T> {
    const { person } = this.terminal;
    if (person === null) throw new UsageError(`${longOf(flag)} is missing; give it, or run this at a terminal to be asked`);
    for (let i = 0; i < questionsMax; i++) {
      const answer = await person.ask(`${flag.ask}${standard === null ? "" : ` [${printable(standard)}]`}: `, false);
      if (answer === null) throw new Interrupted();
      const given = answer === "" ? (standard ?? "") : answer;
      if (given === "") continue;
      try {
        return read(given);
      } catch (error) {
        if (!(error instanceof UsageError)) throw error;
        this.terminal.err(`${error.message}\n`);
      }
    }
    throw new UsageError(`${longOf(flag)} is missing`);
  }

  /** A password: from its flag, from standard input, or asked for. Undefined: there is none, and none is needed. */
  async secret(flag: Flag): Promise<string | undefined> {
    const given = this.options[new Option(flag.flags).attributeName()];
    if (this.options["passwordStdin"] === true) {
      if (given !== undefined) throw new UsageError(`${longOf(flag)} and --password-stdin are one too many`);
      return await this.pipedLine(flag);
    }
    if (given !== undefined) return String(given);
    if (flag.ask === undefined) return undefined;
    const { person } = this.terminal;
    if (person === null) throw new UsageError(`${longOf(flag)} is missing; give it with --password-stdin, or run this at a terminal to be asked`);
    for (let i = 0; i < questionsMax; i++) {
      const first = await this.askSecret(flag.ask);
      if (first === "") continue;
      if (flag.secret === "current" || first === (await this.askSecret(`${flag.ask} again`))) return first;
      this.terminal.err("these are not the same; once more\n");
    }
    throw new UsageError(`${longOf(flag)} is missing`);
  }

  private async askSecret(question: string): Promise<string> {
    const answer = await this.terminal.person?.ask(`${question}: `, true);
    if (answer === null || answer === undefined) throw new Interrupted();
    return answer;
  }

  /** The next line of standard input. */
  private async pipedLine(flag: Flag): Promise<string | undefined> {
    this.piped ??= (await this.terminal.readInput()).split(/\r?\n/);
    const line = this.piped.shift();
    if (line !== undefined && line !== "") return line;
    if (flag.ask === undefined) return undefined;
    throw new UsageError(`standard input has no line for ${longOf(flag)}`);
  }

  /** Asks whether to go on with what can't be undone. */
  async confirmed(): Promise<void> {
    if (this.verb.confirm === undefined || this.has("force") || this.has("yes")) return;
    const question = this.verb.confirm(this);
    const { person } = this.terminal;
    if (person === null) throw new UsageError(`${question} Say so with --force or --yes; nobody is here to be asked`);
    const answer = await person.ask(`${printable(question)} [y/N] `, false);
    if (!/^y(es)?$/i.test(answer?.trim() ?? "")) throw new CommandFailure(ExitStatus.failed, "not confirmed; nothing was changed");
  }

  /** A line for people; nothing where a program reads, unless there is an object for it. */
  done(line: string, value?: unknown): void {
    if (this.format === "table") this.terminal.out(`${printable(line)}\n`);
    else if (value !== undefined) this.terminal.out(asText(value, this.format));
  }

  list<T>(items: readonly T[], columns: readonly Column<T>[]): void {
    this.terminal.out(this.format === "table" ? itemsTable(items, columns, this.terminal.columns) : asText(items, this.format));
  }

  show(value: object): void {
    this.terminal.out(this.format === "table" ? facts(value) : asText(value, this.format));
  }
}

/** An argument as part of a path: a share's slash in front is left out, and nothing that would make another path of it is let in. */
export function inPath(name: string, given: string): string {
  const value = name === "share" ? given.replace(/^\//, "") : given;
  if (["", ".", ".."].includes(value)) throw new UsageError(`${JSON.stringify(given)} can't be the ${name}`);
  return value;
}

/** `--uid` of `--uid <number>`. */
export function longOf(flag: Pick<Flag, "flags">): string {
  return new Option(flag.flags).long ?? flag.flags;
}
