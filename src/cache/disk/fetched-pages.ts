import type { PageBuffer } from "../pages/index.ts";
import { blockBytes } from "./entry.ts";
import type { Fetch, Fetches } from "./fetches.ts";

/** Resolves when a range has come into page buffers, or won't; null where some of it comes elsewhere, or nothing is left to wait for. */
export function comingPages(fetches: Fetches, key: string, from: number, to: number): Promise<unknown> | null {
  let waits: Promise<void>[] | null = null;
  for (let at = from; at < to; ) {
    const fetch = fetches.find(key, at, Math.min(at + blockBytes, to));
    if (fetch === null || fetch.pages === null) return null;
    at = Math.min(to, fetch.to);
    if (!fetch.has(at)) (waits ??= []).push(fetch.upTo(at));
  }
  return waits === null ? null : Promise.allSettled(waits);
}

/** The page buffers of a range that begins with one, each retained, if all of it has come into such. */
export function takePages(fetches: Fetches, key: string, from: number, to: number): readonly PageBuffer[] | null {
  const parts: Fetch[] = [];
  for (let at = from; at < to; ) {
    const fetch = fetches.find(key, at, Math.min(at + blockBytes, to));
    if (fetch === null || fetch.pages === null) return null;
    at = Math.min(to, fetch.to);
    if (!fetch.has(at)) return null;
    parts.push(fetch);
  }
  const taken: PageBuffer[] = [];
  let at = from;
  for (const fetch of parts) {
    const until = Math.min(to, fetch.to);
    for (let block = at; block < until; block += blockBytes) {
      const page = (fetch.pages as readonly PageBuffer[])[(block - fetch.from) / blockBytes] as PageBuffer;
      page.retain();
      taken.push(page);
    }
    fetch.readers++;
    fetches.took(fetch, until - at);
    at = until;
  }
  return taken;
}
