declare const brand: unique symbol;

/** A primitive that only the named factory of its kind should make: ids and units don't mix. */
export type Brand<T, Name extends string> = T & { readonly [brand]: Name };

/** A value that is at hand at a cache hit and has to be waited for otherwise: the one seam between synchronous hot paths and I/O. */
export type Maybe<T> = T | Promise<T>;
