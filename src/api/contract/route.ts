import { type Static, type TObject, type TProperties, type TSchema, Type } from "@sinclair/typebox";
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
  /** What can go wrong besides what any call can (see `commonErrors`). */
  readonly errors: readonly ErrorCode[];
  /** Takes `If-Match` with the ETag of what it changes. */
  readonly ifMatch: boolean;
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
  readonly example?: unknown;
}

/** Declares a route. `ifMatch` follows from the method: every PUT, PATCH and DELETE takes it. */
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
    errors: about.errors ?? [],
    ifMatch: method === "PUT" || method === "PATCH" || method === "DELETE",
    example: about.example ?? null,
  };
}

/** An object that takes no other fields than these. */
export function object<T extends TProperties>(properties: T, description?: string): TObject<T> {
  return Type.Object(properties, description === undefined ? { additionalProperties: false } : { additionalProperties: false, description });
}

export const pageSizeMax = 1000;
export const pageSizeDefault = 100;

/** The query every list takes, with filters of its own. `sort` names a field, with a minus for the other direction. */
export function listQuery<T extends TProperties>(sortable: readonly string[], filters: T) {
  const words = sortable.flatMap((field) => [Type.Literal(field), Type.Literal(`-${field}`)]);
  return object({
    page: Type.Optional(Type.Integer({ minimum: 1, maximum: 1_000_000, description: "The first page is 1." })),
    page_size: Type.Optional(Type.Integer({ minimum: 1, maximum: pageSizeMax, description: `${pageSizeDefault} unless told.` })),
    sort: Type.Optional(Type.Union(words, { description: "A field; with a minus in front, the other way round." })),
    ...filters,
  });
}

export function listOf<T extends TSchema>(item: T) {
  return object({ items: Type.Array(item), page: Type.Integer(), page_size: Type.Integer(), total: Type.Integer({ description: "Of all pages." }) });
}
