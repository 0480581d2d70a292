import type { Maybe } from "#base/brand.ts";
import { currentSpan } from "./current.ts";
import { type Attributes, type Span, spanned } from "./span.ts";

/** Which arguments of a method are attributes of its span: attribute and position. */
export type Operation = readonly (readonly [attribute: string, position: number])[];

type Method = (...values: unknown[]) => Maybe<unknown>;

/**
 * Has methods of an object be spans of the requests they are called for, `layer.method`. The object itself is changed: nothing is
 * added to it while tracing is off. `seen` is told of each result.
 */
export function instrument<T extends object>(object: T, layer: string, operations: { readonly [Name in keyof T]?: Operation }, fixed: Attributes, seen: (span: Span, result: unknown) => void): void {
  for (const [name, operation] of Object.entries(operations) as [string, Operation][]) {
    const method = (object as Record<string, unknown>)[name];
    if (typeof method !== "function") throw new TypeError(`${layer} has no ${name}`);
    Object.defineProperty(object, name, { value: traced(method as Method, `${layer}.${name}`, operation, fixed, seen), configurable: true, writable: true });
  }
}

/**
 * No method has more than eight parameters; what a call leaves out stays left out, for defaults. Most calls are not followed: for those it
 * must stay so small, and without closures of its own, that the engine puts it into its callers.
 */
function traced(method: Method, name: string, operation: Operation, fixed: Attributes, seen: (span: Span, result: unknown) => void): Method {
  return function (this: unknown, a?: unknown, b?: unknown, c?: unknown, d?: unknown, e?: unknown, f?: unknown, g?: unknown, h?: unknown): Maybe<unknown> {
    const parent = currentSpan();
    return parent === null ? method.call(this, a, b, c, d, e, f, g, h) : followed(parent, method, name, operation, fixed, seen, this, [a, b, c, d, e, f, g, h]);
  };
}

function followed(parent: Span, method: Method, name: string, operation: Operation, fixed: Attributes, seen: (span: Span, result: unknown) => void, object: unknown, values: readonly unknown[]): Maybe<unknown> {
  const attributes: Attributes = { ...fixed };
  for (const [attribute, position] of operation) {
    const value = values[position];
    if (typeof value === "number" || typeof value === "boolean") attributes[attribute] = value;
  }
  return spanned(parent.child(name, attributes), () => method.call(object, ...values), seen);
}
