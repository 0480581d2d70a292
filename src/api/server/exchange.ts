import type { RequestFields } from "#telemetry/logs/request.ts";

/** What the listener knows of whoever sent a request. */
export interface Peer {
  readonly address: string;
  /** The connection may be silent for as long as the call takes. */
  unhurried(): void;
}

/** One request and what is noted of it until its answer has left. */
export class Exchange {
  readonly request: Request;
  readonly peer: Peer;
  readonly id: string;
  readonly startMs: number;
  /** The route's name, once it is known. */
  route: string;
  /** Its path, with names in braces for what is different in each call; "none" until it is known. */
  pattern: string;
  /** For the log; the caller's name and the share are filled in once they are known. */
  readonly about: RequestFields;
  /** It goes on for as long as it makes progress. */
  unhurried: boolean;
  /** What was thrown, where something was. */
  error: unknown;

  constructor(request: Request, peer: Peer, id: string, startMs: number) {
    this.request = request;
    this.peer = peer;
    this.id = id;
    this.startMs = startMs;
    this.route = "none";
    this.pattern = "none";
    this.about = { request: id, client: peer.address };
    this.unhurried = false;
    this.error = null;
  }
}

/** Path and query of a request, without parsing the rest of its address. */
export function targetOf(request: Request): { readonly path: string; readonly query: string } {
  const url = request.url;
  const start = url.indexOf("/", url.indexOf("://") + 3);
  const mark = url.indexOf("?", start);
  return mark < 0 ? { path: url.slice(start), query: "" } : { path: url.slice(start, mark), query: url.slice(mark + 1) };
}
