import { type IncomingMessage, type Server, type ServerResponse, createServer } from "node:http";
import { eventMediaType } from "#api/contract/route.ts";
import type { Api } from "./api.ts";
import type { ApiConnection, Connections } from "./connections.ts";

/** What a connection's stream is to the handler of its calls. */
export interface Caller {
  readonly connection: ApiConnection;
  readonly address: string;
}

/**
 * HTTP over streams that were accepted elsewhere, since neither Bun.serve nor node:http's own listener can be told how many
 * connections they may accept. A stream is handed over by `emit("connection", stream)`; `callerOf` says whose it is.
 */
export function createHttp(api: Api, connections: Connections, callerOf: (request: IncomingMessage) => Caller | undefined): Server {
  // The connections' own bounds hold: node:http's would need its own listener.
  const server = createServer({ keepAliveTimeout: 0, requestTimeout: 0, headersTimeout: 0 });
  server.on("request", (incoming, outgoing) => {
    const caller = callerOf(incoming);
    const bodied = hasBody(incoming);
    if (caller === undefined || !connections.begin(caller.connection, !bodied)) return void incoming.destroy();
    const { connection, address } = caller;
    if (bodied) incoming.once("end", () => connections.received(connection));
    // One answer is owed at a time: what a client asks for and doesn't take would pile up in memory, sixteen times what it is worth.
    const before = connection.left;
    const gone = new AbortController();
    connection.left = new Promise((resolve) => {
      outgoing.once("close", () => {
        gone.abort();
        connections.end(connection);
        resolve();
      });
    });
    const unhurried = (): void => {
      connection.unhurried = true;
    };
    // A client that goes away is no failure of ours.
    for (const half of [incoming, outgoing]) half.on("error", () => connections.lost(connection));
    const answering = async (): Promise<void> => {
      await before;
      if (outgoing.destroyed) return;
      const response = await answerOf(api, incoming, gone.signal, { address, unhurried });
      if (response.body !== null && response.headers.get("content-type") === eventMediaType) {
        return await stream(outgoing, response, response.body, () => connections.answered(connection));
      }
      const body = await response.arrayBuffer();
      connections.answered(connection);
      send(incoming, outgoing, response, body);
    };
    answering().catch(() => connections.close(connection));
  });
  return server;
}

function answerOf(api: Api, incoming: IncomingMessage, gone: AbortSignal, peer: { readonly address: string; unhurried(): void }): Promise<Response> {
  let request: Request;
  try {
    request = requestOf(incoming, gone);
  } catch {
    // Neither a method nor a host that any call could have.
    return Promise.resolve(new Response(null, { status: 400, headers: { connection: "close" } }));
  }
  return api.fetch(request, peer);
}

function requestOf(incoming: IncomingMessage, gone: AbortSignal): Request {
  const { headers, method = "GET", url = "/", rawHeaders } = incoming;
  const fields = new Headers();
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) fields.append(rawHeaders[i] as string, rawHeaders[i + 1] as string);
  const hosts = rawHeaders.filter((name, i) => i % 2 === 0 && name.toLowerCase() === "host").length;
  // RFC 9112 §3.2.2: a target may be a whole address, as a proxy is sent it.
  const target = url.startsWith("/") ? url : `/${url.replace(/^[a-z]+:\/\/[^/?#]*\/?/i, "")}`;
  const host = headers.host || "localhost";
  // RFC 9112 §3.2: one, and none only of HTTP/1.0. Those on the way may have looked at another.
  if (hosts > 1 || (hosts === 0 && incoming.httpVersion === "1.1")) throw new Error("not one host");
  // With a slash or a question mark in it, it would push the target out of its place.
  if (!/^[\w.:[\]-]+$/.test(host)) throw new Error("the host is none");
  return new Request(`http://${host}${target}`, {
    method,
    headers: fields,
    signal: gone,
    ...(hasBody(incoming) && method !== "GET" && method !== "HEAD" ? { body: bodyOf(incoming) } : {}),
  });
}

function hasBody({ headers }: IncomingMessage): boolean {
  return headers["transfer-encoding"] !== undefined || (headers["content-length"] ?? "0") !== "0";
}

/** The body as it comes, no faster than it is read. */
function bodyOf(incoming: IncomingMessage): ReadableStream<Uint8Array> {
  let over = false;
  return new ReadableStream<Uint8Array>({
    start(controller) {
      incoming.pause();
      incoming.on("data", (chunk: Uint8Array) => {
        if (over) return;
        controller.enqueue(chunk);
        if ((controller.desiredSize ?? 0) <= 0) incoming.pause();
      });
      incoming.once("end", () => {
        if (!over) controller.close();
        over = true;
      });
      const cut = (): void => {
        if (!over) controller.error(new Error("the connection was closed"));
        over = true;
      };
      incoming.once("error", cut);
      incoming.once("close", cut);
    },
    pull() {
      incoming.resume();
    },
    cancel() {
      over = true;
      incoming.resume();
    },
  });
}

/** Sends what comes as it comes, no faster than the client takes it. `accepted`: it took some more. */
async function stream(outgoing: ServerResponse, response: Response, body: ReadableStream<Uint8Array>, accepted: () => void): Promise<void> {
  const reader = body.getReader();
  let goOn = (): void => {};
  outgoing.on("drain", () => goOn());
  outgoing.once("close", () => {
    void reader.cancel();
    goOn();
  });
  outgoing.writeHead(response.status, fieldsOf(response));
  outgoing.flushHeaders();
  accepted();
  for (;;) {
    const { done, value } = await reader.read();
    if (outgoing.destroyed) return;
    if (done) break;
    if (!outgoing.write(value) && !outgoing.destroyed) {
      await new Promise<void>((resolve) => {
        goOn = resolve;
      });
    }
    accepted();
  }
  outgoing.end();
}

function fieldsOf(response: Response): string[] {
  const fields: string[] = [];
  response.headers.forEach((value, name) => fields.push(name, value));
  return fields;
}

function send(incoming: IncomingMessage, outgoing: ServerResponse, response: Response, body: ArrayBuffer): void {
  const { status } = response;
  const fields = fieldsOf(response);
  if (status !== 204 && status !== 304) fields.push("content-length", String(body.byteLength));
  outgoing.writeHead(status, fields);
  if (incoming.method === "HEAD" || body.byteLength === 0) outgoing.end();
  else outgoing.end(new Uint8Array(body));
  // What of a body nobody wanted is still to come: the next request is behind it.
  if (!incoming.complete) incoming.resume();
}
