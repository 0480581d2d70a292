import type { AnyRoute, Body, Params, Query } from "#api/contract/route.ts";

/** What may be left out may also be given as undefined, which is left out. */
type Loose<T> = { [K in keyof T]: {} extends Pick<T, K> ? T[K] | undefined : T[K] };

type ParamsPart<P> = keyof P extends never ? {} : { readonly params: Readonly<P> };
type QueryPart<Q> = keyof Q extends never ? {} : {} extends Q ? { readonly query?: Loose<Q> | undefined } : { readonly query: Loose<Q> };
type BodyPart<B> = [B] extends [never] ? {} : { readonly body: Loose<B> };

interface Options {
  /** An ETag, or `*`. */
  readonly ifMatch?: string | undefined;
  /** Instead of the client's; null: none, for calls that go on for as long as they make progress. */
  readonly timeoutMs?: number | null;
  /** Ends an event stream. */
  readonly signal?: AbortSignal;
}

/** What a call of a route takes. */
export type Input<R extends AnyRoute> = ParamsPart<Params<R>> & QueryPart<Query<R>> & BodyPart<Body<R>> & Options;

/** The input may be left out where nothing of it is needed. */
export type Args<R extends AnyRoute> = {} extends Input<R> ? [input?: Input<R>] : [input: Input<R>];
