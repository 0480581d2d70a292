/** Every command. What runs a server (`start` alone) doesn't load this: it would carry it along for as long as it serves. */
import type { Command } from "commander";
import { sleep, systemClock } from "#base/clock.ts";
import { init } from "./commands/config/init.ts";
import { schema } from "./commands/config/schema.ts";
import { show } from "./commands/config/show.ts";
import { validate } from "./commands/config/validate.ts";
import { nouns, serverVerbs } from "./commands/index.ts";
import { completion } from "./commands/program/completion.ts";
import { version } from "./commands/program/version.ts";
import { start } from "./commands/server/start.ts";
import { stop } from "./commands/server/stop.ts";
import { manPage } from "./man-page.ts";
import type { Context } from "./ports.ts";
import { emptyProgram } from "./empty-program.ts";
import { commandReference } from "./reference.ts";
import { addTo } from "./remote/index.ts";

/** Where commands are only described. */
const nowhere: Context = {
  terminal: { out() {}, err() {}, columns: null, colours: false, person: null, screen: null, readInput: () => Promise.resolve(""), gone: false },
  version: { version: "", commit: "" },
  environment: {},
  clock: systemClock,
  wait: sleep,
  server: () => Promise.reject(new Error("none")),
};

/** The reference page of all commands. */
export function commandsPage(): string {
  return commandReference(build(nowhere, () => {}));
}

/** dittofs(1). */
export function commandsManPage(): string {
  return manPage(build(nowhere, () => {}));
}

export function build(context: Context, finish: (status: number) => void): Command {
  const program = emptyProgram(context);
  init(program, context, finish);
  start(program, context, finish);
  stop(program, context, finish);
  for (const verb of serverVerbs) addTo(program, verb, context, finish);
  const config = program.command("config").description("Look at the configuration.").addHelpText("after", "\nExample:\n  dittofs config show --origins");
  show(config, context, finish);
  validate(config, context, finish);
  schema(config, context, finish);
  for (const noun of nouns) addTo(program, noun, context, finish);
  version(program, context, finish);
  completion(program, context, finish);
  return program;
}
