import { homedir, totalmem } from "node:os";
import { join } from "node:path";
import type { Machine } from "./option.ts";

export type Environment = Readonly<Record<string, string | undefined>>;

/** A base directory by the XDG rule: the variable where it is an absolute path, else the place in the home directory. */
function xdg(environment: Environment, name: string, inHome: string): string {
  const value = environment[name];
  return value !== undefined && value.startsWith("/") ? value : join(environment["HOME"] || homedir(), inHome);
}

/** This machine, with the memory a container's limit leaves. */
export function thisMachine(environment: Environment): Machine {
  const limit = process.constrainedMemory();
  const memory = totalmem();
  return {
    memoryBytes: limit > 0 && limit < memory ? limit : memory,
    dataHome: xdg(environment, "XDG_DATA_HOME", ".local/share"),
    configHome: xdg(environment, "XDG_CONFIG_HOME", ".config"),
  };
}

/** The environment of this process. */
export function processEnvironment(): Environment {
  return process.env;
}
