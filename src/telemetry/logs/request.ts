import { AsyncLocalStorage } from "node:async_hooks";
import { currentSpan } from "../tracing/current.ts";

/** On whose behalf lines are written. Filled in as it becomes known. */
export interface RequestFields {
  /** Its id: of REST as the answer's x-request-id has it. */
  readonly request: string;
  /** The client's address. */
  readonly client: string;
  user?: string;
  share?: string;
}

interface Scope {
  /** Null once the request is answered: what it set going, a share say, logs on its own behalf from then on. */
  fields: RequestFields | null;
}

const scopes = new AsyncLocalStorage<Scope>();

/**
 * Whatever is logged by `work`, and by what it waits for, carries `fields`. For calls of the control plane: a request of a file protocol is
 * too short for what this costs, and hands its fields to the logger itself.
 */
export async function withinRequest<T>(fields: RequestFields, work: () => Promise<T>): Promise<T> {
  const scope: Scope = { fields };
  try {
    return await scopes.run(scope, work);
  } finally {
    scope.fields = null;
  }
}

/** Of the request that is worked on here, or null. */
export function requestFields(): RequestFields | null {
  return scopes.getStore()?.fields ?? null;
}

/** Of the trace that is worked on here, and of the request it begins with, where one is followed. */
export function traceFields(): { readonly trace: string; readonly request?: string } | null {
  const span = currentSpan();
  if (span === null) return null;
  const request = span.requestName;
  return { trace: span.context.traceId, ...(request === null ? {} : { request }) };
}
