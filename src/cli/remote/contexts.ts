import { chmodSync, closeSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, rmSync, statSync, writeSync } from "node:fs";
import { dirname, join } from "node:path";
import { ApiError, type TokenSource } from "#api/client/index.ts";
import type { schemas } from "#api/contract/index.ts";
import { type Environment, thisMachine } from "#config/index.ts";
import type { Context } from "../ports.ts";
import { CommandFailure } from "./failure.ts";
import { ExitStatus } from "../ports.ts";
import { withLock } from "./lock.ts";

/** A server somebody logged in to, and as whom. Without tokens: logged out. */
export interface SavedContext {
  readonly server: string;
  readonly username: string;
  readonly access_token?: string;
  readonly refresh_token?: string;
  /** Of the access token; ISO 8601. */
  readonly expires_at?: string;
  readonly cacert?: string;
  readonly client_cert?: string;
  readonly client_key?: string;
  readonly tls_skip_verify?: boolean;
}

export interface Contexts {
  readonly current: string | null;
  readonly contexts: Readonly<Record<string, SavedContext>>;
}

const formatVersion = 1;
const nameAllowed = /^[A-Za-z0-9][A-Za-z0-9_.:@-]{0,63}$/;

export function contextsPath(environment: Environment): string {
  return join(thisMachine(environment).configHome, "dittofs", "contexts.json");
}

/** Null, or what is wrong with this name for a context. */
export function wrongContextName(name: string): string | null {
  return nameAllowed.test(name) ? null : `${JSON.stringify(name)} can't name a context; allowed: letters, digits, _ . : @ -, at most 64`;
}

/** The file that holds the contexts, tokens included: for its owner alone, written whole or not at all, changed by one process at a time. */
export class ContextStore {
  readonly path: string;
  private readonly context: Context;

  constructor(context: Context) {
    this.context = context;
    this.path = contextsPath(context.environment);
  }

  read(): Contexts {
    let text: string;
    try {
      text = readFileSync(this.path, "utf8");
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return { current: null, contexts: {} };
      throw new CommandFailure(ExitStatus.failed, `${this.path} can't be read: ${(error as Error).message}`);
    }
    this.guard();
    return this.parse(text);
  }

  /** Tokens are as good as passwords: what others could read is closed to them, and said, for they may have. */
  private guard(): void {
    const { mode } = statSync(this.path);
    if ((mode & 0o077) === 0) return;
    try {
      chmodSync(this.path, 0o600);
    } catch (error) {
      throw new CommandFailure(ExitStatus.failed, `${this.path} holds log-in tokens and can be read by others (mode ${octal(mode)}), and that can't be changed: ${(error as Error).message}`, "make it yours, with mode 0600");
    }
    this.context.terminal.err(`warning: ${this.path} holds log-in tokens and was open to others (mode ${octal(mode)}); it is 0600 now. If others use this machine, log out and in again\n`);
  }

  private parse(text: string): Contexts {
    const wrong = (why: string) => new CommandFailure(ExitStatus.failed, `${this.path}: ${why}`, "put it right, or remove it and log in again");
    let found: { version?: unknown; current?: unknown; contexts?: unknown };
    try {
      found = JSON.parse(text);
    } catch {
      throw wrong("is not JSON");
    }
    if (typeof found !== "object" || found === null || typeof found.contexts !== "object" || found.contexts === null) throw wrong("is not what dittofs writes there");
    if (found.version !== formatVersion) throw wrong(`is of format ${String(found.version)}; this program knows ${formatVersion}. A newer dittofs made it`);
    const contexts = found.contexts as Record<string, SavedContext>;
    for (const [name, one] of Object.entries(contexts)) if (typeof one?.server !== "string" || typeof one.username !== "string") throw wrong(`the context ${name} has no server or no user name`);
    return { current: typeof found.current === "string" && Object.hasOwn(contexts, found.current) ? found.current : null, contexts };
  }

  /** Runs `work` while no other process does so: what it reads is what `replace` replaces. */
  async exclusive<T>(work: () => Promise<T>): Promise<T> {
    mkdirSync(dirname(this.path), { recursive: true, mode: 0o700 });
    return await withLock(`${this.path}.lock`, this.context.wait, work);
  }

  /** Changes the newest contents. */
  async update(change: (now: Contexts) => Contexts): Promise<Contexts> {
    return await this.exclusive(async () => this.replace(change));
  }

  /** As `update`, for whoever has it exclusively already. */
  replace(change: (now: Contexts) => Contexts): Contexts {
    const now = this.read();
    const next = change(now);
    if (next !== now) this.write(next);
    return next;
  }

  private write(next: Contexts): void {
    const temporary = `${this.path}.new`;
    rmSync(temporary, { force: true });
    const fd = openSync(temporary, "wx", 0o600);
    try {
      writeSync(fd, `${JSON.stringify({ version: formatVersion, ...next }, null, 2)}\n`);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    renameSync(temporary, this.path);
  }
}

/** The same contexts, one of them set, changed or (null) gone. */
export function withContext(now: Contexts, name: string, saved: SavedContext | null): Contexts {
  const contexts = { ...now.contexts };
  if (saved === null) delete contexts[name];
  else contexts[name] = saved;
  return { current: saved === null && now.current === name ? null : now.current, contexts };
}

/** The tokens of a context, as long as it is of this server; renewed by one process at a time, for all. */
export function contextTokens(store: ContextStore, name: string, server: string): TokenSource {
  const saved = () => {
    const { contexts } = store.read();
    const one = Object.hasOwn(contexts, name) ? contexts[name] : undefined;
    return one?.server === server ? one : undefined;
  };
  const read = () => {
    const { access_token: accessToken, refresh_token: refreshToken = null } = saved() ?? {};
    return accessToken === undefined ? null : { accessToken, refreshToken };
  };
  return {
    read,
    save(tokens) {
      const one = saved();
      if (one !== undefined) store.replace((now) => withContext(now, name, withTokens(one, tokens)));
    },
    exclusive: (work) =>
      store.exclusive(async () => {
        try {
          return await work();
        } catch (error) {
          if (!(error instanceof ApiError) || error.status !== 401) throw error;
          const one = saved();
          if (one !== undefined) store.replace((now) => withContext(now, name, withoutTokens(one)));
          throw new CommandFailure(ExitStatus.denied, `the log-in to ${server} has ended`, `dittofs login --context ${name}`);
        }
      }),
  };
}

export function withTokens(saved: SavedContext, tokens: schemas.Tokens): SavedContext {
  return { ...saved, access_token: tokens.access_token, refresh_token: tokens.refresh_token, expires_at: tokens.expires_at };
}

/** Without what logs in. */
export function withoutTokens({ access_token: _a, refresh_token: _r, expires_at: _e, ...rest }: SavedContext): SavedContext {
  return rest;
}

function octal(mode: number): string {
  return (mode & 0o7777).toString(8).padStart(4, "0");
}
