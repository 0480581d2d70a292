import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describeProblem, type Loaded, loadConfig, type Machine, type Sources } from "#config/index.ts";
import { temporary } from "../../support/temporary.ts";

export const machine: Machine = { memoryBytes: 8 * 2 ** 30, dataHome: "/home/ditto/.local/share", configHome: "/home/ditto/.config" };

/** A file with this text in a fresh directory. */
export function file(text: string): string {
  const path = join(temporary("config"), "config.yaml");
  writeFileSync(path, text);
  return path;
}

interface Given {
  readonly file?: string;
  readonly env?: Record<string, string>;
  readonly flags?: Record<string, string | readonly string[]>;
  readonly machine?: Machine;
}

function sources(given: Given): Sources {
  return {
    machine: given.machine ?? machine,
    environment: given.env ?? {},
    configPath: given.file === undefined ? null : file(given.file),
    flags: new Map(Object.entries(given.flags ?? {})),
  };
}

/** Loads what must load. */
export function load(given: Given): Loaded {
  const loaded = loadConfig(sources(given));
  if (!loaded.ok) throw new Error(loaded.problems.map(describeProblem).join("\n"));
  return loaded;
}

/** Loads what must be refused; gives the complaints, with the file's directory taken off. */
export function refuse(given: Given): readonly string[] {
  const loaded = loadConfig(sources(given));
  if (loaded.ok) throw new Error("was accepted");
  return loaded.problems.map((problem) => describeProblem(problem).replace(/\S*\/config\.yaml/, "config.yaml"));
}
