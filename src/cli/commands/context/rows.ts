import { type Call, CommandFailure, type Contexts, type SavedContext, UsageError } from "../../remote/index.ts";
import { ExitStatus } from "../../ports.ts";

/** A context without what logs in. */
export interface ShownContext {
  readonly name: string;
  readonly current: boolean;
  readonly server: string;
  readonly username: string;
  readonly logged_in: boolean;
  readonly expires_at: string | null;
}

export function shownContext(name: string, saved: SavedContext, current: string | null): ShownContext {
  return { name, current: name === current, server: saved.server, username: saved.username, logged_in: saved.access_token !== undefined, expires_at: saved.expires_at ?? null };
}

/** The context of that name; says which there are where it isn't. */
export function needContext({ contexts }: Contexts, name: string): SavedContext {
  const saved = Object.hasOwn(contexts, name) ? contexts[name] : undefined;
  if (saved !== undefined) return saved;
  const names = Object.keys(contexts);
  throw new CommandFailure(ExitStatus.notFound, `there is no context ${name}`, names.length === 0 ? "dittofs login makes one" : `there are: ${names.join(", ")}`);
}

/** The name of the context that is in use. */
export function currentName(call: Call, now: Contexts): string {
  const name = call.context.environment["DITTOFS_CONTEXT"] || now.current;
  if (!name) throw new CommandFailure(ExitStatus.notFound, "no context is in use", Object.keys(now.contexts).length === 0 ? "dittofs login makes one" : "dittofs context use NAME");
  return name;
}

export function needName(name: string, wrong: string | null): string {
  if (wrong !== null) throw new UsageError(wrong);
  return name;
}
