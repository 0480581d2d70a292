import type { Maybe } from "#base/brand.ts";

/** `next` of a value now, or later where the value has to be waited for. For paths that missed a cache: it costs a closure. */
export function after<T, U>(value: Maybe<T>, next: (value: T) => Maybe<U>): Maybe<U> {
  return value instanceof Promise ? value.then(next) : next(value);
}
