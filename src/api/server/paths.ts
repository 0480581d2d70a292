import type { Method } from "#api/contract/route.ts";

/** Which methods a path takes. */
export interface Paths {
  methodsOf(path: string): readonly string[];
}

const special = /[.*+?^$()|[\]\\]/g;

export function pathsOf(routes: readonly { readonly method: Method; readonly path: string }[]): Paths {
  const methods = new Map<string, Set<Method | "HEAD">>();
  for (const route of routes) {
    const pattern = `^${route.path.replace(special, "\\$&").replace(/\{\w+\}/g, "[^/]+")}/?$`;
    const taken = methods.get(pattern) ?? new Set();
    taken.add(route.method);
    if (route.method === "GET") taken.add("HEAD");
    methods.set(pattern, taken);
  }
  const patterns = [...methods].map(([pattern, taken]) => ({ pattern: new RegExp(pattern), taken }));
  return {
    methodsOf: (path) => [...new Set(patterns.filter(({ pattern }) => pattern.test(path)).flatMap(({ taken }) => [...taken]))].sort(),
  };
}
