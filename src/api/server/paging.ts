import { type Sort, pageSizeDefault } from "#api/contract/route.ts";

interface ListQuery<S extends string> {
  readonly page?: number;
  readonly page_size?: number;
  readonly sort?: Sort<S>;
}

/** What each field a list can be sorted by is, of one item. The first is the order unless told. */
export type Orders<S extends string, T> = { readonly [K in S]: (item: T) => string | number };

export interface Page<V> {
  items: V[];
  page: number;
  page_size: number;
  total: number;
}

export function boundsOf(query: { readonly page?: number; readonly page_size?: number }): { readonly page: number; readonly size: number; readonly offset: number } {
  const page = query.page ?? 1;
  const size = query.page_size ?? pageSizeDefault;
  return { page, size, offset: (page - 1) * size };
}

function compare(a: string | number, b: string | number): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** The page of `items` that a list's query asks for. Equal items keep the order they came in. */
export function pageOf<S extends string, T, V>(items: readonly T[], query: ListQuery<S>, orders: Orders<S, T>, view: (item: T) => V): Page<V> {
  const { page, size, offset } = boundsOf(query);
  const word: string = query.sort ?? (Object.keys(orders)[0] as string);
  const descending = word.startsWith("-");
  const key = orders[(descending ? word.slice(1) : word) as S];
  const sorted = items.toSorted((a, b) => (descending ? compare(key(b), key(a)) : compare(key(a), key(b))));
  return { items: sorted.slice(offset, offset + size).map(view), page, page_size: size, total: items.length };
}

/** Whether a search's text is in one of these, whatever the case. */
export function found(search: string | undefined, ...texts: readonly string[]): boolean {
  if (search === undefined) return true;
  const wanted = search.toLowerCase();
  return texts.some((text) => text.toLowerCase().includes(wanted));
}
