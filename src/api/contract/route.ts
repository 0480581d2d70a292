import { type Static, type TObject, type TOptional, type TProperties, type TSchema, type TUnsafe, Type } from "@sinclair/typebox";
import type { ErrorCode } from "./problem.ts";

/** Who may call: `anyone` needs no token; each of the others includes those after it in rank. */
export type Required = "anyone" | "user" | "operator" | "admin";

export type Method = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";

/** One call of the REST interface, declared once: server, typed client, CLI, OpenAPI document and tests come from it. */
export interface Route<P extends TObject = TObject, Q extends TObject = TObject, B extends TSchema = TSchema, R extends TSchema = TSchema> {
  readonly method: Method;
  /** As OpenAPI writes it: `/api/v1/users/{username}`. */
  readonly path: string;
  readonly tag: string;
  readonly summary: string;
  readonly role: Required;
  /** A path parameter that names a user: whoever is that user may call whatever their role. */
  readonly self: string | null;
  /** Also for a user who must change their password first. */
  readonly beforePasswordChange: boolean;
  readonly params: P;
  readonly query: Q;
  /** `Type.Never()`: takes no body. */
  readonly body: B;
  readonly status: 200 | 201 | 202 | 204;
  /** `Type.Never()`: answers without a body. */
  readonly reply: R;
  /** Of the reply. */
  readonly media: string;
  /** What can go wrong besides what any call can (see `commonErrors`). */
  readonly errors: readonly ErrorCode[];
  /** Takes `If-Match` with the ETag of what it changes. */
  readonly ifMatch: boolean;
  /** Goes on for as long as it makes progress; every other call has a time limit. */
  readonly unhurried: boolean;
  /** Who accepts text/event-stream is sent a reply again and again, each an event, until one of both sides has enough. */
  readonly events: boolean;
  /** A body as somebody would send it. */
  readonly example: unknown;
}

// biome-ignore lint: a route of any shape
export type AnyRoute = Route<any, any, any, any>;

export type Params<R extends AnyRoute> = Static<R["params"]>;
export type Query<R extends AnyRoute> = Static<R["query"]>;
export type Body<R extends AnyRoute> = Static<R["body"]>;
export type Reply<R extends AnyRoute> = Static<R["reply"]>;

export const none = Type.Never();
type None = typeof none;
const noFields = Type.Object({}, { additionalProperties: false });
type NoFields = typeof noFields;

interface About {
  readonly tag: string;
  readonly summary: string;
  readonly role: Required;
  readonly self?: string;
  readonly beforePasswordChange?: boolean;
  readonly status?: 200 | 201 | 202 | 204;
  readonly errors?: readonly ErrorCode[];
  readonly ifMatch?: false;
  readonly unhurried?: true;
  readonly events?: true;
  readonly example?: unknown;
  /** Where the reply is no JSON: its bytes are the answer. */
  readonly media?: string;
}

export const jsonMedia = "application/json";

/** Declares a route. `ifMatch` follows from the method: a PUT, PATCH or DELETE takes it unless what it changes has no version. */
export function route<P extends TObject = NoFields, Q extends TObject = NoFields, B extends TSchema = None, R extends TSchema = None>(
  line: `${Method} /${string}`,
  about: About,
  shapes: { readonly params?: P; readonly query?: Q; readonly body?: B; readonly reply?: R } = {},
): Route<P, Q, B, R> {
  const [method, path] = line.split(" ") as [Method, string];
  const reply = shapes.reply ?? none;
  return {
    method,
    path,
    tag: about.tag,
    summary: about.summary,
    role: about.role,
    self: about.self ?? null,
    beforePasswordChange: about.beforePasswordChange ?? false,
    params: (shapes.params ?? noFields) as P,
    query: (shapes.query ?? noFields) as Q,
    body: (shapes.body ?? none) as B,
    reply: reply as R,
    status: about.status ?? (reply === none ? 204 : 200),
    media: about.media ?? jsonMedia,
    errors: about.errors ?? [],
    ifMatch: about.ifMatch ?? (method === "PUT" || method === "PATCH" || method === "DELETE"),
    unhurried: about.unhurried ?? false,
    events: about.events ?? false,
    example: about.example ?? null,
  };
}

/** The reply of a route whose answer is bytes. */
export const bytes = Type.Uint8Array();

/** An object that takes no other fields than these. */
export function object<T extends TProperties>(properties: T, description?: string): TObject<T> {
  return Type.Object(properties, description === undefined ? { additionalProperties: false } : { additionalProperties: false, description });
}

/** What an event stream is asked for with, and sent as (HTML Living Standard §9.2). */
export const eventMediaType = "text/event-stream";
/** The type of the last event of a stream that the server ends: a problem document's `code` and `detail`. */
export const endEvent = "end";

export const pageSizeMax = 1000;
export const pageSizeDefault = 100;

/** A field to sort by, with a minus for the other direction. */
export type Sort<S extends string> = S | `-${S}`;

type ListFields<S extends string, T extends TProperties> = {
  page: TOptional<TUnsafe<number>>;
  page_size: TOptional<TUnsafe<number>>;
  sort: TOptional<TUnsafe<Sort<S>>>;
} & T;

/** The query every list takes, with filters of its own. Unless told a list is sorted by the first of `sortable`. */
export function listQuery<const S extends readonly string[], T extends TProperties>(sortable: S, filters: T): TObject<ListFields<S[number], T>> {
  const words = sortable.flatMap((field) => [Type.Literal(field), Type.Literal(`-${field}`)]);
  const fields = {
    page: Type.Optional(Type.Integer({ minimum: 1, maximum: 1_000_000, description: "The first page is 1." })),
    page_size: Type.Optional(Type.Integer({ minimum: 1, maximum: pageSizeMax, description: `${pageSizeDefault} unless told.` })),
    sort: Type.Optional(Type.Union(words, { description: `A field; with a minus in front, the other way round. ${sortable[0]} unless told.` })),
    ...filters,
  };
  return object(fields) as unknown as TObject<ListFields<S[number], T>>;
}

export function listOf<T extends TSchema>(item: T) {
  return object({ items: Type.Array(item), page: Type.Integer(), page_size: Type.Integer(), total: Type.Integer({ description: "Of all pages." }) });
}
