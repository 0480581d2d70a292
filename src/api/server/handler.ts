import type { AnyRoute, Body, Params, Query, Reply } from "#api/contract/route.ts";
import type { Actor } from "#control/nouns.ts";
import type { ControlPlane, Caller } from "#control/services.ts";
import type { Runtime } from "#control/runtime.ts";
import type { Clock } from "#base/clock.ts";
import type { Profiles } from "#telemetry/profiling/profiler.ts";
import { Refusal } from "./refusal.ts";

/** What the server says of itself. */
export interface About {
  readonly version: string;
  /** Milliseconds since 1970. */
  readonly startedAt: number;
  readonly pid: number;
  readonly dataDir: string;
}

/** What handlers work with. */
export interface Services {
  readonly control: ControlPlane;
  readonly runtime: Runtime;
  readonly clock: Clock;
  readonly about: About;
  readonly profiles: Profiles;
}

/** A call that was let in: everything in it is as its route declares. */
export interface Call<R extends AnyRoute> {
  readonly params: Params<R>;
  readonly query: Query<R>;
  readonly body: Body<R>;
  /** From If-Match. */
  readonly ifVersion: number | null;
  /** Null: a call anyone may make. */
  readonly caller: Caller | null;
  readonly actor: Actor;
  readonly address: string;
  /** The name by which the caller reached the server. */
  readonly host: string;
  /** The caller takes an event stream, and the route has one. */
  readonly events: boolean;
  /** The caller goes away, or has its answer. */
  readonly gone: AbortSignal;
}

export interface Answer<T> {
  readonly body: T;
  /** Becomes the ETag. */
  readonly version?: number;
  /** Of what was created. */
  readonly location?: string;
}

/** An answer that is given again and again, to whoever accepts an event stream. */
export interface Followed<T> {
  /** Calls `told` with each from now on, until it is ended. */
  follow(told: (body: T) => void): { end(): void };
}

type Result<R extends AnyRoute> = [Reply<R>] extends [never] ? void : Answer<Reply<R>> | (R["events"] extends false ? never : Followed<Reply<R>>);

export type Handler<R extends AnyRoute> = (call: Call<R>) => Result<R> | Promise<Result<R>>;

/** A handler for every route of a noun. */
export type Handlers<T extends Readonly<Record<string, AnyRoute>>> = { readonly [K in keyof T]: Handler<T[K]> };

/** Who calls, where the route asks for a token. */
export function callerOf(call: { readonly caller: Caller | null }): Caller {
  if (call.caller === null) throw new Refusal("unauthenticated", "This call needs a token.");
  return call.caller;
}

/** `promise`, for as long as the caller waits for it: of what changes nothing. */
export function whileWaiting<T>(gone: AbortSignal, promise: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const left = (): void => reject(new Refusal("invalid_request", "The caller has gone."));
    if (gone.aborted) left();
    gone.addEventListener("abort", left, { once: true });
    promise.then(resolve, reject);
  });
}

type Defined<T> = { [K in keyof T]?: Exclude<T[K], undefined> };

/** The fields that were given. */
export function given<T extends object>(fields: T): Defined<T> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Defined<T>;
}
